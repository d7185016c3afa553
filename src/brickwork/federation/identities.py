"""Which identities people have elsewhere."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import attrs
from sqlalchemy import func, select

from brickwork.errors import ConflictError, NotFoundError
from brickwork.federation.events import IdentityLinked, IdentityUnlinked
from brickwork.federation.models import IdentityRow
from brickwork.kernel.context import SYSTEM_TENANT

if TYPE_CHECKING:
    from brickwork.auth import Auth
    from brickwork.data import Transaction


@attrs.frozen
class LinkedIdentity:
    """An account elsewhere by which a person signs in. `email` is what the provider told when it was linked."""

    id: UUID
    user_id: UUID
    provider: str
    issuer: str
    subject: str
    email: str | None
    created_at: datetime


class Identities:
    """Links, lists and removes them."""

    def __init__(self, auth: "Auth") -> None:
        self._auth = auth

    def find(self, issuer: str, subject: str) -> IdentityRow | None:
        """The identity with this issuer and subject."""
        with self._auth.system() as transaction:
            return self._find(transaction, issuer, subject)

    def link(self, user: UUID, provider: str, issuer: str, subject: str, *, email: str | None = None) -> LinkedIdentity:
        """Let a person sign in with an identity; raises `ConflictError` where it is another person's."""
        with self._auth.system(f"link an identity of {provider} to user {user}") as transaction:
            row = self._find(transaction, issuer, subject)
            if row is not None:
                if row.user_id != user:
                    raise ConflictError("this identity belongs to another account already")
                return present(row)
            row = IdentityRow(tenant_id=SYSTEM_TENANT, user_id=user, provider=provider, issuer=issuer, subject=subject,
                              email=email)  # fmt: skip
            transaction.session.add(row)
            transaction.flush()
            transaction.publish(IdentityLinked(user=str(user), provider=provider, issuer=issuer, subject=subject))
            return present(row)

    def list(self, user: UUID) -> Sequence[LinkedIdentity]:
        """A person's identities, at most 100."""
        with self._auth.system() as transaction:
            return [present(row) for row in self._of(transaction, user)]

    def unlink(self, user: UUID, id: UUID) -> LinkedIdentity:
        """Let the person sign in with an identity no more; raises `NotFoundError`, and `LastWayError` where there would be no
        way left."""
        with self._auth.system(f"unlink identity {id} of user {user}") as transaction:
            row = transaction.session.get(IdentityRow, (SYSTEM_TENANT, id))
            if row is None or row.user_id != user:
                raise NotFoundError("there is no such identity")
            self._auth.users.check_not_last(transaction, user)
            transaction.session.delete(row)
            transaction.publish(IdentityUnlinked(user=str(user), provider=row.provider, issuer=row.issuer, subject=row.subject))
            return present(row)

    def _find(self, transaction: "Transaction", issuer: str, subject: str) -> IdentityRow | None:
        wanted = select(IdentityRow).where(
            IdentityRow.tenant_id == SYSTEM_TENANT, IdentityRow.issuer == issuer, IdentityRow.subject == subject
        )
        return transaction.session.scalars(wanted).one_or_none()

    def _of(self, transaction: "Transaction", user: UUID) -> Sequence[IdentityRow]:
        wanted = select(IdentityRow).where(IdentityRow.tenant_id == SYSTEM_TENANT, IdentityRow.user_id == user)
        return transaction.session.scalars(wanted.order_by(IdentityRow.id).limit(100)).all()


def count(transaction: "Transaction", user: UUID) -> int:
    """How many identities a person has."""
    wanted = select(func.count()).where(IdentityRow.tenant_id == SYSTEM_TENANT, IdentityRow.user_id == user)
    found: int = transaction.execute(wanted).scalar_one()
    return found


def present(row: IdentityRow) -> LinkedIdentity:
    return LinkedIdentity(row.id, row.user_id, row.provider, row.issuer, row.subject, row.email, row.created_at)
