"""Records read through the cache. What is kept is the row as it is stored: sensitive fields stay encrypted in every tier."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import attrs
import orjson

from brickwork.cache import Cache, Region

STRATEGY = "entity_data"


@attrs.frozen
class KeptRow:
    """A row of `entity_record`, as the repository reads it."""

    id: UUID
    version: int
    definition_version: int
    data: dict[str, Any]
    sealed: dict[str, str] | None
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str
    deleted_at: None = None


class RowCodec:
    """Rows that are not deleted, as JSON."""

    def dump(self, row: Any) -> bytes:
        texts = (row.id.hex, row.created_at.isoformat(), row.created_by, row.updated_at.isoformat(), row.updated_by)
        return orjson.dumps((row.version, row.definition_version, row.data, row.sealed, *texts))

    def load(self, payload: bytes) -> KeptRow:
        version, definition, data, sealed, id, created_at, created_by, updated_at, updated_by = orjson.loads(payload)
        made, changed = datetime.fromisoformat(created_at), datetime.fromisoformat(updated_at)
        return KeptRow(UUID(id), version, definition, data, sealed, made, created_by, changed, updated_by)


class CachedRows:
    """Rows by type and id."""

    def __init__(self, cache: Cache) -> None:
        self._region: Region[Any] = cache.region(STRATEGY, codec=RowCodec())

    def get(self, type: str, id: UUID, load: Callable[[], Any]) -> Any:
        """The row; `load` reads it, and raises where there is none."""
        return self._region.get_or_load(f"{type}:{id}", load, tags=(f"entity:{type}:{id}", f"entity:{type}:*"))
