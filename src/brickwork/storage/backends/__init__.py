"""The stores that ship with the core."""
