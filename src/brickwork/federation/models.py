"""The tables of federation, all under the system's tenant, as people are."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from brickwork.data.models import Base, Identified, TenantScoped, Timestamps

_UNAUDITED = {"info": {"audit": False}}


class IdentityRow(TenantScoped, Identified, Timestamps, Base):
    """An account elsewhere by which a person signs in here. Issuer and subject name it; nothing else of it stays the same
    (OpenID Connect Core, 5.7)."""

    __tablename__ = "federation_identity"

    user_id: Mapped[UUID]
    provider: Mapped[str] = mapped_column(String(32))
    issuer: Mapped[str] = mapped_column(String(300))
    subject: Mapped[str] = mapped_column(String(255))
    #: The address that the provider told when it was linked, for people to recognise it by.
    email: Mapped[str | None] = mapped_column(String(320))

    __table_args__ = (
        UniqueConstraint("tenant_id", "issuer", "subject"),
        Index("ix_federation_identity_user_id", "tenant_id", "user_id"),
    )


class AttemptRow(TenantScoped, Base):
    """A sign-in that was begun and not yet completed."""

    __tablename__ = "federation_attempt"

    #: Of the state.
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    #: Of what the browser keeps in a cookie.
    browser: Mapped[str] = mapped_column(String(64))
    provider: Mapped[str] = mapped_column(String(32))
    #: Nonce, PKCE verifier and the rest, encrypted.
    sealed: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime]

    __table_args__ = (Index("ix_federation_attempt_expires_at", "expires_at"), _UNAUDITED)


class FederatedSessionRow(TenantScoped, Base):
    """Which of the provider's sessions a session here was begun with, for the provider to end it."""

    __tablename__ = "federation_session"

    session_id: Mapped[UUID] = mapped_column(primary_key=True)
    issuer: Mapped[str] = mapped_column(String(300))
    subject: Mapped[str] = mapped_column(String(255))
    sid: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]

    __table_args__ = (
        Index("ix_federation_session_subject", "tenant_id", "issuer", "subject"),
        Index("ix_federation_session_sid", "tenant_id", "sid"),
        Index("ix_federation_session_expires_at", "expires_at"),
        _UNAUDITED,
    )
