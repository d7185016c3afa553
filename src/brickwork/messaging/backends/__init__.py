"""The brokers that ship with the core."""
