"""The history of the web tables."""
