"""What callers get: a record, and a reference to one."""

from datetime import datetime
from typing import Any
from uuid import UUID

import attrs

from brickwork.entities.compiled import CompiledType
from brickwork.errors import ValidationError


@attrs.frozen
class EntityRef:
    """The type and id of a record; as text "patient:0192…"."""

    type: str
    id: UUID

    @classmethod
    def parse(cls, text: str) -> "EntityRef":
        """The reference that `text` spells; raises `ValidationError`."""
        kind, _, identifier = text.partition(":")
        try:
            return cls(kind, UUID(identifier))
        except ValueError:
            raise ValidationError(f"{text[:100]!r} is no reference; it looks like 'patient:01932c07-…'") from None

    def __str__(self) -> str:
        return f"{self.type}:{self.id}"


@attrs.frozen
class Record:
    """A record as it was read. `data` has the fields in JSON form; `record["birth_date"]` gives the typed value.

    Fields that are empty are absent from `data`.
    """

    type: str
    id: UUID
    version: int
    data: dict[str, Any]
    created_at: datetime
    created_by: str
    updated_at: datetime
    updated_by: str
    deleted_at: datetime | None = None
    _compiled: CompiledType | None = attrs.field(default=None, repr=False, eq=False, alias="compiled")

    @property
    def ref(self) -> EntityRef:
        """What other records and components keep to refer to this one."""
        return EntityRef(self.type, self.id)

    @property
    def title(self) -> str:
        """The record in words, by its type's `title`; its id where the type has none."""
        return (self._compiled.title(self.data) if self._compiled else None) or str(self.id)

    def __getitem__(self, field: str) -> Any:
        """The typed value of a field (date, Decimal, Money, UUID …), None if it's empty; `KeyError` if there is none."""
        if self._compiled is None:
            return self.data[field]
        return self._compiled.read(field, self.data)
