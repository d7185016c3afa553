"""Entities: records of types that are defined as data, with links, queries, import and duplicate search."""

from brickwork.entities.changes import ChangePlan
from brickwork.entities.definitions import EntityTypeDefinition, load_definitions
from brickwork.entities.events import (
    EntitiesImported,
    EntitiesMerged,
    EntityCreated,
    EntityDeleted,
    EntityTypeChanged,
    EntityUpdated,
)
from brickwork.entities.mapping import Column
from brickwork.entities.record import EntityRef, Record
from brickwork.entities.relations import Link, Node
from brickwork.entities.service import Entities

__all__ = [
    "ChangePlan",
    "Column",
    "Entities",
    "EntitiesImported",
    "EntitiesMerged",
    "EntityCreated",
    "EntityDeleted",
    "EntityRef",
    "EntityTypeChanged",
    "EntityTypeDefinition",
    "EntityUpdated",
    "Link",
    "Node",
    "Record",
    "load_definitions",
]
