"""The history of storage's tables."""
