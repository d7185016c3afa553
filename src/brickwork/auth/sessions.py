"""`platform.auth.sessions`: signing in, and what a signed-in browser or app shows from then on."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING
from uuid import UUID

import attrs
from pydantic import BaseModel, ConfigDict
from sqlalchemy import ColumnElement, delete, select, update

from brickwork.auth import secret
from brickwork.auth.events import UserImpersonated, UserSignedIn
from brickwork.auth.models import MemberRow, SessionRow, UserRow
from brickwork.auth.users import User, normal, present
from brickwork.errors import BrickworkError, NotFoundError, PermissionDeniedError, UnauthenticatedError, ValidationError
from brickwork.kernel.context import SYSTEM_TENANT, Context

if TYPE_CHECKING:
    from brickwork.auth.service import Auth
    from brickwork.cache import Region
    from brickwork.data import Transaction

PREFIX = "bws"
#: Seconds between two notes of when a session was used.
SEEN_EVERY = 300
#: Between a person and who acts as that person, in the names of actors.
VIA = " via "
#: The circumstances under which each request looks for its session in the cache; made once, since it has no more to tell.
_LOOKING = Context(correlation_id="session", system=True)
_table = SessionRow.__table__


class CodeRequiredError(UnauthenticatedError):
    """The password is right; a code of the second factor is needed too."""

    code = "code_required"


class TenantRequiredError(BrickworkError):
    """The session works in no tenant yet; choose one of `details.tenants`."""

    code = "tenant_required"
    status = 403


class SignInAgainError(PermissionDeniedError):
    """This takes a session that was begun a short while ago."""

    code = "sign_in_again"


class Kept(BaseModel):
    """What a request needs to know of a session."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    user_id: UUID
    tenant: str | None
    impersonator: str | None
    confined: bool
    created_at: datetime
    expires_at: datetime
    seen_at: datetime

    @cached_property
    def actor(self) -> str:
        return f"user:{self.user_id}"


@attrs.frozen
class SignIn:
    """A new session. `token` is shown once; `tenants` are those that the person is a member of."""

    token: str
    user: User
    tenant: str | None
    tenants: tuple[str, ...]
    expires_at: datetime
    #: The session's.
    id: UUID


@attrs.frozen
class SessionInfo:
    """A session as its owner sees it."""

    id: UUID
    tenant: str | None
    agent: str
    address: str
    impersonator: str | None
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


