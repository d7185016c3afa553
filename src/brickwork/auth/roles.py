"""`platform.auth.roles` and `platform.auth.shares`: who has which role, what roles grant, and single records that are shared."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import attrs
from pydantic import ValidationError as PydanticError
from sqlalchemy import delete, select

from brickwork.auth.access import SubjectAccess
from brickwork.auth.condition import compile_condition
from brickwork.auth.models import AssignmentRow, PermissionRow, RoleRow, ShareRow
from brickwork.auth.policy import Grant, Permission, Role, covers
from brickwork.auth.state import compile_roles, lineage
from brickwork.errors import DefinitionError, NotFoundError, PermissionDeniedError, Problem, RestrictedError, ValidationError
from brickwork.kernel.access import Access

if TYPE_CHECKING:
    from brickwork.auth.service import Auth
    from brickwork.data import Transaction


@attrs.frozen
class Assignment:
    """A role that a subject has."""

    subject: str
    role: str
    until: datetime | None


class Roles:
    """Defines the tenant's roles and permissions, and gives roles to subjects.

    A caller can't give away more than it has: every pattern of a role that it defines or assigns must be within its own.
    """

    def __init__(self, auth: "Auth", permissions: Sequence[Permission]) -> None:
        self._auth = auth
        self._shipped = {permission.name: permission for permission in permissions}

    # -- what roles are ------------------------------------------------------------------------------------------------

    def define(self, role: Role | Mapping[str, Any]) -> Role:
        """Put a role into force, in place of the one that had its name. Raises `DefinitionError`, `PermissionDeniedError`."""
        self._auth.require("auth.roles.write")
        role = _role(role)
        with self._auth.changing() as transaction:
            known = self._auth.policies.roles(transaction)
            self._check(transaction, role, known)
            self._check_given(role.name, {**known, role.name: role})
            row = transaction.session.get(RoleRow, (transaction.tenant, role.name))
            document = role.model_dump(mode="json", exclude_defaults=True)
            if row is None:
                transaction.session.add(RoleRow(name=role.name, definition=document))
            else:
                row.definition = document
        return role

    def list(self) -> Sequence[Role]:
        """The roles by name: the tenant's own and those that come with the product."""
        self._auth.require("auth.roles.read")
        with self._auth.database.transaction(readonly=True) as transaction:
            return sorted(self._auth.policies.roles(transaction).values(), key=lambda role: role.name)

    def get(self, name: str) -> Role:
        """A role; raises `NotFoundError`."""
        for role in self.list():
            if role.name == name:
                return role
        raise NotFoundError(f"there is no role {name[:80]!r}")

    def remove(self, name: str) -> None:
        """Forget the tenant's definition; a role that comes with the product is then as that has it. Raises `RestrictedError`
        while somebody has it or a role inherits it."""
        self._auth.require("auth.roles.write")
        with self._auth.changing() as transaction:
            row = transaction.session.get(RoleRow, (transaction.tenant, name))
            if row is None:
                raise NotFoundError(f"this tenant has defined no role {name[:80]!r}")
            known = self._auth.policies.roles(transaction)
            heirs = [role.name for role in known.values() if name in role.inherits]
            held = select(AssignmentRow.subject).where(AssignmentRow.tenant_id == transaction.tenant, AssignmentRow.role == name)
            holder = transaction.execute(held.limit(1)).scalar_one_or_none()
            if heirs or holder:
                raise RestrictedError(f"role {name!r} is {'inherited by ' + heirs[0] if heirs else f'held by {holder}'}")
            transaction.session.delete(row)

    # -- permissions ---------------------------------------------------------------------------------------------------

    def define_permission(self, name: str, title: str = "") -> Permission:
        """A permission of the tenant's own, for its workflows, documents or pages to ask for."""
        self._auth.require("auth.roles.write")
        try:
            permission = Permission(name=name, title=title)
        except PydanticError as error:
            raise ValidationError(error.errors()[0]["msg"].removeprefix("Value error, "), field="name") from None
        with self._auth.changing() as transaction:
            row = transaction.session.get(PermissionRow, (transaction.tenant, name))
            if row is None:
                transaction.session.add(PermissionRow(name=name, title=title))
            else:
                row.title = title
        return permission

    def permissions(self) -> Sequence[Permission]:
        """What may be granted by name: what components and plugins declare, and what the tenant defined (at most 10,000)."""
        with self._auth.database.transaction(readonly=True) as transaction:
            return sorted(self._permissions(transaction).values(), key=lambda one: one.name)

    # -- who has them --------------------------------------------------------------------------------------------------

    def assign(self, role: str, subject: str, *, until: datetime | None = None) -> None:
        """Give a role to "user:…", "service:…" or "group:…", for good or until a time."""
        self._auth.require("auth.roles.assign")
        if until is not None and until.tzinfo is None:
            raise ValidationError("until is a time with its zone", field="until")
        with self._auth.changing() as transaction:
            self.check_assignable(transaction, role)
            self._auth.check_subject(transaction, subject)
            row = transaction.session.get(AssignmentRow, (transaction.tenant, subject, role))
            if row is None:
                transaction.session.add(AssignmentRow(subject=subject, role=role, until=until))
            else:
                row.until = until

    def withdraw(self, role: str, subject: str) -> None:
        """Take a role away, if the subject has it."""
        self._auth.require("auth.roles.assign")
        with self._auth.changing() as transaction:
            row = transaction.session.get(AssignmentRow, (transaction.tenant, subject, role))
            if row is not None:
                transaction.session.delete(row)

    def assignments(self, *, subject: str | None = None, role: str | None = None) -> Sequence[Assignment]:
        """Who has which role, at most 10,000."""
        self._auth.require("auth.roles.read")
        with self._auth.database.transaction(readonly=True) as transaction:
            wanted = select(AssignmentRow).where(AssignmentRow.tenant_id == transaction.tenant)
            wanted = wanted.where(AssignmentRow.subject == subject) if subject is not None else wanted
            wanted = wanted.where(AssignmentRow.role == role) if role is not None else wanted
            rows = transaction.session.scalars(wanted.order_by(AssignmentRow.subject, AssignmentRow.role).limit(10_000))
            return [Assignment(row.subject, row.role, row.until) for row in rows]

    # -- for the neighbours in this room -------------------------------------------------------------------------------

    def check_assignable(self, transaction: "Transaction", role: str) -> None:
        """Raise unless there is such a role and the caller may give it away."""
        if self._auth.current.access is None and self._auth.policies.has_role(transaction, role):
            return
        known = self._auth.policies.roles(transaction)
        if role not in known:
            raise ValidationError(f"there is no role {role[:80]!r}; there are {', '.join(sorted(known))}"[:500], field="role")
        self._check_given(role, known)

    def check_group(self, transaction: "Transaction", group: str) -> None:
        """Raise unless the caller may give away every role of a group."""
        held = select(AssignmentRow.role).where(
            AssignmentRow.tenant_id == transaction.tenant, AssignmentRow.subject == f"group:{group}"
        )
        for role in transaction.execute(held).scalars():
            self.check_assignable(transaction, role)

    def check_within(self, access: Access, other: SubjectAccess, scopes: Sequence[str] | None = None) -> None:
        """Raise unless the caller may do all that `other` may, within `scopes`."""
        assert isinstance(access, SubjectAccess)
        if access.subject.id == other.subject.id and access.scopes is None:
            return
        wanted = list(scopes) if scopes is not None else [p for rule in other._rules if rule.allows for p in rule.patterns]
        _check_contained(access, wanted, other.subject.id)

    def _check_given(self, name: str, roles: Mapping[str, Role]) -> None:
        access = self._auth.current.access
        if access is None:
            return
        assert isinstance(access, SubjectAccess)
        rules = compile_roles({member: roles[member] for member in lineage(roles, name) if member in roles})[name]
        _check_contained(access, [p for rule in rules if rule.allows for p in rule.patterns], f"role {name}")

    def _check(self, transaction: "Transaction", role: Role, known: Mapping[str, Role]) -> None:
        problems = [Problem(f"there is no role {parent!r}", "inherits") for parent in role.inherits if parent not in known]
        roles = {**known, role.name: role}
        if any(role.name in lineage(roles, parent) for parent in role.inherits):
            problems.append(Problem("the role would inherit itself", "inherits"))
        names = self._permissions(transaction)
        for n, grant in enumerate(role.grants):
            problems += _check_grant(grant, f"grants.{n}", names)
        if problems:
            told = "; ".join(f"{p.field}: {p.message}" for p in problems[:5])
            raise DefinitionError(f"role {role.name}: {told}", problems=problems)

    def _permissions(self, transaction: "Transaction") -> dict[str, Permission]:
        wanted = select(PermissionRow).where(PermissionRow.tenant_id == transaction.tenant).limit(10_000)
        own = {row.name: Permission(name=row.name, title=row.title) for row in transaction.session.scalars(wanted)}
        return {**self._shipped, **own}


