"""The history of the audit tables."""
