"""The tables of the event store: streams, their events, snapshots, and how far projections are."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from brickwork.data.models import Base, TenantScoped, _stamp_tenant


class StreamRow(TenantScoped, Base):
    """A stream and the version it is at. Writers of a stream meet here."""

    __tablename__ = "eventstore_stream"

    stream: Mapped[str] = mapped_column(String(200), primary_key=True)
    version: Mapped[int] = mapped_column(Integer)

    __table_args__ = ({"info": {"audit": False}},)


class StoredEventRow(Base):
    """An event of a stream. `position` grows within a tenant in the order of commits."""

    __tablename__ = "eventstore_event"

    tenant_id: Mapped[str] = mapped_column(String(64), primary_key=True, default=_stamp_tenant)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    stream: Mapped[str] = mapped_column(String(200))
    version: Mapped[int] = mapped_column(Integer)
    event_id: Mapped[UUID]
    event: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("tenant_id", "stream", "version"), {"info": {"audit": False, "append_only": True}})


class SnapshotRow(TenantScoped, Base):
    """The state of a stream at a version, so that not all of it must be read."""

    __tablename__ = "eventstore_snapshot"

    stream: Mapped[str] = mapped_column(String(200), primary_key=True)
    kind: Mapped[str] = mapped_column(String(100), primary_key=True)
    version: Mapped[int] = mapped_column(Integer)
    state: Mapped[dict[str, Any]]

    __table_args__ = ({"info": {"audit": False}},)


class ProjectionRow(TenantScoped, Base):
    """How far a generation of a projection has read. The active one serves; another may be building."""

    __tablename__ = "eventstore_projection"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    generation: Mapped[int] = mapped_column(Integer, primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger)
    active: Mapped[bool]

    __table_args__ = (Index("ix_eventstore_projection_active", "tenant_id", "active"), {"info": {"audit": False}})
