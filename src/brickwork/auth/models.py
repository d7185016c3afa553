"""The tables of auth. People, their sessions and one-time tokens are the system's; everything else belongs to a tenant."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from brickwork.data.models import Base, Identified, TenantScoped, Timestamps
from brickwork.data.types import Json

#: Columns that the audit trail doesn't show.
_SECRET = {"sensitive": True}
_UNAUDITED = {"info": {"audit": False}}


class UserRow(TenantScoped, Identified, Timestamps, Base):
    """A person, under the system's tenant; a member of any number of tenants."""

    __tablename__ = "auth_user"

    email: Mapped[str] = mapped_column(String(320))
    name: Mapped[str] = mapped_column(String(200))
    #: An argon2 hash; None where the person signs in by other means.
    password: Mapped[str | None] = mapped_column(String(200), info=_SECRET)
    #: The secret of the authenticator app, encrypted; `totp_step` is the last step that was used.
    totp: Mapped[str | None] = mapped_column(Text, info=_SECRET)
    totp_confirmed: Mapped[bool] = mapped_column(default=False)
    totp_step: Mapped[int] = mapped_column(Integer, default=0)
    #: Digests of recovery codes that are left.
    recovery: Mapped[list[Any] | None] = mapped_column(Json, info=_SECRET)
    verified_at: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("tenant_id", "email"),)


class SessionRow(TenantScoped, Identified, Base):
    """A signed-in browser or app, under the system's tenant."""

    __tablename__ = "auth_session"

    digest: Mapped[str] = mapped_column(String(64), info=_SECRET)
    user_id: Mapped[UUID]
    #: The tenant it works in; None until one is chosen.
    tenant: Mapped[str | None] = mapped_column(String(64))
    #: Who acts as the user, for an impersonation.
    impersonator: Mapped[str | None] = mapped_column(String(200))
    #: Whether it stays in its tenant, because it was begun by means that are that tenant's alone.
    confined: Mapped[bool] = mapped_column(default=False)
    agent: Mapped[str] = mapped_column(String(200))
    address: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    #: Written at most every few minutes.
    seen_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("tenant_id", "digest"),
        Index("ix_auth_session_user_id", "tenant_id", "user_id"),
        Index("ix_auth_session_expires_at", "expires_at"),
        _UNAUDITED,
    )


class PasskeyRow(TenantScoped, Identified, Base):
    """A person's passkey, under the system's tenant. Adding and removing one is audited with its reason, using one is not."""

    __tablename__ = "auth_passkey"

    user_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(String(100))
    #: The id that the authenticator gave it, in base64url (at most 1023 bytes).
    credential: Mapped[str] = mapped_column(String(1400))
    #: A COSE key (RFC 9052).
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    #: How often the authenticator said it was used; 0 where it doesn't count.
    sign_count: Mapped[int] = mapped_column(BigInteger)
    #: How browsers reach the authenticator, such as "internal" or "usb".
    transports: Mapped[list[Any]] = mapped_column(Json)
    #: Whether it may be copied to the person's other devices.
    synced: Mapped[bool]
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("tenant_id", "credential"), Index("ix_auth_passkey_user_id", "tenant_id", "user_id"),
                      _UNAUDITED)  # fmt: skip


class TokenRow(TenantScoped, Base):
    """A one-time token that was sent to somebody, under the system's tenant."""

    __tablename__ = "auth_token"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    purpose: Mapped[str] = mapped_column(String(20))
    user_id: Mapped[UUID]
    expires_at: Mapped[datetime]

    __table_args__ = (Index("ix_auth_token_expires_at", "expires_at"), Index("ix_auth_token_user_id", "tenant_id", "user_id"),
                      _UNAUDITED)  # fmt: skip


class MemberRow(TenantScoped, Timestamps, Base):
    """A person in a tenant."""

    __tablename__ = "auth_member"

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    #: Values that conditions may ask for, as `actor.attributes`.
    attributes: Mapped[dict[str, Any]]
    #: The record that stands for the person, such as "surgeon:0192…"; links from and to it are relations of the person.
    person: Mapped[str | None] = mapped_column(String(110))


