"""`platform.auth.members` and `platform.auth.groups`: who belongs to the tenant, and to which of its groups."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import attrs
from sqlalchemy import delete, select

from brickwork.auth import secret
from brickwork.auth.events import UserInvited
from brickwork.auth.models import AssignmentRow, GroupMemberRow, GroupRow, InvitationRow, MemberRow, ShareRow, UserRow
from brickwork.auth.users import User, normal, present
from brickwork.data import Page
from brickwork.data.pagination import cut, decode_cursor, encode_cursor
from brickwork.errors import DuplicateError, NotFoundError, UnauthenticatedError, ValidationError
from brickwork.kernel.context import SYSTEM_TENANT, check_tenant
from brickwork.kernel.ids import parse_id

if TYPE_CHECKING:
    from brickwork.auth.service import Auth
    from brickwork.data import Transaction

PREFIX = "bwi"


@attrs.frozen
class Member:
    """A person in the tenant."""

    user: User
    roles: tuple[str, ...]
    attributes: Mapping[str, Any]
    person: str | None


@attrs.frozen
class Invitation:
    """An invitation; `token` is there only when it is made."""

    id: UUID
    email: str
    roles: tuple[str, ...]
    expires_at: datetime
    token: str | None = None


class Members:
    """Adds, invites, lists and removes the tenant's members."""

    def __init__(self, auth: "Auth") -> None:
        self._auth = auth

    def add(
        self, user: User | UUID | str, *, roles: Sequence[str] = (), attributes: Mapping[str, Any] | None = None,
        person: str | None = None,
    ) -> None:  # fmt: skip
        """Make a person a member; who is one already keeps the roles and gets the attributes and person given."""
        self._auth.require("auth.members.write")
        known = user if isinstance(user, User) else self._auth.users.get(user)
        with self._auth.changing() as transaction:
            row = transaction.session.get(MemberRow, (transaction.tenant, known.id))
            if row is None:
                transaction.session.add(MemberRow(user_id=known.id, attributes=dict(attributes or {}), person=person))
            elif attributes is not None or person is not None:
                row.attributes = dict(attributes) if attributes is not None else row.attributes
                row.person = person if person is not None else row.person
            transaction.flush()
            for role in roles:
                self._auth.roles.assign(role, known.actor)

    def remove(self, user: UUID | str) -> None:
        """End a membership: roles, groups, keys and what was shared go with it. Raises `NotFoundError`."""
        self._auth.require("auth.members.write")
        with self._auth.changing() as transaction:
            row = self._row(transaction, user)
            transaction.session.delete(row)
            subject = f"user:{row.user_id}"
            for table in (AssignmentRow, GroupMemberRow, ShareRow):
                transaction.execute(delete(table).where(table.tenant_id == transaction.tenant, table.subject == subject))
            self._auth.keys.drop(transaction, subject)
            self._auth.end_sessions(row.user_id, transaction.tenant)

    def get(self, user: UUID | str) -> Member:
        """A member; raises `NotFoundError`, for people of other tenants as for those that don't exist."""
        self._auth.require("auth.members.read")
        with self._auth.database.transaction(readonly=True) as transaction:
            row = self._row(transaction, user)
            held = select(AssignmentRow.role).where(
                AssignmentRow.tenant_id == transaction.tenant, AssignmentRow.subject == f"user:{row.user_id}"
            )
            roles = tuple(sorted(transaction.execute(held).scalars()))
        return Member(self._auth.users.get(row.user_id), roles, row.attributes, row.person)

    def list(self, *, limit: int = 50, cursor: str | None = None) -> Page[Member]:
        """The members in the order in which they became users, with the roles given to them directly."""
        self._auth.require("auth.members.read")
        cut(limit, 500)
        with self._auth.database.transaction(readonly=True) as transaction:
            wanted = select(MemberRow).where(MemberRow.tenant_id == transaction.tenant)
            if cursor is not None:
                wanted = wanted.where(MemberRow.user_id > UUID(str(decode_cursor(cursor, "members")[0])))
            rows = transaction.session.scalars(wanted.order_by(MemberRow.user_id).limit(limit + 1)).all()
            found: Any = transaction.execute(
                select(AssignmentRow.subject, AssignmentRow.role).where(
                    AssignmentRow.tenant_id == transaction.tenant,
                    AssignmentRow.subject.in_([f"user:{row.user_id}" for row in rows]),
                )
            ).all()
        roles: dict[str, list[str]] = {}
        for subject, role in found:
            roles.setdefault(subject, []).append(role)
        with self._auth.system(readonly=True) as transaction:
            people = select(UserRow).where(UserRow.tenant_id == SYSTEM_TENANT, UserRow.id.in_([row.user_id for row in rows]))
            users = {row.id: present(row) for row in transaction.session.scalars(people)}
        members = [
            Member(users[row.user_id], tuple(sorted(roles.get(f"user:{row.user_id}", ()))), row.attributes, row.person)
            for row in rows[:limit]
        ]
        return Page(members, encode_cursor("members", [rows[limit - 1].user_id]) if len(rows) > limit else None)

    def named(self, users: Sequence[UUID]) -> Sequence[User]:
        """Those of `users` (at most 500) who are members."""
        self._auth.require("auth.members.read")
        with self._auth.database.transaction(readonly=True) as transaction:
            wanted = select(MemberRow.user_id).where(MemberRow.tenant_id == transaction.tenant, MemberRow.user_id.in_(users))
            known = list(transaction.execute(wanted).scalars())
        with self._auth.system(readonly=True) as transaction:
            people = select(UserRow).where(UserRow.tenant_id == SYSTEM_TENANT, UserRow.id.in_(known))
            return [present(row) for row in transaction.session.scalars(people)]

    # -- invitations ---------------------------------------------------------------------------------------------------

    def invite(self, email: str, *, roles: Sequence[str] = ()) -> Invitation:
        """Ask somebody to join; publishes `UserInvited` with the token. Whoever accepts gets the roles."""
        self._auth.require("auth.members.write")
        address, now = normal(email), self._auth.now()
        expires = now + timedelta(hours=self._auth.settings.invitation_hours)
        with self._auth.database.transaction() as transaction:
            for role in roles:
                self._auth.roles.check_assignable(transaction, role)
            token = secret.make(f"{PREFIX}_{transaction.tenant}")
            row = InvitationRow(digest=secret.digest(token), email=address, roles=list(roles), created_at=now, expires_at=expires)
            transaction.session.add(row)
            transaction.flush()
            transaction.publish(UserInvited(email=address, sealed=self._auth.seal(token)))
            return Invitation(row.id, address, tuple(roles), expires, token)

    def accept(self, token: str, *, name: str = "", password: str | None = None, user: UUID | None = None) -> User:
        """Join with an invitation's token. Who has no account under that address yet gets one, with `name` and `password`; who
        has one shows the password, or is `user`, whom the caller has signed in. Raises `UnauthenticatedError` and
        `ValidationError`."""
        return self.accept_as(token, lambda email: self._joining(email, name, password, user))

    def accept_as(self, token: str, joining: Callable[[str], User]) -> User:
        """As `accept`, for whoever `joining` gives for the invitation's address: whose account it is was shown by other means."""
        tenant = _tenant_of(token, PREFIX)
        with self._auth.platform.context(tenant=tenant, actor="invitation"):
            row = self._pending(token)
            user = joining(row.email)
            with self._auth.platform.context(actor=user.actor), self._auth.changing() as transaction:
                again = transaction.session.get(InvitationRow, (tenant, row.id), with_for_update=True)
                if again is None or again.accepted_at is not None:
                    raise _unusable()
                again.accepted_at = self._auth.now()
                self.add(user, roles=row.roles)
            return user

    def invitations(self) -> Sequence[Invitation]:
        """Those that wait, at most 500."""
        self._auth.require("auth.members.read")
        with self._auth.database.transaction(readonly=True) as transaction:
            wanted = select(InvitationRow).where(
                InvitationRow.tenant_id == transaction.tenant,
                InvitationRow.accepted_at.is_(None),
                InvitationRow.expires_at > self._auth.now(),
            )
            rows = transaction.session.scalars(wanted.order_by(InvitationRow.id).limit(500)).all()
            return [Invitation(row.id, row.email, tuple(row.roles), row.expires_at) for row in rows]

    def withdraw(self, invitation: UUID) -> None:
        """Take an invitation back; raises `NotFoundError`."""
        self._auth.require("auth.members.write")
        with self._auth.database.transaction() as transaction:
            row = transaction.session.get(InvitationRow, (transaction.tenant, invitation))
            if row is None or row.accepted_at is not None:
                raise NotFoundError("there is no such invitation")
            transaction.session.delete(row)

    def _pending(self, token: str) -> InvitationRow:
        with self._auth.database.transaction(readonly=True) as transaction:
            wanted = select(InvitationRow).where(
                InvitationRow.tenant_id == transaction.tenant, InvitationRow.digest == secret.digest(token)
            )
            row = transaction.session.scalars(wanted).one_or_none()
            if row is None or row.accepted_at is not None or row.expires_at < self._auth.now():
                raise _unusable()
            return row

    def _joining(self, email: str, name: str, password: str | None, signed_in: UUID | None) -> User:
        known = self._auth.users.find(email)
        if known is None:
            return self._auth.users.create(email, name or email.partition("@")[0], password=password, verified=True)
        if known.id == signed_in:
            return known
        self._auth.throttle.attempt(f"sign-in:{email}")
        if password is None or self._auth.users.check_password(email, password) is None:
            raise UnauthenticatedError("there is an account with this address; sign in, or give its password, to join with it")
        return known

    def _row(self, transaction: "Transaction", user: UUID | str) -> MemberRow:
        key = user if isinstance(user, UUID) else parse_id(user.removeprefix("user:"))
        row = transaction.session.get(MemberRow, (transaction.tenant, key)) if key is not None else None
        if row is None:
            raise NotFoundError(f"there is no member {str(user)[:80]!r}")
        return row


