"""The history of the entity tables."""
