"""`platform.auth.keys` and `platform.auth.services`: what programs show, and the names under which they act."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import attrs
from pydantic import BaseModel, ConfigDict
from sqlalchemy import delete, insert, select, update

from brickwork.auth import secret
from brickwork.auth.members import _tenant_of
from brickwork.auth.models import KeyRow, KeyUseRow, ServiceRow
from brickwork.auth.policy import _PATTERN
from brickwork.auth.sessions import VIA
from brickwork.errors import (
    ConflictError,
    DuplicateError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
    ValidationError,
)
from brickwork.kernel.context import Context, check_tenant
from brickwork.kernel.ids import parse_id

if TYPE_CHECKING:
    from brickwork.auth.service import Auth
    from brickwork.cache import Region
    from brickwork.data import Transaction

PREFIX = "bwk"
#: Seconds between two notes of when a key was used.
USED_EVERY = 300


class KeptKey(BaseModel):
    """What a request needs to know of a key."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    subject: str
    scopes: tuple[str, ...] | None
    expires_at: datetime | None


@attrs.frozen
class Key:
    """An API key. `token` is there only when it is made; `ending` are its last characters."""

    id: UUID
    name: str
    subject: str
    scopes: tuple[str, ...] | None
    ending: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None = None
    token: str | None = None


class Keys:
    """Makes, rotates, lists and revokes the tenant's API keys."""

    def __init__(self, auth: "Auth", region: "Region[KeptKey]") -> None:
        self._auth = auth
        self._region = region
        self._used: dict[UUID, float] = {}

    def create(
        self, subject: str, name: str, *, scopes: Sequence[str] | None = None, lifetime: timedelta | None = timedelta(days=365)
    ) -> Key:
        """A key with which "user:…" or "service:…" may be represented, within `scopes` (patterns such as "entities.*.read").
        Its token is shown this once. A caller makes keys for itself; for others it takes `auth.keys.write`."""
        context = self._auth.current
        _refuse_impersonators(context)
        if subject != context.actor:
            self._auth.require("auth.keys.write")
        if lifetime is not None and lifetime <= timedelta():
            raise ValidationError("a key's lifetime is longer than nothing", field="lifetime")
        for scope in scopes or ():
            if not _PATTERN.match(scope):
                raise ValidationError(f"{scope[:80]!r} names no permissions; it looks like entities.*.read", field="scopes")
        if not 0 < len(name.strip()) <= 200:
            raise ValidationError("a key's name takes 1 to 200 characters; it tells what the key is for", field="name")
        with self._auth.database.transaction() as transaction:
            self._auth.check_subject(transaction, subject, groups=False)
            self._check_within(transaction, subject, scopes)
            return self._store(transaction, subject, name.strip(), list(scopes) if scopes is not None else None, lifetime)

    def rotate(self, id: UUID | str, *, overlap: timedelta = timedelta(hours=24)) -> Key:
        """A new key in place of an old one, which is good for `overlap` more. Raises `NotFoundError`, `ConflictError` for a key
        that was revoked or replaced, and `PermissionDeniedError` for one that may do more than the caller."""
        _refuse_impersonators(self._auth.current)
        if overlap < timedelta():
            raise ValidationError("an overlap is not negative", field="overlap")
        with self._auth.database.transaction() as transaction:
            old = self._row(transaction, id, lock=True)
            if old.revoked_at is not None or old.replaced_by is not None:
                raise ConflictError(f"key {old.name!r} was {'revoked' if old.revoked_at else 'replaced'} already")
            self._check_within(transaction, old.subject, old.scopes)
            now = self._auth.now()
            lifetime = old.expires_at - old.created_at if old.expires_at is not None else None
            made = self._store(transaction, old.subject, old.name, old.scopes, lifetime)
            old.expires_at, old.replaced_by = min(now + overlap, old.expires_at or now + overlap), made.id
            self._auth.forget([f"key:{old.digest}"])
            return made

    def revoke(self, id: UUID | str) -> None:
        """End a key at once; raises `NotFoundError`."""
        with self._auth.database.transaction() as transaction:
            row = self._row(transaction, id)
            row.revoked_at = row.revoked_at or self._auth.now()
            self._auth.forget([f"key:{row.digest}"])

    def list(self, subject: str | None = None, *, limit: int = 500) -> Sequence[Key]:
        """The keys, the latest first: those of `subject`, or with `auth.keys.read` all."""
        if subject is None or subject != self._auth.current.actor:
            self._auth.require("auth.keys.read")
        with self._auth.database.transaction(readonly=True) as transaction:
            wanted = select(KeyRow, KeyUseRow.used_at).outerjoin(
                KeyUseRow, (KeyUseRow.tenant_id == KeyRow.tenant_id) & (KeyUseRow.key_id == KeyRow.id)
            )
            wanted = wanted.where(KeyRow.tenant_id == transaction.tenant)
            if subject is not None:
                wanted = wanted.where(KeyRow.subject == subject)
            rows = transaction.session.execute(wanted.order_by(KeyRow.id.desc()).limit(min(limit, 500))).all()
            return [_present(row, used) for row, used in rows]

    def drop(self, transaction: "Transaction", subject: str) -> None:
        """Forget every key of a subject that leaves the tenant."""
        gone: Any = transaction.execute(
            delete(KeyRow)
            .where(KeyRow.tenant_id == transaction.tenant, KeyRow.subject == subject)
            .returning(KeyRow.id, KeyRow.digest)
        ).all()
        if gone:
            used = delete(KeyUseRow).where(KeyUseRow.tenant_id == transaction.tenant, KeyUseRow.key_id.in_([k.id for k in gone]))
            transaction.execute(used)
            self._auth.forget([f"key:{key.digest}" for key in gone])

    def find(self, token: str) -> tuple[str, KeptKey]:
        """The tenant and the key of a token; raises `UnauthenticatedError`."""
        tenant, digest = _tenant_of(token, PREFIX), secret.digest(token)
        with self._auth.contexts.use(Context(tenant=tenant)):
            kept = self._region.get_or_load(digest, lambda: self._load(tenant, digest), tags=(f"key:{digest}",))
        if kept is None or (kept.expires_at is not None and kept.expires_at <= self._auth.now()):
            raise UnauthenticatedError("the key is unknown, revoked or expired")
        self._note_use(tenant, kept.id)
        return tenant, kept

    def _load(self, tenant: str, digest: str) -> KeptKey | None:
        with self._auth.database.begin(Context(tenant=tenant), readonly=True) as transaction:
            wanted = select(KeyRow).where(KeyRow.tenant_id == tenant, KeyRow.digest == digest, KeyRow.revoked_at.is_(None))
            row = transaction.session.scalars(wanted).one_or_none()
            return None if row is None else KeptKey.model_validate(row, from_attributes=True)

    def _note_use(self, tenant: str, id: UUID) -> None:
        now = self._auth.now()
        if now.timestamp() - self._used.get(id, 0.0) < USED_EVERY:
            return
        if len(self._used) > 10_000:
            self._used.clear()
        noted = update(KeyUseRow).where(KeyUseRow.tenant_id == tenant, KeyUseRow.key_id == id).values(used_at=now)
        with suppress(DuplicateError), self._auth.database.begin(Context(tenant=tenant, actor="system")) as transaction:
            if not transaction.execute(noted).rowcount:  # of two first uses at once, either may tell the time
                transaction.execute(insert(KeyUseRow).values(tenant_id=tenant, key_id=id, used_at=now))
        self._used[id] = now.timestamp()

    def _check_within(self, transaction: "Transaction", subject: str, scopes: Sequence[str] | None) -> None:
        access = self._auth.current.access
        if access is not None:
            self._auth.roles.check_within(access, self._auth.policies.access(transaction.tenant, subject), scopes)

    def _store(
        self, transaction: "Transaction", subject: str, name: str, scopes: Sequence[str] | None, lifetime: timedelta | None
    ) -> Key:
        token, now = secret.make(f"{PREFIX}_{transaction.tenant}"), self._auth.now()
        row = KeyRow(digest=secret.digest(token), ending=token[-6:], name=name, subject=subject,
                     scopes=list(scopes) if scopes is not None else None, created_at=now, created_by=transaction.context.actor,
                     expires_at=now + lifetime if lifetime is not None else None)  # fmt: skip
        transaction.session.add(row)
        transaction.flush()
        return _present(row, None, token)

    def _row(self, transaction: "Transaction", id: UUID | str, *, lock: bool = False) -> KeyRow:
        key = id if isinstance(id, UUID) else parse_id(id)
        row = transaction.session.get(KeyRow, (transaction.tenant, key), with_for_update=lock) if key is not None else None
        if row is None:
            raise NotFoundError(f"there is no key {str(id)[:80]!r}")
        if row.subject != self._auth.current.actor:
            self._auth.require("auth.keys.write")
        return row


