"""Who may do what in each tenant, held in memory and loaded anew where it changed."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING, Any

import attrs
from sqlalchemy import func, select

from brickwork.auth.access import Rule, Subject, SubjectAccess
from brickwork.auth.condition import compile_condition
from brickwork.auth.models import AssignmentRow, GroupMemberRow, MemberRow, PolicyRow, RoleRow, ServiceRow, UserRow
from brickwork.auth.policy import Role
from brickwork.auth.settings import AuthSettings
from brickwork.data.watch import Watch
from brickwork.errors import UnauthenticatedError
from brickwork.kernel.context import SYSTEM_TENANT, Context

if TYPE_CHECKING:
    from brickwork.data import Database, Transaction

CHANNEL = "brickwork_auth"


@attrs.frozen
class PolicyChanged:
    """Who may do what was changed in the transaction's tenant; in a system context, in every tenant."""

    tenant: str


@attrs.frozen
class _Tenant:
    """The roles of a tenant, compiled."""

    revision: int
    roles: Mapping[str, Sequence[Rule]]


@attrs.frozen
class _Known:
    """A subject's access, and until when its roles are what they were."""

    revision: int
    access: SubjectAccess
    until: datetime | None


class Policies:
    """Gives the access of subjects. A change is in force at once in this process, within a tenth of a second in others."""

    def __init__(
        self, database: "Database", settings: AuthSettings, declared: Mapping[str, Role], now: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._declared = declared
        self._now = now
        self._most = settings.remembered
        self._watch: Watch[dict[str, int]] = Watch(database, CHANNEL, refresh=settings.refresh, mark=_mark, load=_revisions)
        self._tenants: OrderedDict[str, _Tenant] = OrderedDict()
        self._subjects: OrderedDict[tuple[str, str], _Known] = OrderedDict()
        self._lock = Lock()
        self.changed = self._watch.changed
        self.close = self._watch.close

    def access(self, tenant: str, subject: str) -> SubjectAccess:
        """What a subject may do in a tenant; raises `UnauthenticatedError` if it is not (or no longer) one of its own."""
        revisions = self._watch.value
        revision = revisions.get(tenant, 0) + revisions.get(SYSTEM_TENANT, 0)
        known = self._subjects.get((tenant, subject))
        if known is not None and known.revision == revision and (known.until is None or self._now() < known.until):
            return known.access
        loaded = self._load(tenant, subject, revision)
        with self._lock:
            self._subjects[tenant, subject] = loaded
            while len(self._subjects) > self._most:
                self._subjects.popitem(last=False)
        return loaded.access

    def roles(self, transaction: "Transaction") -> dict[str, Role]:
        """The roles of the transaction's tenant by name, as they are stored now."""
        roles = dict(self._declared)
        for definition in transaction.execute(
            select(RoleRow.definition).where(RoleRow.tenant_id == transaction.tenant)
        ).scalars():
            role = Role.model_validate(definition)
            roles[role.name] = role
        return roles

    def has_role(self, transaction: "Transaction", name: str) -> bool:
        """Whether the transaction's tenant has a role of this name."""
        return name in self._declared or transaction.session.get(RoleRow, (transaction.tenant, name)) is not None

    def _load(self, tenant: str, name: str, revision: int) -> _Known:
        with self._database.begin(Context(tenant=tenant, actor="system"), readonly=True) as transaction:
            known = self._tenants.get(tenant)
            if known is None or known.revision != revision:
                known = _Tenant(revision, compile_roles(self.roles(transaction)))
                with self._lock:
                    self._tenants[tenant] = known
                    while len(self._tenants) > max(self._most // 50, 10):
                        self._tenants.popitem(last=False)
            subject, until = _subject(transaction, name, self._now())
        if name.startswith("user:") and self._disabled(name):
            raise UnauthenticatedError(f"{name} is disabled")
        rules = [rule for role in subject.roles for rule in known.roles.get(role, ())]
        unique = list({(rule.role, rule.number): rule for rule in rules}.values())
        return _Known(revision, SubjectAccess(tenant, subject, unique, self._now), until)

    def _disabled(self, name: str) -> bool:
        with self._database.begin(Context(system=True), readonly=True) as transaction:
            row = transaction.session.get(UserRow, (SYSTEM_TENANT, _uuid(name)))
            return row is None or row.disabled_at is not None


def _uuid(name: str) -> Any:
    from brickwork.kernel.ids import parse_id

    return parse_id(name.partition(":")[2])


def _mark(transaction: "Transaction") -> tuple[int, ...]:
    sums = select(func.count(), func.coalesce(func.sum(PolicyRow.revision), 0)).select_from(PolicyRow)
    return tuple(map(int, transaction.execute(sums).one()))


def _revisions(transaction: "Transaction") -> dict[str, int]:
    rows: Any = transaction.execute(select(PolicyRow.tenant_id, PolicyRow.revision))
    return {row.tenant_id: row.revision for row in rows}


def _subject(transaction: "Transaction", name: str, now: datetime) -> tuple[Subject, datetime | None]:
    """The subject with its groups and roles, and when the first of those ends."""
    tenant, kind = transaction.tenant, name.partition(":")[0]
    attributes, person = _own(transaction, kind, name)
    groups = list(
        transaction.execute(
            select(GroupMemberRow.group).where(GroupMemberRow.tenant_id == tenant, GroupMemberRow.subject == name)
        ).scalars()
    )
    holders = [name, *(f"group:{group}" for group in groups)]
    found: Any = transaction.execute(
        select(AssignmentRow.role, AssignmentRow.until).where(
            AssignmentRow.tenant_id == tenant, AssignmentRow.subject.in_(holders)
        )
    ).all()
    held = [row for row in found if row.until is None or row.until > now]
    until = min((row.until for row in held if row.until is not None), default=None)
    roles = tuple(sorted({row.role for row in held}))
    return Subject(name, roles, tuple(sorted(groups)), attributes, person), until


def _own(transaction: "Transaction", kind: str, name: str) -> tuple[Mapping[str, Any], str | None]:
    tenant, key = transaction.tenant, _uuid(name)
    if kind == "user" and key is not None:
        member = transaction.session.get(MemberRow, (tenant, key))
        if member is not None:
            return member.attributes, member.person
    if kind == "service":
        own = select(ServiceRow).where(ServiceRow.tenant_id == tenant, ServiceRow.name == name.partition(":")[2])
        service = transaction.session.scalars(own).one_or_none()
        if service is not None and service.disabled_at is None:
            return service.attributes, None
    raise UnauthenticatedError(f"{name} is not known in this tenant, or is disabled")


def compile_roles(roles: Mapping[str, Role]) -> dict[str, list[Rule]]:
    """The rules of each role, with those that it inherits."""
    own = {role.name: [_compile(role.name, n, grant) for n, grant in enumerate(role.grants, 1)] for role in roles.values()}
    return {name: [rule for member in lineage(roles, name) for rule in own.get(member, ())] for name in roles}


def lineage(roles: Mapping[str, Role], name: str) -> Iterable[str]:
    """A role and all that it inherits, each once."""
    seen, queue = dict.fromkeys([name]), [name]
    while queue:
        role = roles.get(queue.pop())
        for parent in role.inherits if role is not None else ():
            if parent not in seen:
                seen[parent] = None
                queue.append(parent)
    return seen


def _compile(role: str, number: int, grant: Any) -> Rule:
    condition = compile_condition(grant.when) if grant.when is not None else None
    after = compile_condition(grant.then) if grant.then is not None else None
    fields = frozenset(grant.fields) if grant.fields is not None else None
    return Rule(role, number, bool(grant.allow), tuple(grant.patterns), condition, after, frozenset(grant.related), fields)
