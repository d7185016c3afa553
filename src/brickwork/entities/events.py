"""What entities publish. Each event commits with the change it tells of."""

from uuid import UUID

import attrs


@attrs.frozen
class EntityCreated:
    """A record came into being (or was restored)."""

    type: str
    id: UUID
    version: int


@attrs.frozen
class EntityUpdated:
    """Fields of a record changed; `fields` names them."""

    type: str
    id: UUID
    version: int
    fields: tuple[str, ...]


@attrs.frozen
class EntityDeleted:
    """A record was deleted, softly or (`purged`) for good."""

    type: str
    id: UUID
    purged: bool = False


@attrs.frozen
class EntitiesMerged:
    """Two records became one; the loser's id no longer answers."""

    type: str
    winner: UUID
    loser: UUID


@attrs.frozen
class EntitiesImported:
    """Many records were written at once; one event a batch."""

    type: str
    created: int
    updated: int


@attrs.frozen
class EntityTypeChanged:
    """A definition came into force."""

    type: str
    version: int
