"""What entities publish. Each event commits with the change it tells of."""

from uuid import UUID

from brickwork.messaging.event import Event


def tags_of(type: str, *ids: UUID) -> tuple[str, ...]:
    """The tags of a change: the type's ("entity:patient"), and each record's ("entity:patient:0192…"). Without ids it is
    every record's ("entity:patient:*")."""
    return (f"entity:{type}", *(f"entity:{type}:{id}" for id in ids or ("*",)))


class EntityCreated(Event, name="entity.created", key="id"):
    """A record came into being (or was restored)."""

    type: str
    id: UUID
    version: int

    def tags(self) -> tuple[str, ...]:
        return tags_of(self.type, self.id)


class EntityUpdated(Event, name="entity.updated", key="id"):
    """Fields of a record changed; `fields` names them."""

    type: str
    id: UUID
    version: int
    fields: tuple[str, ...]

    def tags(self) -> tuple[str, ...]:
        return tags_of(self.type, self.id)


class EntityDeleted(Event, name="entity.deleted", key="id"):
    """A record was deleted, softly or (`purged`) for good."""

    type: str
    id: UUID
    purged: bool = False

    def tags(self) -> tuple[str, ...]:
        return tags_of(self.type, self.id)


class EntitiesMerged(Event, name="entity.merged", key="winner"):
    """Two records became one; the loser's id no longer answers."""

    type: str
    winner: UUID
    loser: UUID

    def tags(self) -> tuple[str, ...]:
        return tags_of(self.type, self.winner, self.loser)


class EntitiesImported(Event, name="entity.imported", key="type"):
    """Many records were written at once; one event a batch."""

    type: str
    created: int
    updated: int

    def tags(self) -> tuple[str, ...]:
        return tags_of(self.type)


class EntityTypeChanged(Event, name="entity.type-changed", key="type"):
    """A definition came into force."""

    type: str
    version: int

    def tags(self) -> tuple[str, ...]:
        return tags_of(self.type)