class Sessions:
    """Begins sessions, tells who shows one, lists and ends them."""

    def __init__(self, auth: "Auth", region: "Region[Kept]") -> None:
        self._auth = auth
        self._region = region
        self._lifetime = timedelta(hours=auth.settings.session_hours)
        self._idle = timedelta(hours=auth.settings.session_idle_hours)

    def sign_in(
        self, email: str, password: str, *, code: str | None = None, tenant: str | None = None, address: str = "",
        agent: str = "",
    ) -> SignIn:  # fmt: skip
        """A session for who knows the password, and where there is a second factor has its code. Where the person is a member
        of one tenant the session works there.

        Raises `UnauthenticatedError` (the same for a wrong address and a wrong password), `CodeRequiredError`,
        `RateLimitedError`, and `PermissionDeniedError` for a tenant that the person is no member of.
        """
        try:
            known = normal(email)
        except ValidationError:
            known = email[:320]
        self._auth.throttle.attempt(f"sign-in:{known}", address)
        row = self._auth.users.check_password(known, password)
        if row is None:
            raise UnauthenticatedError("address or password are wrong")
        if row.totp_confirmed:
            if not code:
                raise CodeRequiredError("the code of the second factor is needed")
            if not self._auth.users.use_code(row.id, code):
                raise UnauthenticatedError("the code is wrong or was used")
        self._auth.throttle.forgive(f"sign-in:{known}")
        with self._auth.system() as transaction:
            now = self._admitted(transaction, row.id)
            if (now.password, now.totp_confirmed) != (row.password, row.totp_confirmed):
                raise UnauthenticatedError("the password or the second factor was changed meanwhile")
            return self._signed_in(transaction, present(now), tenant, address, agent)

    def begin(
        self, user: User, *, tenant: str | None = None, address: str = "", agent: str = "", confined: bool = False
    ) -> SignIn:
        """A session for a person who has shown who they are by other means. A `confined` one stays in its tenant, as it must
        where the means are that tenant's alone. Raises `UnauthenticatedError` for one who is disabled, and
        `PermissionDeniedError` for a tenant that the person is no member of."""
        with self._auth.system() as transaction:
            person = present(self._admitted(transaction, user.id))
            return self._signed_in(transaction, person, tenant, address, agent, confined=confined)

    def impersonate(self, id: UUID | str, *, reason: str) -> SignIn:
        """A session of an hour in which the context's actor acts as another member of the tenant. What is done in it is audited
        under both names. Raises `PermissionDeniedError` where the member may do more than the actor."""
        context = self._auth.current
        tenant = context.require_tenant()
        self._auth.require("auth.members.impersonate")
        if not reason.strip():
            raise ValidationError("an impersonation needs a reason; it goes into the audit trail", field="reason")
        if VIA in context.actor:
            raise PermissionDeniedError("who acts as another can't act as a third", permission="auth.members.impersonate")
        with self._auth.database.transaction(readonly=True) as transaction:
            user = self._auth.users.get(self._auth.members._row(transaction, id).user_id)
        if context.access is not None:
            self._auth.roles.check_within(context.access, self._auth.policies.access(tenant, user.actor))
        with self._auth.database.transaction() as transaction:  # what is not audited must not happen
            transaction.publish(UserImpersonated(user=str(user.id), by=context.actor, reason=reason))
            self._auth.database.audit.note("impersonated", "auth_user", str(user.id), detail={"reason": reason})
        with self._auth.system() as transaction:
            self._admitted(transaction, user.id)
            expires = self._auth.now() + timedelta(hours=1)
            return self._store(transaction, user, tenant, expires, impersonator=context.actor, agent=context.actor)

    def find(self, token: str) -> Kept:
        """The session of a token; raises `UnauthenticatedError`."""
        digest, now = secret.digest(token), self._auth.now()
        with self._auth.contexts.use(_LOOKING):
            tags = (f"session:{digest}",)
            kept = self._region.get_or_load(digest, lambda: self._load(digest), tags=tags) if secret.well_formed(token) else None
        if kept is None or kept.expires_at <= now or kept.seen_at + self._idle <= now:
            raise UnauthenticatedError("the session is over; sign in again")
        if (now - kept.seen_at).total_seconds() > SEEN_EVERY:
            self._seen(kept, digest, now)
        return kept

    def choose(self, token: str, tenant: str) -> SignIn:
        """Let a session work in another tenant of its person's. It is the same session, but the token is replaced, as at every
        change of rights; it ends when it would have ended."""
        kept = self.find(token)
        if kept.impersonator is not None or kept.confined:
            what = "an impersonation" if kept.impersonator is not None else "a session by a tenant's own sign-in"
            raise PermissionDeniedError(f"{what} stays in its tenant", permission="tenant")
        with self._auth.system() as transaction:
            user = present(self._admitted(transaction, kept.user_id))
            row = transaction.session.get(SessionRow, (SYSTEM_TENANT, kept.id), with_for_update=True)
            if row is None or row.digest != secret.digest(token):  # its token was replaced meanwhile
                raise UnauthenticatedError("the session is over; sign in again")
            transaction.session.expunge(row)
            self._drop(transaction, SessionRow.id == kept.id)
            return self._store(transaction, user, tenant, row.expires_at, row.address, row.agent, replaces=row)

    def check_recent(self, session: Kept) -> None:
        """Raise `SignInAgainError` unless the person signed in within the last `auth.recent_minutes`: who finds an open
        browser must not be able to change what opens it."""
        if session.created_at + timedelta(minutes=self._auth.settings.recent_minutes) <= self._auth.now():
            raise SignInAgainError("sign in again to do this; the session was begun too long ago", permission="recent-session")

    def end(self, token: str) -> None:
        """Sign out."""
        with self._auth.system() as transaction:
            self._drop(transaction, SessionRow.digest == secret.digest(token))

    def list(self, user: UUID) -> list[SessionInfo]:
        """A person's sessions, the latest first."""
        wanted = select(SessionRow).where(SessionRow.tenant_id == SYSTEM_TENANT, SessionRow.user_id == user)
        with self._auth.system(readonly=True) as transaction:
            rows = transaction.session.scalars(wanted.order_by(SessionRow.id.desc()).limit(500)).all()
            return [
                SessionInfo(r.id, r.tenant, r.agent, r.address, r.impersonator, r.created_at, r.seen_at, r.expires_at)
                for r in rows
                if min(r.expires_at, r.seen_at + self._idle) > self._auth.now()
            ]

    def revoke(self, user: UUID, session: UUID) -> None:
        """End one of a person's sessions; raises `NotFoundError`."""
        with self._auth.system() as transaction:
            if not self._drop(transaction, SessionRow.user_id == user, SessionRow.id == session):
                raise NotFoundError("there is no such session")

    def revoke_all(self, user: UUID) -> None:
        """End every session of a person."""
        with self._auth.system() as transaction:
            self.end_all(transaction, user)

    # -- for the neighbours in this room -------------------------------------------------------------------------------

    def end_all(self, transaction: "Transaction", user: UUID, *, but: UUID | None = None) -> None:
        """End a person's sessions, and those in which the person acts as another, in a transaction of the system's."""
        self._drop(transaction, theirs(user), *([SessionRow.id != but] if but is not None else []))

    def end_some(self, transaction: "Transaction", ids: Sequence[UUID]) -> int:
        """End these sessions, in a transaction of the system's; returns how many there were."""
        return len(self._drop(transaction, SessionRow.id.in_(ids)))

    def hold(self, token: str) -> None:
        """Let what the open transaction does for a session stand or fall with it: whatever ends the session waits for the
        transaction, or has happened before. Raises `UnauthenticatedError` where it is over."""
        with self._auth.system() as transaction:
            mine = select(SessionRow.user_id).where(
                SessionRow.tenant_id == SYSTEM_TENANT, SessionRow.digest == secret.digest(token)
            )
            user = transaction.execute(mine).scalar_one_or_none()
            if user is not None:
                self._admitted(transaction, user)
                user = transaction.execute(mine).scalar_one_or_none()
            if user is None:
                raise UnauthenticatedError("the session is over; sign in again")

    def expire(self) -> int:
        """Forget sessions that are over."""
        now = self._auth.now()
        over = (SessionRow.expires_at < now) | (SessionRow.seen_at < now - self._idle)
        with self._auth.system() as transaction:
            return len(self._drop(transaction, over))

    def _admitted(self, transaction: "Transaction", user: UUID) -> UserRow:
        """The person, who can't be changed until the transaction ends, so that no session outlives what ends all sessions."""
        row = transaction.session.get(UserRow, (SYSTEM_TENANT, user), with_for_update=True)
        if row is None or row.disabled_at is not None:
            raise UnauthenticatedError("the account is disabled")
        return row

    def _signed_in(
        self, transaction: "Transaction", user: User, tenant: str | None, address: str, agent: str, *, confined: bool = False
    ) -> SignIn:
        expires = self._auth.now() + self._lifetime
        made = self._store(transaction, user, tenant, expires, address, agent, confined=confined)
        transaction.publish(UserSignedIn(user=str(user.id), address=address[:64]))
        return made

    def _store(
        self, transaction: "Transaction", user: User, tenant: str | None, expires: datetime, address: str = "", agent: str = "",
        *, impersonator: str | None = None, confined: bool = False, replaces: SessionRow | None = None,
    ) -> SignIn:  # fmt: skip
        token, now = secret.make(PREFIX), self._auth.now()
        tenants = self._tenants(transaction, user.id)
        chosen = tenant if tenant is not None else tenants[0] if len(tenants) == 1 else None
        if chosen is not None and chosen not in tenants:
            raise PermissionDeniedError(f"{user.email} is no member of this tenant", permission="tenant")
        row = SessionRow(tenant_id=SYSTEM_TENANT, digest=secret.digest(token), user_id=user.id, tenant=chosen, agent=agent[:200],
                         address=address[:64], impersonator=impersonator, confined=confined, created_at=now, seen_at=now,
                         expires_at=expires)  # fmt: skip
        if replaces is not None:
            row.id, row.created_at = replaces.id, replaces.created_at
        transaction.session.add(row)
        transaction.flush()
        return SignIn(token, user, chosen, tuple(tenants), expires, row.id)

    def _drop(self, transaction: "Transaction", *where: object) -> Sequence[str]:
        statement = delete(SessionRow).where(SessionRow.tenant_id == SYSTEM_TENANT, *where).returning(SessionRow.digest)  # type: ignore[arg-type]
        digests = list(transaction.execute(statement).scalars())
        if digests:
            self._auth.forget([f"session:{digest}" for digest in digests])
        return digests

    def _load(self, digest: str) -> Kept | None:
        with self._auth.database.begin(Context(system=True), readonly=True) as transaction:
            row = transaction.execute(
                select(_table).where(_table.c.tenant_id == SYSTEM_TENANT, _table.c.digest == digest)
            ).one_or_none()
        if row is None:
            return None
        return Kept.model_validate(row, from_attributes=True)

    def _seen(self, kept: Kept, digest: str, now: datetime) -> None:
        with self._auth.database.begin(Context(system=True)) as transaction:
            changed = update(SessionRow).where(SessionRow.tenant_id == SYSTEM_TENANT, SessionRow.id == kept.id)
            transaction.execute(changed.values(seen_at=now))
        with self._auth.contexts.use(Context(system=True)):
            self._auth.cache.invalidate(f"session:{digest}")

    def _tenants(self, transaction: "Transaction", user: UUID) -> Sequence[str]:
        wanted = select(MemberRow.tenant_id).where(MemberRow.user_id == user).order_by(MemberRow.tenant_id)
        return list(transaction.execute(wanted.limit(1000)).scalars())


def theirs(user: UUID) -> ColumnElement[bool]:
    """A person's sessions, and those in which the person acts as another."""
    return (SessionRow.user_id == user) | (SessionRow.impersonator == f"user:{user}")
