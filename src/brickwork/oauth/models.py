"""The tables of oauth. Whatever a client shows (secrets, codes, refresh tokens) is kept as a digest."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from brickwork.data.models import Base, Identified, TenantScoped, Timestamps

_SECRET = {"sensitive": True}
_UNAUDITED = {"info": {"audit": False}}


class SigningKeyRow(TenantScoped, Base):
    """A key pair with which the tenant's tokens are signed."""

    __tablename__ = "oauth_signing_key"

    #: Thumbprint of the public part (RFC 7638).
    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    alg: Mapped[str] = mapped_column(String(10))
    public: Mapped[dict[str, Any]]
    #: The private part, encrypted; None once the key signs no more.
    private: Mapped[str | None] = mapped_column(Text, info=_SECRET)
    created_at: Mapped[datetime]
    #: When the last token that it signed is over, for a key that signs no more.
    expires_at: Mapped[datetime | None]


class ClientRow(TenantScoped, Timestamps, Base):
    """An application that asks for tokens."""

    __tablename__ = "oauth_client"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    #: A `Client`, as JSON.
    definition: Mapped[dict[str, Any]]
    #: Grows when what it was given before counts no more; its tokens carry the number.
    epoch: Mapped[int]
    #: Digests of its secrets, each with the moment at which it ends or null.
    secrets: Mapped[list[Any]] = mapped_column(info=_SECRET)
    #: Digest of the token with which a client that registered itself changes its registration (RFC 7592).
    registration: Mapped[str | None] = mapped_column(String(64), info=_SECRET)


class GrantRow(TenantScoped, Identified, Base):
    """What somebody allowed a client once. Its tokens are a family: they are revoked together."""

    __tablename__ = "oauth_grant"

    client_id: Mapped[str] = mapped_column(String(64))
    #: "user:…".
    subject: Mapped[str] = mapped_column(String(80))
    scopes: Mapped[list[Any]]
    #: When and how the person had signed in.
    auth_time: Mapped[datetime]
    methods: Mapped[list[Any]]
    nonce: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_oauth_grant_subject", "subject", "tenant_id"),
        Index("ix_oauth_grant_client_id", "tenant_id", "client_id"),
        Index("ix_oauth_grant_expires_at", "expires_at"),
    )


class CodeRow(TenantScoped, Base):
    """An authorization code. It stays after its use, so that a second one is noticed."""

    __tablename__ = "oauth_code"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    grant_id: Mapped[UUID]
    client_id: Mapped[str] = mapped_column(String(64))
    redirect_uri: Mapped[str] = mapped_column(String(2000))
    challenge: Mapped[str] = mapped_column(String(128))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_oauth_code_expires_at", "expires_at"), _UNAUDITED)


class RefreshRow(TenantScoped, Base):
    """A refresh token of a grant."""

    __tablename__ = "oauth_refresh"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    grant_id: Mapped[UUID]
    client_id: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    #: Digest of the token in whose place it came, and the one that came in its own, encrypted.
    before: Mapped[str | None] = mapped_column(String(64))
    successor: Mapped[str | None] = mapped_column(Text, info=_SECRET)

    __table_args__ = (
        Index("ix_oauth_refresh_grant_id", "grant_id"),
        Index("ix_oauth_refresh_expires_at", "expires_at"),
        _UNAUDITED,
    )


class ConsentRow(TenantScoped, Base):
    """Scopes that a person has allowed a client, and is not asked for again."""

    __tablename__ = "oauth_consent"

    subject: Mapped[str] = mapped_column(String(80), primary_key=True)
    client_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    scopes: Mapped[list[Any]]
    at: Mapped[datetime]

    __table_args__ = (Index("ix_oauth_consent_subject", "subject"),)


class DeviceRow(TenantScoped, Base):
    """A device that waits for somebody to enter its code elsewhere (RFC 8628)."""

    __tablename__ = "oauth_device"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_digest: Mapped[str] = mapped_column(String(64))
    client_id: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[Any]]
    #: Seconds between two questions of the device, and when it asked last.
    interval: Mapped[int]
    asked_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    denied_at: Mapped[datetime | None]
    grant_id: Mapped[UUID | None]

    __table_args__ = (
        Index("ix_oauth_device_user_digest", "tenant_id", "user_digest"),
        Index("ix_oauth_device_expires_at", "expires_at"),
        _UNAUDITED,
    )


class PushedRow(TenantScoped, Base):
    """An authorization request that a client has pushed (RFC 9126)."""

    __tablename__ = "oauth_pushed"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    client_id: Mapped[str] = mapped_column(String(64))
    parameters: Mapped[dict[str, Any]]
    expires_at: Mapped[datetime]

    __table_args__ = (Index("ix_oauth_pushed_expires_at", "expires_at"), _UNAUDITED)


class AssertionRow(TenantScoped, Base):
    """A signed assertion that was used; a second use is a replay (RFC 7523, 3)."""

    __tablename__ = "oauth_assertion"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime]

    __table_args__ = (Index("ix_oauth_assertion_expires_at", "expires_at"), _UNAUDITED)


class RevocationRow(TenantScoped, Base):
    """Access tokens that don't count any more: one ("jti:…") or those of a grant ("grant:…")."""

    __tablename__ = "oauth_revocation"

    key: Mapped[str] = mapped_column(String(100), primary_key=True)
    #: When the last of them would be over anyway.
    expires_at: Mapped[datetime]

    __table_args__ = (Index("ix_oauth_revocation_expires_at", "expires_at"),)


class SignInRow(TenantScoped, Base):
    """How the session behind the pages' cookie began."""

    __tablename__ = "oauth_sign_in"

    session_id: Mapped[UUID] = mapped_column(primary_key=True)
    methods: Mapped[list[Any]]
    at: Mapped[datetime]
    expires_at: Mapped[datetime]

    __table_args__ = (Index("ix_oauth_sign_in_expires_at", "expires_at"), _UNAUDITED)
