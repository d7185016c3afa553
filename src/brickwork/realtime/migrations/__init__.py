"""The history of the realtime tables."""
