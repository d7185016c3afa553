"""The tables of entities: type definitions, records, links, duplicate candidates, merges and import checkpoints.

All records of all types lie in one table. Custom fields are JSON; indexed and unique ones are also kept as keys in the
columns k0… and u0…, whose partial indexes cost nothing for types that don't use them.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from brickwork.data.models import Base, Identified, TenantScoped, _stamp_tenant
from brickwork.data.types import BinaryText, Json, UTCDateTime
from brickwork.kernel.ids import uuid7

#: Fields of a type that may be indexed, and that may be unique (single or together).
INDEX_SLOTS = tuple(f"k{n}" for n in range(16))
UNIQUE_SLOTS = tuple(f"u{n}" for n in range(6))


class EntityTypeRow(TenantScoped, Base):
    """The definition in force."""

    __tablename__ = "entity_type"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int] = mapped_column(Integer)
    #: Plain JSON, since JSONB would lose the order of the fields.
    definition: Mapped[dict[str, Any]] = mapped_column(JSON)
    slots: Mapped[dict[str, Any]]
    #: Digest of the shipped definition that this one was installed from, or None for a tenant's own.
    origin: Mapped[str | None] = mapped_column(String(64))
    updated_at: Mapped[datetime]


class EntityTypeVersionRow(TenantScoped, Base):
    """Every definition that was ever in force."""

    __tablename__ = "entity_type_version"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    #: Plain JSON, since JSONB would lose the order of the fields.
    definition: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(200))


def _partial(name: str, column: str, *more: str, unique: bool = False) -> Index:
    present = text(f"{column} IS NOT NULL")
    columns = ("tenant_id", "type", column, *more)
    return Index(name, *columns, unique=unique, sqlite_where=present, postgresql_where=present)


record = Table(
    "entity_record",
    Base.metadata,
    Column("tenant_id", String(64), default=_stamp_tenant),
    Column("id", Uuid, default=uuid7),
    Column("type", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("definition_version", Integer, nullable=False),
    Column("data", Json, nullable=False),
    Column("sealed", Json, info={"sensitive": True}),
    Column("created_at", UTCDateTime, nullable=False),
    Column("created_by", String(200), nullable=False),
    Column("updated_at", UTCDateTime, nullable=False),
    Column("updated_by", String(200), nullable=False),
    Column("deleted_at", UTCDateTime),
    Column("deletion_id", Uuid),
    Column("merged_into", Uuid),
    *(Column(slot, BinaryText, info={"audit": False}) for slot in (*INDEX_SLOTS, *UNIQUE_SLOTS)),
    PrimaryKeyConstraint("tenant_id", "id"),
    Index("ix_entity_record_type", "tenant_id", "type", "id"),
    *(_partial(f"ix_entity_record_{slot}", slot, "id") for slot in INDEX_SLOTS),
    *(_partial(f"uq_entity_record_{slot}", slot, unique=True) for slot in UNIQUE_SLOTS),
)


class EntityRecordRow(Base):
    """The mapped face of `record`, for the catalogue; queries use the table."""

    __table__ = record


class EntityLinkRow(TenantScoped, Identified, Base):
    """A directed link: a declared relation or a reference field, named "type.name" in `kind`.

    `source_one` and `target_one` repeat an end where the cardinality allows it one link only; their unique indexes keep
    that under concurrency.
    """

    __tablename__ = "entity_link"

    kind: Mapped[str] = mapped_column(String(130))
    source_id: Mapped[UUID]
    target_id: Mapped[UUID]
    source_one: Mapped[UUID | None]
    target_one: Mapped[UUID | None]
    attributes: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(200))

    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "source_id"], ["entity_record.tenant_id", "entity_record.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["tenant_id", "target_id"], ["entity_record.tenant_id", "entity_record.id"]),
        UniqueConstraint("tenant_id", "source_id", "kind", "target_id"),
        Index("ix_entity_link_target", "tenant_id", "target_id", "kind"),
        Index("uq_entity_link_source_one", "tenant_id", "kind", "source_one", unique=True),
        Index("uq_entity_link_target_one", "tenant_id", "kind", "target_one", unique=True),
    )


class EntityMatchRow(TenantScoped, Identified, Base):
    """Two records that may be the same, waiting for or carrying a decision. `left_id` is the older record."""

    __tablename__ = "entity_match"

    type: Mapped[str] = mapped_column(String(64))
    left_id: Mapped[UUID]
    right_id: Mapped[UUID]
    probability: Mapped[float]
    evidence: Mapped[list[Any]]
    #: Pairs of one group that may be merged without asking share this; None for pairs to be reviewed.
    cluster: Mapped[UUID | None]
    status: Mapped[str] = mapped_column(String(10))
    found_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None] = mapped_column(String(200))

    __table_args__ = (
        UniqueConstraint("tenant_id", "left_id", "right_id"),
        Index("ix_entity_match_queue", "tenant_id", "type", "status", "probability"),
    )


class EntityMergeRow(TenantScoped, Identified, Base):
    """A merge and what is needed to undo it."""

    __tablename__ = "entity_merge"

    type: Mapped[str] = mapped_column(String(64))
    winner_id: Mapped[UUID]
    loser_id: Mapped[UUID]
    #: Fields of the winner that the merge set: {field: [before, after]}; sensitive values stay encrypted in `sealed`.
    changed: Mapped[dict[str, Any]]
    sealed: Mapped[dict[str, Any] | None] = mapped_column(Json, info={"sensitive": True})
    #: Links that were re-pointed, and those dropped because the winner had them: as they were before.
    links: Mapped[list[Any]]
    merged_at: Mapped[datetime]
    merged_by: Mapped[str] = mapped_column(String(200))
    undone_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_entity_merge_loser", "tenant_id", "loser_id"),)


class EntityImportRow(TenantScoped, Identified, Base):
    """How far an import has come: its last row commits together with the rows before it."""

    __tablename__ = "entity_import"

    type: Mapped[str] = mapped_column(String(64))
    #: Digest of file and options, by which a later run finds its place.
    fingerprint: Mapped[str] = mapped_column(String(64))
    rows_done: Mapped[int] = mapped_column(Integer)
    created: Mapped[int] = mapped_column(Integer)
    updated: Mapped[int] = mapped_column(Integer)
    unchanged: Mapped[int] = mapped_column(Integer)
    rejected: Mapped[int] = mapped_column(Integer)
    status: Mapped[str] = mapped_column(String(10))
    updated_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("tenant_id", "fingerprint"),)