class Services:
    """Service accounts: names under which programs act in the tenant."""

    def __init__(self, auth: "Auth") -> None:
        self._auth = auth

    def create(self, name: str, *, roles: Sequence[str] = (), attributes: Mapping[str, Any] | None = None) -> str:
        """A new service account; returns its subject, "service:NAME". Raises `DuplicateError`."""
        self._auth.require("auth.services.write")
        check_tenant(name)
        with self._auth.changing() as transaction:
            if self._find(transaction, name) is not None:
                raise DuplicateError(f"there is a service {name!r}", field="name")
            transaction.session.add(ServiceRow(name=name, attributes=dict(attributes or {})))
            transaction.flush()
            for role in roles:
                self._auth.roles.assign(role, f"service:{name}")
        return f"service:{name}"

    def disable(self, name: str, *, disabled: bool = True) -> None:
        """Let it in no more, with whatever key; or again."""
        self._auth.require("auth.services.write")
        with self._auth.changing() as transaction:
            row = self._find(transaction, name)
            if row is None:
                raise NotFoundError(f"there is no service {name[:80]!r}")
            row.disabled_at = self._auth.now() if disabled else None

    def list(self) -> Sequence[str]:
        """The subjects of those that are not disabled, at most 1,000."""
        self._auth.require("auth.services.read")
        with self._auth.database.transaction(readonly=True) as transaction:
            wanted = select(ServiceRow.name).where(ServiceRow.tenant_id == transaction.tenant, ServiceRow.disabled_at.is_(None))
            return [f"service:{name}" for name in transaction.execute(wanted.order_by(ServiceRow.name).limit(1000)).scalars()]

    def _find(self, transaction: "Transaction", name: str) -> ServiceRow | None:
        wanted = select(ServiceRow).where(ServiceRow.tenant_id == transaction.tenant, ServiceRow.name == name)
        return transaction.session.scalars(wanted).one_or_none()


def _refuse_impersonators(context: Context) -> None:
    """A key would go on when the impersonation is over, under one name only."""
    if VIA in context.actor:
        raise PermissionDeniedError("who acts as another makes no keys", permission="session")


def _present(row: KeyRow, used: datetime | None, token: str | None = None) -> Key:
    scopes = tuple(row.scopes) if row.scopes is not None else None
    return Key(row.id, row.name, row.subject, scopes, row.ending, row.created_at, row.created_by, row.expires_at, row.revoked_at,
               used, token)  # fmt: skip
