"""Schema history of messaging."""
