"""The tables of realtime: the log of messages, who is present, and tickets."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, Integer, String, Text, false, text
from sqlalchemy.orm import Mapped, mapped_column

from brickwork.data.models import Base, TenantScoped, _stamp_tenant


class MessageRow(Base):
    """A message to a topic. It gets its `seq` after its commit, so that the order of `seq` is an order in which nothing can
    appear later than something behind it."""

    __tablename__ = "realtime_message"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    tenant_id: Mapped[str] = mapped_column(String(64), default=_stamp_tenant)
    topic: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(20))
    data: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]
    seq: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (
        Index("ix_realtime_message_seq", "seq"),
        Index("ix_realtime_message_topic", "tenant_id", "topic", "seq"),
        Index("ix_realtime_message_new", "id", sqlite_where=text("seq IS NULL"), postgresql_where=text("seq IS NULL")),
        Index("ix_realtime_message_at", "at"),
        {"info": {"audit": False}, "sqlite_autoincrement": True},
    )


class HeadRow(TenantScoped, Base):
    """The last `seq` that was given, and the last that was removed. One row, the system's."""

    __tablename__ = "realtime_head"

    seq: Mapped[int] = mapped_column(BigInteger)
    trimmed: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = ({"info": {"audit": False}},)


class PresenceRow(TenantScoped, Base):
    """A client that is present in a topic, for as long as its server process renews it."""

    __tablename__ = "realtime_presence"

    topic: Mapped[str] = mapped_column(String(200), primary_key=True)
    client: Mapped[str] = mapped_column(String(64), primary_key=True)
    node: Mapped[str] = mapped_column(String(36))
    actor: Mapped[str] = mapped_column(String(200))
    meta: Mapped[dict[str, Any]]
    joined_at: Mapped[datetime]
    expires_at: Mapped[datetime]

    __table_args__ = (
        Index("ix_realtime_presence_node", "node"),
        Index("ix_realtime_presence_expires", "expires_at"),
        {"info": {"audit": False}},
    )


class TicketRow(TenantScoped, Base):
    """A permission to connect once, soon. The ticket itself is not kept, only its SHA-256."""

    __tablename__ = "realtime_ticket"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    client: Mapped[str] = mapped_column(String(64))
    #: Whether the guest's permissions count; not where the product's own code gave the ticket.
    checked: Mapped[bool] = mapped_column(default=False, server_default=false())
    actor: Mapped[str] = mapped_column(String(200))
    expires_at: Mapped[datetime]

    __table_args__ = (Index("ix_realtime_ticket_expires", "expires_at"), {"info": {"audit": False}})
