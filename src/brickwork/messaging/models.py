"""The tables of messaging: what waits for a handler, and what no handler could do."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from brickwork.data.models import Base, Identified, TenantScoped, _stamp_tenant
from brickwork.data.types import Json


class DeliveryRow(Base):
    """An event on its way to one subscription. Written with the data, deleted with the handler's effects: while it is there
    the event is owed, and once it is gone it can't be handled again."""

    __tablename__ = "message_delivery"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    tenant_id: Mapped[str] = mapped_column(String(64), default=_stamp_tenant)
    subscription: Mapped[str] = mapped_column(String(120))
    queue: Mapped[str] = mapped_column(String(41))
    #: The event's key, where the subscription wants order.
    ordering: Mapped[str | None] = mapped_column(String(200))
    event_id: Mapped[UUID]
    event: Mapped[str] = mapped_column(Text)
    #: When it may be handed over: at once, after a pause, or (`taken`) again if nothing was heard of it by then.
    due_at: Mapped[datetime]
    taken: Mapped[bool]
    failures: Mapped[int] = mapped_column(Integer)
    #: What went wrong so far: [{"at", "error", "traceback"}], the last ones.
    history: Mapped[list[Any] | None]

    __table_args__ = (
        Index("ix_message_delivery_due", "queue", "due_at", "id"),
        Index(
            "ix_message_delivery_ordering",
            "tenant_id",
            "subscription",
            "ordering",
            "id",
            sqlite_where=text("ordering IS NOT NULL"),
            postgresql_where=text("ordering IS NOT NULL"),
        ),
        {"info": {"audit": False}, "sqlite_autoincrement": True},
    )


class DeadLetterRow(TenantScoped, Identified, Base):
    """An event that a subscription could not handle, at rest until somebody replays or discards it."""

    __tablename__ = "message_dead"

    subscription: Mapped[str] = mapped_column(String(120))
    queue: Mapped[str] = mapped_column(String(41))
    ordering: Mapped[str | None] = mapped_column(String(200))
    event_id: Mapped[UUID | None]
    event_name: Mapped[str] = mapped_column(String(200))
    event: Mapped[str] = mapped_column(Text, info={"audit": False})
    error: Mapped[str] = mapped_column(Text)
    history: Mapped[list[Any]] = mapped_column(Json, info={"audit": False})
    died_at: Mapped[datetime]
    #: "resting", "replayed" or "discarded".
    status: Mapped[str] = mapped_column(String(10))
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None] = mapped_column(String(200))
    reason: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        Index("ix_message_dead_resting", "tenant_id", "status", "id"),
        Index("ix_message_dead_subscription", "tenant_id", "subscription", "status", "id"),
    )