class Shares:
    """Single records that are shared with a user, service or group. Roles decide what `shared` admits."""

    def __init__(self, auth: "Auth") -> None:
        self._auth = auth

    def grant(
        self, record: UUID, subject: str, *, level: Literal["read", "write"] = "read", until: datetime | None = None
    ) -> None:
        """Share a record. The entities component, which knows whether the caller may, calls this."""
        if level not in ("read", "write"):
            raise ValidationError(f"a share's level is read or write, not {str(level)[:20]!r}", field="level")
        with self._auth.database.transaction() as transaction:
            self._auth.check_subject(transaction, subject)
            row = transaction.session.get(ShareRow, (transaction.tenant, record, subject))
            if row is None:
                transaction.session.add(ShareRow(record_id=record, subject=subject, level=level, until=until))
            else:
                row.level, row.until = level, until

    def revoke(self, record: UUID, subject: str) -> None:
        """Share it no more."""
        with self._auth.database.transaction() as transaction:
            transaction.execute(
                delete(ShareRow).where(
                    ShareRow.tenant_id == transaction.tenant, ShareRow.record_id == record, ShareRow.subject == subject
                )
            )

    def list(self, record: UUID) -> Sequence[tuple[str, str, datetime | None]]:
        """With whom it is shared: subject, level and until when; at most 1,000."""
        with self._auth.database.transaction(readonly=True) as transaction:
            wanted = select(ShareRow).where(ShareRow.tenant_id == transaction.tenant, ShareRow.record_id == record)
            rows = transaction.session.scalars(wanted.order_by(ShareRow.subject).limit(1000))
            return [(row.subject, row.level, row.until) for row in rows]


