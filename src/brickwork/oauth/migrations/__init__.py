"""The history of the tables of oauth."""