class ServiceRow(TenantScoped, Identified, Timestamps, Base):
    """A program that acts in the tenant under a name of its own."""

    __tablename__ = "auth_service"

    name: Mapped[str] = mapped_column(String(64))
    attributes: Mapped[dict[str, Any]]
    disabled_at: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("tenant_id", "name"),)


class GroupRow(TenantScoped, Timestamps, Base):
    """A named set of members."""

    __tablename__ = "auth_group"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    title: Mapped[str] = mapped_column(String(200))


class GroupMemberRow(TenantScoped, Base):
    """Who is in a group: "user:…" or "service:…"."""

    __tablename__ = "auth_group_member"

    group: Mapped[str] = mapped_column("group_name", String(64), primary_key=True)
    subject: Mapped[str] = mapped_column(String(80), primary_key=True)

    __table_args__ = (Index("ix_auth_group_member_subject", "tenant_id", "subject"),)


class RoleRow(TenantScoped, Timestamps, Base):
    """A role that the tenant defined, or changed."""

    __tablename__ = "auth_role"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    definition: Mapped[dict[str, Any]]


class PermissionRow(TenantScoped, Base):
    """A permission that the tenant defined."""

    __tablename__ = "auth_permission"

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    title: Mapped[str] = mapped_column(String(200))


class AssignmentRow(TenantScoped, Base):
    """A role that somebody has: "user:…", "service:…" or "group:…"."""

    __tablename__ = "auth_assignment"

    subject: Mapped[str] = mapped_column(String(80), primary_key=True)
    role: Mapped[str] = mapped_column(String(64), primary_key=True)
    until: Mapped[datetime | None]

    __table_args__ = (Index("ix_auth_assignment_role", "tenant_id", "role"),)


class ShareRow(TenantScoped, Base):
    """A record that is shared with somebody."""

    __tablename__ = "auth_share"

    record_id: Mapped[UUID] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(String(80), primary_key=True)
    #: "read" or "write".
    level: Mapped[str] = mapped_column(String(5))
    until: Mapped[datetime | None]

    __table_args__ = (Index("ix_auth_share_subject", "tenant_id", "subject"),)


class InvitationRow(TenantScoped, Identified, Base):
    """Somebody who was asked to join the tenant."""

    __tablename__ = "auth_invitation"

    digest: Mapped[str] = mapped_column(String(64), info=_SECRET)
    email: Mapped[str] = mapped_column(String(320))
    roles: Mapped[list[Any]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("tenant_id", "digest"),)


class KeyRow(TenantScoped, Identified, Base):
    """An API key; only its digest is kept."""

    __tablename__ = "auth_key"

    digest: Mapped[str] = mapped_column(String(64), info=_SECRET)
    #: The characters at its end, by which people recognise it.
    ending: Mapped[str] = mapped_column(String(8))
    name: Mapped[str] = mapped_column(String(200))
    #: "user:…" or "service:…".
    subject: Mapped[str] = mapped_column(String(80))
    #: What it may do at most, as permission patterns; None is all that its subject may.
    scopes: Mapped[list[Any] | None]
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(String(200))
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    #: The key that was made in its place.
    replaced_by: Mapped[UUID | None]

    __table_args__ = (UniqueConstraint("tenant_id", "digest"), Index("ix_auth_key_subject", "tenant_id", "subject"))


class KeyUseRow(TenantScoped, Base):
    """When a key was used last, to a few minutes; beside the key, so that using it writes no audit entry."""

    __tablename__ = "auth_key_use"

    key_id: Mapped[UUID] = mapped_column(primary_key=True)
    used_at: Mapped[datetime]

    __table_args__ = (_UNAUDITED,)


class PolicyRow(TenantScoped, Base):
    """A number for each tenant that grows with every change of who may do what."""

    __tablename__ = "auth_policy"

    revision: Mapped[int] = mapped_column(Integer)

    __table_args__ = (_UNAUDITED,)
