"""Backends of locks that ship with the core."""
