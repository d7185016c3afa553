"""Column types: aware UTC timestamps and JSON that is stored exactly as orjson writes it."""

from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import DateTime, Dialect, Text, TypeDecorator
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import JSON

from brickwork.errors import ValidationError


class _IsoMoment(sqlite.DATETIME):
    """SQLite's column for moments, without SQLAlchemy's own parsing and formatting: `UTCDateTime` does both."""

    def bind_processor(self, dialect: Dialect) -> None:
        return None

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        return None


class UTCDateTime(TypeDecorator[datetime]):
    """An aware moment. Stored in UTC (`timestamptz` on PostgreSQL, ISO text on SQLite); a naive value is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return _IsoMoment() if dialect.name == "sqlite" else self.impl_instance  # type: ignore[no-untyped-call]

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValidationError(f"time {value.isoformat()} has no time zone; give an aware datetime")
        if dialect.name == "sqlite":
            return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
        return value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return datetime.fromisoformat(value + "+00:00") if isinstance(value, str) else value.astimezone(UTC)


def dump_json(value: Any) -> str:
    """`value` as compact JSON text."""
    return orjson.dumps(value, default=str).decode()


#: JSON that PostgreSQL keeps as `jsonb`, so that it can be filtered by path.
Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

#: Text compared byte by byte on every database, as keys and tenants must be.
BinaryText = Text().with_variant(Text(collation="C"), "postgresql")
