"""Identifiers: UUID version 7 (RFC 9562, section 5.7), sortable by creation time."""

from uuid import UUID

import uuid_utils
from uuid_utils.compat import uuid7

__all__ = ["UUID", "new_id", "parse_id", "uuid7"]


def new_id() -> str:
    """The text of a new UUID; quicker than to make a `UUID` and spell that."""
    return str(uuid_utils.uuid7())


def parse_id(text: str) -> UUID | None:
    """The UUID that `text` spells, or None: an identifier that is malformed can't exist, so callers answer 'not found'."""
    try:
        return UUID(text)
    except (ValueError, AttributeError, TypeError):
        return None
