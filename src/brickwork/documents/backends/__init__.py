"""The renderers that ship with the core."""
