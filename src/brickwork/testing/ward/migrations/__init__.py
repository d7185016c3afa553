"""The revisions of the ward's tables."""