def _check_contained(access: SubjectAccess, patterns: Sequence[str], whose: str) -> None:
    for pattern in patterns:
        if not access.contains(pattern):
            raise PermissionDeniedError(
                f"{access.subject.id} can't give {pattern} ({whose}) away, not having all of it without conditions",
                permission=pattern,
            )


def _check_grant(grant: Grant, where: str, permissions: Mapping[str, Permission]) -> list[Problem]:
    problems = []
    for pattern in grant.patterns:
        if "*" not in pattern and not pattern.startswith("entities.") and pattern not in permissions:
            problems.append(Problem(f"there is no permission {pattern!r}; define it first", where))
    reads = [pattern for pattern in grant.patterns if pattern.startswith(("entities", "*")) and covers_reading(pattern)]
    for name, source in (("when", grant.when), ("then", grant.then)):
        try:
            if source is not None:
                condition = compile_condition(source)
                if reads and name == "when":
                    condition.check_filterable()
        except ValidationError as error:
            problems.append(Problem(error.message, f"{where}.{name}"))
    return problems


def covers_reading(pattern: str) -> bool:
    """Whether the pattern covers reading records, which lists do too."""
    return covers(pattern, "entities.any.read") or pattern.endswith(".read")


def _role(role: Role | Mapping[str, Any]) -> Role:
    if isinstance(role, Role):
        return role
    try:
        return Role.model_validate(role)
    except PydanticError as error:
        problems = [Problem(e["msg"].removeprefix("Value error, "), ".".join(map(str, e["loc"]))) for e in error.errors()]
        raise DefinitionError("; ".join(f"{p.field}: {p.message}" for p in problems[:5]), problems=problems) from None