class Groups:
    """The tenant's groups. Roles may be given to a group ("group:theatre") and hold for its members."""

    def __init__(self, auth: "Auth") -> None:
        self._auth = auth

    def create(self, name: str, title: str = "") -> None:
        """A new group; raises `DuplicateError` and `ValidationError`."""
        self._auth.require("auth.groups.write")
        check_tenant(name)  # the same letters may name both
        with self._auth.database.transaction() as transaction:
            if transaction.session.get(GroupRow, (transaction.tenant, name)) is not None:
                raise DuplicateError(f"there is a group {name!r}", field="name")
            transaction.session.add(GroupRow(name=name, title=title[:200]))

    def remove(self, name: str) -> None:
        """Remove a group, with the roles and shares it had."""
        self._auth.require("auth.groups.write")
        with self._auth.changing() as transaction:
            transaction.session.delete(self._row(transaction, name))
            transaction.execute(
                delete(GroupMemberRow).where(GroupMemberRow.tenant_id == transaction.tenant, GroupMemberRow.group == name)
            )
            for table in (AssignmentRow, ShareRow):
                transaction.execute(delete(table).where(table.tenant_id == transaction.tenant, table.subject == f"group:{name}"))

    def add(self, name: str, subject: str) -> None:
        """Put "user:…" or "service:…" into a group."""
        self._auth.require("auth.groups.write")
        with self._auth.changing() as transaction:
            self._row(transaction, name)
            self._auth.check_subject(transaction, subject, groups=False)
            self._auth.roles.check_group(transaction, name)
            if transaction.session.get(GroupMemberRow, (transaction.tenant, name, subject)) is None:
                transaction.session.add(GroupMemberRow(group=name, subject=subject))

    def discard(self, name: str, subject: str) -> None:
        """Take a subject out of a group, if it is in it."""
        self._auth.require("auth.groups.write")
        with self._auth.changing() as transaction:
            row = transaction.session.get(GroupMemberRow, (transaction.tenant, name, subject))
            if row is not None:
                transaction.session.delete(row)

    def list(self) -> dict[str, list[str]]:
        """The groups, at most 1,000, with their members, at most 10,000 in all."""
        self._auth.require("auth.groups.read")
        with self._auth.database.transaction(readonly=True) as transaction:
            names = select(GroupRow.name).where(GroupRow.tenant_id == transaction.tenant).order_by(GroupRow.name)
            groups: dict[str, list[str]] = {name: [] for name in transaction.execute(names.limit(1000)).scalars()}
            members: Any = transaction.execute(
                select(GroupMemberRow.group, GroupMemberRow.subject)
                .where(GroupMemberRow.tenant_id == transaction.tenant)
                .order_by(GroupMemberRow.group, GroupMemberRow.subject)
                .limit(10_000)
            )
            for group, subject in members:
                groups.setdefault(group, []).append(subject)
        return groups

    def subjects(self, name: str, *, after: str = "", limit: int = 500) -> Sequence[str]:
        """Who is in a group, in the order of their names, from behind `after`. Raises `NotFoundError`."""
        self._auth.require("auth.groups.read")
        with self._auth.database.transaction(readonly=True) as transaction:
            self._row(transaction, name)
            wanted = select(GroupMemberRow.subject).where(
                GroupMemberRow.tenant_id == transaction.tenant, GroupMemberRow.group == name, GroupMemberRow.subject > after
            )
            return list(transaction.execute(wanted.order_by(GroupMemberRow.subject).limit(cut(limit, 500))).scalars())

    def _row(self, transaction: "Transaction", name: str) -> GroupRow:
        row = transaction.session.get(GroupRow, (transaction.tenant, name))
        if row is None:
            raise NotFoundError(f"there is no group {name[:80]!r}")
        return row


def _unusable() -> UnauthenticatedError:
    return UnauthenticatedError("the invitation is unknown, used or too old")


def _tenant_of(token: str, prefix: str) -> str:
    """The tenant that a token names; raises `UnauthenticatedError` for what is no such token."""
    head, _, _ = token.rpartition("_")
    if not head.startswith(f"{prefix}_") or not secret.well_formed(token):
        raise UnauthenticatedError("the token is not one of ours, or was mistyped")
    try:
        return check_tenant(head.removeprefix(f"{prefix}_"))
    except ValidationError:
        raise UnauthenticatedError("the token is not one of ours, or was mistyped") from None
