"""What entities publish. Each event commits with the change it tells of."""

from uuid import UUID

from brickwork.messaging.event import Event


class EntityCreated(Event, name="entity.created", key="id"):
    """A record came into being (or was restored)."""

    type: str
    id: UUID
    version: int


class EntityUpdated(Event, name="entity.updated", key="id"):
    """Fields of a record changed; `fields` names them."""

    type: str
    id: UUID
    version: int
    fields: tuple[str, ...]


class EntityDeleted(Event, name="entity.deleted", key="id"):
    """A record was deleted, softly or (`purged`) for good."""

    type: str
    id: UUID
    purged: bool = False


class EntitiesMerged(Event, name="entity.merged", key="winner"):
    """Two records became one; the loser's id no longer answers."""

    type: str
    winner: UUID
    loser: UUID


class EntitiesImported(Event, name="entity.imported", key="type"):
    """Many records were written at once; one event a batch."""

    type: str
    created: int
    updated: int


class EntityTypeChanged(Event, name="entity.type-changed", key="type"):
    """A definition came into force."""

    type: str
    version: int
