"""The history of the documents' tables."""
