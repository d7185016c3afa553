"""Pages and opaque cursors. A cursor holds the sort keys of a page's last row, so rows inserted meanwhile move nothing."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import attrs
import orjson

from brickwork.errors import ValidationError

T = TypeVar("T")


@attrs.frozen
class Page(Generic[T]):
    """Some items of a longer list; `cursor` asks for the next ones and is None at the end."""

    items: Sequence[T]
    cursor: str | None = None

    def __iter__(self) -> Any:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


def cut(limit: int, most: int) -> int:
    """`limit` if it lies between 1 and `most`; no list is unbounded."""
    if not 1 <= limit <= most:
        raise ValidationError(f"limit is {limit}; it takes 1 to {most}", field="limit")
    return limit


def encode_cursor(order: str, keys: Sequence[Any]) -> str:
    """A cursor for the list ordered as `order` says, after the row with these sort `keys`."""
    return base64.urlsafe_b64encode(orjson.dumps([order, *keys], default=str)).decode().rstrip("=")


def decode_cursor(cursor: str, order: str) -> list[Any]:
    """The sort keys in `cursor`; raises `ValidationError` if it was not made for this `order`."""
    try:
        found, *keys = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, orjson.JSONDecodeError, ValueError, TypeError):
        raise ValidationError("the cursor is damaged; use the one from the page before", field="cursor") from None
    if found != order or not keys:
        raise ValidationError("the cursor belongs to a list with another filter or sort", field="cursor")
    return list(keys)
