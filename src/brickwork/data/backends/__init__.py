"""The databases that ship with the core."""
