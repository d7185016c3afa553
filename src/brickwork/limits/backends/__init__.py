"""Backends of rate limits that ship with the core."""
