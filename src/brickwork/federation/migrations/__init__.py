"""The history of the flags' tables."""
