"""Identifiers: UUID version 7 (RFC 9562, section 5.7), sortable by creation time."""

from uuid import UUID

from uuid_utils.compat import uuid7

__all__ = ["UUID", "parse_id", "uuid7"]


def parse_id(text: str) -> UUID | None:
    """The UUID that `text` spells, or None: an identifier that is malformed can't exist, so callers answer 'not found'."""
    try:
        return UUID(text)
    except (ValueError, AttributeError, TypeError):
        return None
