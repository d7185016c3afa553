"""Backends of the gateway that ship with the core."""
