"""The tables of notify: who is to be told and how, what was sent, and how each delivery fared."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from brickwork.data.models import Base, Identified, TenantModel, TenantScoped, Timestamps
from brickwork.data.types import Json

_UNAUDITED = {"info": {"audit": False}}
_SECRET = {"sensitive": True}


class RecipientRow(TenantScoped, Timestamps, Base):
    """Somebody who can be told; "*" holds what goes for everybody without values of their own."""

    __tablename__ = "notify_recipient"

    ref: Mapped[str] = mapped_column(String(200), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    locale: Mapped[str | None] = mapped_column(String(35))
    #: An IANA time zone.
    zone: Mapped[str | None] = mapped_column(String(64))
    #: Addresses by channel, the best first.
    addresses: Mapped[dict[str, Any]]
    #: `QuietHours`, as JSON; an empty object is none at any time, None what goes for everybody.
    quiet: Mapped[dict[str, Any] | None] = mapped_column(Json)


class PreferenceRow(TenantScoped, Base):
    """What somebody wants to be told, or not. "*" stands for everybody, every category, every channel."""

    __tablename__ = "notify_preference"

    ref: Mapped[str] = mapped_column(String(200), primary_key=True)
    category: Mapped[str] = mapped_column(String(60), primary_key=True)
    channel: Mapped[str] = mapped_column(String(30), primary_key=True)
    wanted: Mapped[bool]
    updated_at: Mapped[datetime]


class SuppressionRow(TenantScoped, Base):
    """An address to which nothing is sent any more."""

    __tablename__ = "notify_suppression"

    channel: Mapped[str] = mapped_column(String(30), primary_key=True)
    address: Mapped[str] = mapped_column(String(2000), primary_key=True)
    #: "bounced", "complained", "gone" or "manual".
    reason: Mapped[str] = mapped_column(String(20))
    detail: Mapped[str] = mapped_column(Text)
    since: Mapped[datetime]


class MessageRow(TenantModel, Base):
    """One notification to one recipient."""

    __tablename__ = "notify_message"

    notification: Mapped[str] = mapped_column(String(100))
    category: Mapped[str] = mapped_column(String(60))
    ref: Mapped[str] = mapped_column(String(200))
    name: Mapped[str] = mapped_column(String(200))
    locale: Mapped[str] = mapped_column(String(35))
    zone: Mapped[str] = mapped_column(String(64))
    #: The addresses by channel, where a route may need another than the first.
    addresses: Mapped[dict[str, Any] | None] = mapped_column(Json)
    #: The recipient's quiet hours when it was asked for, as JSON.
    quiet: Mapped[dict[str, Any] | None] = mapped_column(Json)
    #: What the templates are filled with.
    data: Mapped[dict[str, Any]]
    #: `Content`, as JSON, where the caller gave the text itself.
    content: Mapped[dict[str, Any] | None] = mapped_column(Json)
    required: Mapped[bool]
    urgent: Mapped[bool]
    #: Given by the caller: the same recipient gets one message a key.
    key: Mapped[str | None] = mapped_column(String(200))
    #: "active", "gathering" (a digest that others still join), "gathered" (in the digest `leader_id`), "throttled",
    #: "unreachable", "unwanted" or "cancelled".
    status: Mapped[str] = mapped_column(String(12))
    #: What the digest that gathers is found by; None once it is closed.
    digest_key: Mapped[str | None] = mapped_column(String(500))
    leader_id: Mapped[UUID | None]
    due_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("tenant_id", "key", "ref"),
        UniqueConstraint("tenant_id", "digest_key"),
        Index("ix_notify_message_ref", "tenant_id", "ref", "id"),
        Index("ix_notify_message_leader_id", "tenant_id", "leader_id"),
        Index("ix_notify_message_created_at", "created_at"),
        _UNAUDITED,
    )


class DeliveryRow(TenantModel, Base):
    """A message on its way to one address over one channel."""

    __tablename__ = "notify_delivery"

    message_id: Mapped[UUID]
    channel: Mapped[str] = mapped_column(String(30))
    address: Mapped[str] = mapped_column(String(2000))
    #: "queued", "sending", "sent", "delivered", "failed", "suppressed", "unwanted", "expired" or "cancelled".
    status: Mapped[str] = mapped_column(String(12))
    #: The `Route` that follows where this one fails or is not seen, as JSON.
    route: Mapped[dict[str, Any]]
    #: Whether the next of the route has begun.
    followed: Mapped[bool]
    attempts: Mapped[int] = mapped_column(Integer)
    #: The journal of the process that sends it.
    claim: Mapped[str | None] = mapped_column(String(32))
    provider: Mapped[str | None] = mapped_column(String(60))
    provider_id: Mapped[str | None] = mapped_column(String(200))
    detail: Mapped[str | None] = mapped_column(Text)
    parts: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    seen_at: Mapped[datetime | None]
    clicked_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_notify_delivery_message_id", "tenant_id", "message_id"),
        Index("ix_notify_delivery_provider_id", "tenant_id", "provider_id"),
        _UNAUDITED,
    )


class StepRow(TenantModel, Base):
    """Something that happened to a delivery besides what its columns tell: a failed attempt, a link that was opened."""

    __tablename__ = "notify_step"

    delivery_id: Mapped[UUID]
    at: Mapped[datetime]
    what: Mapped[str] = mapped_column(String(20))
    detail: Mapped[str] = mapped_column(Text)

    __table_args__ = (Index("ix_notify_step_delivery_id", "tenant_id", "delivery_id"), _UNAUDITED)


class InboxRow(TenantModel, Base):
    """A message in somebody's inbox; its id is the delivery's."""

    __tablename__ = "notify_inbox"

    ref: Mapped[str] = mapped_column(String(200))
    message_id: Mapped[UUID]
    category: Mapped[str] = mapped_column(String(60))
    subject: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    data: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime | None]
    read_at: Mapped[datetime | None]
    archived_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_notify_inbox_ref", "tenant_id", "ref", "id"),
        Index(
            "ix_notify_inbox_unread",
            "tenant_id",
            "ref",
            sqlite_where=text("read_at IS NULL AND archived_at IS NULL"),
            postgresql_where=text("read_at IS NULL AND archived_at IS NULL"),
        ),
        _UNAUDITED,
    )


class EndpointRow(TenantScoped, Identified, Timestamps, Base):
    """A URL of somebody else's that is told of events."""

    __tablename__ = "notify_endpoint"

    url: Mapped[str] = mapped_column(String(2000))
    #: Patterns of event names.
    events: Mapped[list[Any]]
    description: Mapped[str] = mapped_column(String(500))
    #: Encrypted signing secrets with the time until which each counts, the newest first.
    secrets: Mapped[list[Any]] = mapped_column(Json, info=_SECRET)
    #: Since when nothing has arrived; None where the last message did.
    failing_since: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None] = mapped_column(String(200))

    __table_args__ = ({"info": {"audit": True}},)
