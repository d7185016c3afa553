"""`platform.oauth.grants`: what people have allowed clients, and taking it back."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import attrs
from sqlalchemy import delete, select, update

from brickwork.errors import NotFoundError
from brickwork.kernel.context import Context
from brickwork.kernel.ids import parse_id
from brickwork.oauth import scopes
from brickwork.oauth.client import Client
from brickwork.oauth.clients import present
from brickwork.oauth.events import ConsentGiven, GrantRevoked, TokenReused
from brickwork.oauth.models import ClientRow, ConsentRow, GrantRow, RefreshRow, RevocationRow
from brickwork.oauth.once import insert_missing

if TYPE_CHECKING:
    from brickwork.cache import Region
    from brickwork.data import Transaction
    from brickwork.oauth.service import OAuth


@attrs.frozen
class SignedIn:
    """The person at the browser, when they signed in and by what means (RFC 8176); `token` is their session's."""

    subject: str
    at: datetime
    methods: tuple[str, ...] = ()
    token: str = ""


@attrs.frozen
class Granted:
    """Something that a person has allowed a client and that is in force."""

    id: UUID
    client_id: str
    client_name: str
    subject: str
    scopes: tuple[str, ...]
    created_at: datetime


class Grants:
    """Begins, lists and revokes grants."""

    def __init__(self, oauth: "OAuth", region: "Region[bool]") -> None:
        self._oauth = oauth
        self._region = region

    def list(self, subject: str | None = None, *, limit: int = 500) -> Sequence[Granted]:
        """What is in force, the latest first: of `subject`, or with `oauth.grants.read` of all."""
        if subject is None or subject != self._oauth.current.actor:
            self._oauth.require("oauth.grants.read")
        with self._oauth.database.transaction(readonly=True) as transaction:
            wanted = select(GrantRow, ClientRow).join(
                ClientRow, (ClientRow.tenant_id == GrantRow.tenant_id) & (ClientRow.id == GrantRow.client_id)
            )
            wanted = wanted.where(GrantRow.tenant_id == transaction.tenant, GrantRow.revoked_at.is_(None),
                                  GrantRow.expires_at > self._oauth.now())  # fmt: skip
            if subject is not None:
                wanted = wanted.where(GrantRow.subject == subject)
            rows = transaction.session.execute(wanted.order_by(GrantRow.id.desc()).limit(min(limit, 500))).all()
            return [
                Granted(row.id, row.client_id, present(client).client_name, row.subject, tuple(row.scopes), row.created_at)
                for row, client in rows
            ]

    def revoke(self, id: UUID | str, *, reason: str = "revoked") -> None:
        """Let a grant's tokens count no more, from now on, and ask for consent again. Others' grants take `oauth.grants.write`.
        Raises `NotFoundError`."""
        key = id if isinstance(id, UUID) else parse_id(id)
        with self._oauth.database.transaction() as transaction:
            row = transaction.session.get(GrantRow, (transaction.tenant, key)) if key is not None else None
            if row is None:
                raise NotFoundError(f"there is no grant {str(id)[:80]!r}")
            if row.subject != self._oauth.current.actor:
                self._oauth.require("oauth.grants.write")
            self.end(transaction, row, reason)
            consent = transaction.session.get(ConsentRow, (transaction.tenant, row.subject, row.client_id))
            if consent is not None:
                transaction.session.delete(consent)

    def revoke_all(self, subject: str, *, reason: str = "revoked") -> int:
        """As `revoke`, for all of a person's in the tenant, as when an account was taken over; returns how many."""
        if subject != self._oauth.current.actor:
            self._oauth.require("oauth.grants.write")
        with self._oauth.database.transaction() as transaction:
            mine = select(GrantRow).where(GrantRow.tenant_id == transaction.tenant, GrantRow.subject == subject,
                                          GrantRow.revoked_at.is_(None))  # fmt: skip
            rows = transaction.session.scalars(mine).all()
            for row in rows:
                self.end(transaction, row, reason)
            transaction.execute(
                delete(ConsentRow).where(ConsentRow.tenant_id == transaction.tenant, ConsentRow.subject == subject)
            )
            return len(rows)

    # -- for the neighbours in this room -------------------------------------------------------------------------------

    def begin(
        self, transaction: "Transaction", client: Client, person: SignedIn, wanted: Sequence[str], nonce: str | None = None
    ) -> GrantRow:
        """A new grant, stored. Raises `UnauthenticatedError` where the person's session is over meanwhile."""
        self._hold(person)
        now = self._oauth.now()
        row = GrantRow(client_id=client.client_id, subject=person.subject, scopes=list(wanted), auth_time=person.at,
                       methods=list(person.methods), nonce=nonce, created_at=now,
                       expires_at=now + timedelta(days=self._oauth.settings.grant_days))  # fmt: skip
        transaction.session.add(row)
        transaction.flush()
        return row

    def live(self, transaction: "Transaction", id: UUID) -> GrantRow | None:
        """A grant that is in force."""
        row = transaction.session.get(GrantRow, (transaction.tenant, id))
        return row if row is not None and row.revoked_at is None and row.expires_at > self._oauth.now() else None

    def consented(self, transaction: "Transaction", client: Client, subject: str, wanted: Sequence[str]) -> bool:
        """Whether the person has allowed all that before."""
        row = transaction.session.get(ConsentRow, (transaction.tenant, subject, client.client_id))
        return row is not None and scopes.within(wanted, row.scopes)

    def consent(self, transaction: "Transaction", client: Client, person: SignedIn, wanted: Sequence[str]) -> None:
        """Remember that the person has allowed it. Raises as `begin`."""
        self._hold(person)
        subject = person.subject
        row = transaction.session.get(ConsentRow, (transaction.tenant, subject, client.client_id))
        if row is None:
            row = ConsentRow(subject=subject, client_id=client.client_id, scopes=[])
            transaction.session.add(row)
        row.scopes, row.at = list(dict.fromkeys([*row.scopes, *wanted])), self._oauth.now()
        transaction.publish(ConsentGiven(subject=subject, client=client.client_id, scopes=list(wanted)))

    def end(self, transaction: "Transaction", row: GrantRow, reason: str) -> None:
        """Revoke a grant with its tokens."""
        if row.revoked_at is not None:
            return
        row.revoked_at = self._oauth.now()
        self._bar(transaction, [(transaction.tenant, f"grant:{row.id}")])
        refreshes = update(RefreshRow).where(RefreshRow.tenant_id == transaction.tenant, RefreshRow.grant_id == row.id)
        transaction.execute(refreshes.values(successor=None))
        transaction.publish(GrantRevoked(grant=str(row.id), client=row.client_id, subject=row.subject, reason=reason))

    def end_all(self, transaction: "Transaction", user: UUID, reason: str) -> None:
        """Revoke all of a person's grants, in every tenant and with what was consented to, in a transaction of the system's. What
        is published of it is the system's too."""
        subject, now = f"user:{user}", self._oauth.now()
        mine = update(GrantRow).where(GrantRow.subject == subject, GrantRow.revoked_at.is_(None)).values(revoked_at=now)
        ended = transaction.execute(mine.returning(GrantRow.tenant_id, GrantRow.id, GrantRow.client_id)).all()
        if ended:
            self._bar(transaction, [(row.tenant_id, f"grant:{row.id}") for row in ended])
            theirs = select(GrantRow.id).where(GrantRow.subject == subject, GrantRow.revoked_at == now)
            transaction.execute(update(RefreshRow).where(RefreshRow.grant_id.in_(theirs)).values(successor=None))
        transaction.execute(delete(ConsentRow).where(ConsentRow.subject == subject))
        for row in ended:
            transaction.publish(GrantRevoked(grant=str(row.id), client=row.client_id, subject=subject, reason=reason))

    def reused(self, transaction: "Transaction", id: UUID, kind: str) -> None:
        """Somebody showed a code or refresh token that was used: nobody can tell the thief from the owner, so both lose it."""
        row = transaction.session.get(GrantRow, (transaction.tenant, id))
        if row is not None and row.revoked_at is None:
            self.end(transaction, row, f"{kind} reused")
            transaction.publish(TokenReused(client=row.client_id, subject=row.subject, kind=kind))
            self._oauth.database.audit.note("token reused", "oauth_grant", str(row.id), detail={"kind": kind})

    def bar_token(self, transaction: "Transaction", jti: str) -> None:
        """Let one access token count no more."""
        self._bar(transaction, [(transaction.tenant, f"jti:{jti}")])

    def revoke_client(self, transaction: "Transaction", row: ClientRow) -> None:
        """Let no token count that a client got before now."""
        row.epoch += 1
        live = (GrantRow.tenant_id == transaction.tenant, GrantRow.client_id == row.id, GrantRow.revoked_at.is_(None))
        transaction.execute(update(GrantRow).where(*live).values(revoked_at=self._oauth.now()))
        self._forget([_tag(transaction.tenant, f"client:{row.id}")])

    def barred(self, tenant: str, jti: str, grant: str | None, client_id: str, epoch: object) -> bool:
        """Whether an access token was revoked, by itself or with its grant or client."""
        keys = [f"jti:{jti}", *([f"grant:{grant}"] if grant is not None else [])]
        tags = [_tag(tenant, key) for key in (*keys, f"client:{client_id}")]

        def load() -> bool:
            with self._oauth.database.begin(Context(tenant=tenant), readonly=True) as transaction:
                client = transaction.session.get(ClientRow, (tenant, client_id))
                if client is None or client.epoch != epoch:
                    return True
                wanted = select(RevocationRow.key).where(RevocationRow.tenant_id == tenant, RevocationRow.key.in_(keys))
                return transaction.execute(wanted.limit(1)).first() is not None

        with self._oauth.contexts.use(Context(system=True)):  # what ends a person's grants ends those of all tenants
            return bool(self._region.get_or_load(f"oauth:{tenant}:{jti}", load, tags=tags))

    def _hold(self, person: SignedIn) -> None:
        if person.token:
            self._oauth.auth.sessions.hold(person.token)

    def _bar(self, transaction: "Transaction", keys: Sequence[tuple[str, str]]) -> None:
        """Let access tokens count no more; `keys` are tenants and what to bar there."""
        over = self._oauth.now() + self._oauth.longest
        insert_missing(
            transaction, RevocationRow, [{"tenant_id": tenant, "key": key, "expires_at": over} for tenant, key in keys]
        )
        self._forget([_tag(tenant, key) for tenant, key in keys])

    def _forget(self, tags: Sequence[str]) -> None:
        with self._oauth.auth.system():
            self._oauth.auth.forget(tags)


def _tag(tenant: str, key: str) -> str:
    return f"oauth:{tenant}:{key}"
