"""`platform.auth`: who is calling, and what they may do."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import delete, insert, update

from brickwork.auth.access import SubjectAccess, Verdict
from brickwork.auth.credentials import Identity, Nobody, identify
from brickwork.auth.keys import KeptKey, Keys, Services
from brickwork.auth.members import Groups, Members
from brickwork.auth.models import GroupRow, InvitationRow, MemberRow, PolicyRow, SessionRow, TokenRow
from brickwork.auth.passkeys import Passkeys
from brickwork.auth.policy import ADMINISTRATOR, Permission, Role
from brickwork.auth.roles import Roles, Shares
from brickwork.auth.sessions import Kept, Sessions, theirs
from brickwork.auth.settings import AuthSettings
from brickwork.auth.state import Policies, PolicyChanged
from brickwork.auth.throttle import Throttle
from brickwork.auth.users import Users
from brickwork.errors import DuplicateError, NotFoundError, UnauthenticatedError, ValidationError
from brickwork.kernel.access import Relations
from brickwork.kernel.context import SYSTEM_TENANT, Context

if TYPE_CHECKING:
    from brickwork.data import Transaction
    from brickwork.data.keyring import Keyring
    from brickwork.kernel.platform import Platform

_WHERE = "auth"
#: Says who shows a bearer token, given the request's headers; see `Auth.accept_bearer`.
Recogniser = Callable[[str, Mapping[str, str]], Identity | None]


class Auth:
    """People, programs, roles and sessions.

    `users` are people, `members` those of the context's tenant, `groups` and `services` theirs, `roles` say who may do what,
    `shares` hold single records, `sessions` and `keys` are what callers show, `passkeys` let people in without a password.
    """

    def __init__(self, platform: "Platform", settings: AuthSettings) -> None:
        self.platform = platform
        self.settings = settings
        self.database = platform.database
        self.cache = platform.cache
        self.contexts = platform.contexts
        hook = platform.plugins.hook
        roles: dict[str, Role] = {ADMINISTRATOR.name: ADMINISTRATOR}
        roles |= {role.name: role for group in hook.brickwork_roles() for role in group}
        permissions: list[Permission] = [one for group in hook.brickwork_permissions() for one in group]
        self.throttle = Throttle(platform, settings)
        self.policies = Policies(platform.database, settings, roles, platform.clock.now)
        self.users = Users(self)
        self.sessions = Sessions(self, platform.cache.region("user_sessions", Kept))
        self.passkeys = Passkeys(self)
        self.keys = Keys(self, platform.cache.region("user_sessions", KeptKey))
        self.services = Services(self)
        self.members = Members(self)
        self.groups = Groups(self)
        self.roles = Roles(self, permissions)
        self.shares = Shares(self)
        self.recognisers: list[Recogniser] = []

    @property
    def current(self) -> Context:
        """The context in force."""
        return self.contexts.current

    def now(self) -> datetime:
        return self.platform.clock.now()

    # -- asking --------------------------------------------------------------------------------------------------------

    def identify(self, headers: Mapping[str, str], method: str = "GET") -> Identity | None:
        """Who calls, by the headers of a request (lower-case names); None where nothing was shown."""
        return identify(self, headers, method)

    def accept_bearer(self, recognise: Recogniser) -> None:
        """Let `recognise(token, headers)` say who shows a bearer token of another kind. It returns None for what is none of its
        own, and raises `UnauthenticatedError` for what is and isn't good."""
        self.recognisers.append(recognise)

    def nobody(self) -> Nobody:
        """The access of a caller who has shown nothing."""
        return Nobody("anonymous", self.now)

    def require(self, permission: str, resource: Mapping[str, Any] | None = None) -> None:
        """As `Platform.require`."""
        self.platform.require(permission, resource)

    def allows(self, permission: str, resource: Mapping[str, Any] | None = None, *, subject: str | None = None) -> bool:
        """Whether `subject` ("user:…", "service:…"; left out, the context's caller) may do it in the context's tenant."""
        if subject is not None:
            return self.access(subject).allows(permission, resource)
        access = self.current.access
        return access is None or access.allows(permission, resource)

    def access(self, subject: str) -> SubjectAccess:
        """What a subject may do in the context's tenant; raises `UnauthenticatedError` if it is not one of its own."""
        return self.policies.access(self.current.require_tenant(), subject)

    @contextmanager
    def acting_as(self, subject: str) -> Iterator[Context]:
        """A block in which a member or service of the context's tenant acts, and may do what it may do."""
        import attrs

        access = self.access(subject)
        roles = frozenset(access.subject.roles)
        with self.contexts.use(attrs.evolve(self.current, actor=subject, access=access, roles=roles)) as context:
            yield context

    def explain(
        self, subject: str, permission: str, resource: Mapping[str, Any] | None = None, relations: Relations | None = None
    ) -> Verdict:
        """Why a subject may do something or not, in sentences. Takes `auth.explain` for other subjects than the caller.
        Raises `NotFoundError`."""
        return self.asked_about(subject).explain(permission, resource, relations)

    def asked_about(self, subject: str) -> SubjectAccess:
        """The access of a subject whose rights the caller wants explained; takes and raises what `explain` does."""
        if subject != self.current.actor:
            self.require("auth.explain")
        try:
            return self.access(subject)
        except UnauthenticatedError:  # which would say that the caller is not known
            raise NotFoundError(f"there is no {subject[:80]} in this tenant, or it is disabled") from None

    # -- secrets in events and rows ------------------------------------------------------------------------------------

    def seal(self, text: str) -> str:
        """Encrypt what must not lie in the clear."""
        return self._keyring().encrypt(SYSTEM_TENANT, _WHERE, text)

    def unseal(self, sealed: str) -> str:
        """What was sealed."""
        return self._keyring().decrypt(SYSTEM_TENANT, _WHERE, sealed)

    # -- life ----------------------------------------------------------------------------------------------------------

    def expire(self) -> int:
        """Forget sessions, one-time tokens and invitations that are over, of every tenant; returns how many. A serving process
        does it every ten minutes."""
        with self.system() as transaction:
            gone = [
                transaction.execute(delete(table).where(table.expires_at < self.now())).rowcount
                for table in (TokenRow, InvitationRow)
            ]
        return sum(gone) + self.sessions.expire()

    def close(self) -> None:
        """Look for changes no more."""
        self.policies.close()

    # -- for the neighbours in this room -------------------------------------------------------------------------------

    @contextmanager
    def system(self, reason: str | None = None, *, readonly: bool = False) -> "Iterator[Transaction]":
        """A transaction of the system's, audited where there is a reason; a part of the tenant's that is open."""
        outer = self.current
        context = Context(actor=outer.actor, correlation_id=outer.correlation_id, reason=reason, system=True)
        with self.contexts.use(context), self.database.elevated(context, readonly=readonly) as transaction:
            if reason is not None:
                self.database.audit.system_access(transaction)
            yield transaction

    @contextmanager
    def changing(self) -> "Iterator[Transaction]":
        """A transaction of the context's tenant after which permissions are looked up anew."""
        with self.database.transaction() as transaction:
            yield transaction
            self.policy_changed(transaction)

    def policy_changed(self, transaction: "Transaction") -> None:
        """Count a change of the transaction's tenant, once a transaction."""
        if any(isinstance(event, PolicyChanged) for event in transaction.events):
            return
        transaction.flush()
        tenant = transaction.tenant
        grown = update(PolicyRow).where(PolicyRow.tenant_id == tenant).values(revision=PolicyRow.revision + 1)
        if not transaction.execute(grown).rowcount:
            try:
                with transaction.savepoint():
                    transaction.execute(insert(PolicyRow).values(tenant_id=tenant, revision=1))
            except DuplicateError:  # another transaction made the tenant's first change at the same time
                transaction.execute(grown)
        transaction.publish(PolicyChanged(tenant))

    def forget(self, tags: Sequence[str]) -> None:
        """Take what is kept with these tags from the cache, when the transaction commits."""
        self.cache.invalidate(*tags)

    def end_sessions(self, user: UUID, tenant: str) -> None:
        """End a person's sessions in a tenant, and those in which the person acts as another."""
        with self.system() as transaction:
            self.sessions._drop(transaction, theirs(user), SessionRow.tenant == tenant)

    def check_subject(self, transaction: "Transaction", subject: str, *, groups: bool = True) -> None:
        """Raise `ValidationError` unless the subject is one of the transaction's tenant."""
        kind, _, name = subject.partition(":")
        if kind == "group" and groups:
            if transaction.session.get(GroupRow, (transaction.tenant, name)) is None:
                raise ValidationError(f"there is no group {name[:80]!r}", field="subject")
        elif kind == "user":
            from brickwork.kernel.ids import parse_id

            key = parse_id(name)
            if key is None or transaction.session.get(MemberRow, (transaction.tenant, key)) is None:
                raise ValidationError(f"{subject[:80]!r} is no member of this tenant", field="subject")
        elif kind == "service":
            if self.services._find(transaction, name) is None:
                raise ValidationError(f"there is no service {name[:80]!r}", field="subject")
        else:
            raise ValidationError(
                f"{subject[:80]!r} is no subject; there are user:ID, service:NAME and group:NAME", field="subject"
            )

    def _keyring(self) -> "Keyring":
        keyring: Keyring = self.platform.get("keyring")
        return keyring

    def _after_commit(self, transaction: "Transaction") -> None:
        if any(isinstance(event, PolicyChanged) for event in transaction.events):
            self.policies.changed()
