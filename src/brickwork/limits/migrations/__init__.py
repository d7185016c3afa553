"""The history of the limits' tables."""
