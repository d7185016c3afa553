"""Backends of the cache that ship with the core."""
