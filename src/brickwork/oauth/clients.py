"""`platform.oauth.clients`: the applications that may ask for the tenant's tokens."""

import secrets as randomness
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError as PydanticError
from sqlalchemy import delete, select

from brickwork.auth import secret
from brickwork.auth.access import SubjectAccess
from brickwork.errors import NotFoundError, PermissionDeniedError, Problem, ValidationError
from brickwork.oauth.client import OWN_NAME, Client, Registered
from brickwork.oauth.events import ClientChanged
from brickwork.oauth.models import ClientRow, CodeRow, ConsentRow, DeviceRow, GrantRow, PushedRow, RefreshRow
from brickwork.oauth.scopes import permissions

if TYPE_CHECKING:
    from brickwork.data import Transaction
    from brickwork.oauth.service import OAuth

PREFIX = "bwo"
#: Fields of which a change revokes what was given under the old ones.
_WEIGHTY = ("scope", "grant_types", "token_endpoint_auth_method", "jwks", "service", "audiences", "tls_client_auth_subject_dn")
_LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Clients:
    """Registers, changes, finds and removes the tenant's clients."""

    def __init__(self, oauth: "OAuth") -> None:
        self._oauth = oauth

    def register(self, client_name: str, **metadata: Any) -> Registered:
        """A new client; `metadata` are the fields of `Client`, such as `redirect_uris=["https://app.example.org/callback"]`.

        Its secret, where it has one, is shown this once. Takes `oauth.clients.write`. Raises `ValidationError`.
        """
        self._oauth.require("oauth.clients.write")
        id = "".join(randomness.choice(_LETTERS) for _ in range(24))
        client = build({**metadata, "client_name": client_name, "client_id": id})
        with self._oauth.database.transaction() as transaction:
            self._check_given(transaction, client)
            self._oauth.keys.ensure(transaction, "ES256", client.id_token_signed_response_alg)
            made = self._new_secret(transaction) if client.has_secret else None
            secrets = [[secret.digest(made), None]] if made is not None else []
            transaction.session.add(ClientRow(id=id, definition=_stored(client), epoch=1, secrets=secrets))
            transaction.publish(ClientChanged(client=id, change="registered"))
            return Registered(client, made)

    def update(self, client_id: str, **metadata: Any) -> Client:
        """Replace these fields of a client. Where it may do something else from now on, its tokens count no more.
        Raises `NotFoundError` and `ValidationError`."""
        self._oauth.require("oauth.clients.write")
        with self._oauth.database.transaction() as transaction:
            row = self._row(transaction, client_id)
            return self.replace(transaction, row, {**row.definition, **metadata, "client_id": row.id})

    def get(self, client_id: str) -> Client:
        """A client; raises `NotFoundError`."""
        self._oauth.require("oauth.clients.read")
        with self._oauth.database.transaction(readonly=True) as transaction:
            return present(self._row(transaction, client_id))

    def list(self, *, limit: int = 500) -> Sequence[Client]:
        """The clients by id, at most 500."""
        self._oauth.require("oauth.clients.read")
        with self._oauth.database.transaction(readonly=True) as transaction:
            wanted = select(ClientRow).where(ClientRow.tenant_id == transaction.tenant).order_by(ClientRow.id)
            return [present(row) for row in transaction.session.scalars(wanted.limit(min(limit, 500)))]

    def rotate_secret(self, client_id: str, *, overlap: timedelta = timedelta(hours=24)) -> Registered:
        """A new secret; the old one is good for `overlap` more. Raises `NotFoundError`, and `ValidationError` for a client that
        has none."""
        self._oauth.require("oauth.clients.write")
        with self._oauth.database.transaction() as transaction:
            row = self._row(transaction, client_id)
            client = present(row)
            if not client.has_secret:
                raise ValidationError(f"client {client_id} shows who it is by {client.token_endpoint_auth_method}, not a secret")
            made, now = self._new_secret(transaction), self._oauth.now()
            last = (now + overlap).timestamp()
            kept = [[digest, last if until is None else min(until, last)] for digest, until in row.secrets]
            row.secrets = [[secret.digest(made), None], *[one for one in kept if one[1] > now.timestamp()][:4]]
            transaction.publish(ClientChanged(client=row.id, change="secret rotated"))
            return Registered(client, made)

    def remove(self, client_id: str) -> None:
        """Forget a client. Its tokens count no more, from now on. Raises `NotFoundError`."""
        self._oauth.require("oauth.clients.write")
        with self._oauth.database.transaction() as transaction:
            row = self._row(transaction, client_id)
            self._oauth.grants.revoke_client(transaction, row)
            for table in (ConsentRow, CodeRow, RefreshRow, DeviceRow, PushedRow, GrantRow):
                transaction.execute(delete(table).where(table.tenant_id == transaction.tenant, table.client_id == row.id))
            transaction.session.delete(row)
            transaction.publish(ClientChanged(client=row.id, change="removed"))

    # -- for the neighbours in this room -------------------------------------------------------------------------------

    def find(self, transaction: "Transaction", client_id: str) -> tuple[Client, ClientRow] | None:
        """A client with its row, for the endpoints, which ask for no permission."""
        row = transaction.session.get(ClientRow, (transaction.tenant, client_id)) if len(client_id) <= 64 else None
        return (present(row), row) if row is not None else None

    def replace(self, transaction: "Transaction", row: ClientRow, definition: Mapping[str, Any]) -> Client:
        """Store a changed definition. Where it may do something else than before, what it was given is revoked."""
        client = build(definition)
        self._check_given(transaction, client)
        if client.has_secret and not row.secrets:
            raise ValidationError("a client without a secret can't begin to use one; register it anew",
                                  field="token_endpoint_auth_method")  # fmt: skip
        self._oauth.keys.ensure(transaction, client.id_token_signed_response_alg)
        before = present(row)
        if any(getattr(before, name) != getattr(client, name) for name in _WEIGHTY):
            self._oauth.grants.revoke_client(transaction, row)
        row.definition = _stored(client)
        transaction.publish(ClientChanged(client=row.id, change="changed"))
        return client

    def matches(self, row: ClientRow, shown: str) -> bool:
        """Whether a secret is one of the client's and not over."""
        digest, now = secret.digest(shown), self._oauth.now().timestamp()
        found = [until is None or until > now for known, until in row.secrets if randomness.compare_digest(known, digest)]
        return any(found)

    def _new_secret(self, transaction: "Transaction") -> str:
        return secret.make(f"{PREFIX}_{transaction.tenant}")

    def _check_given(self, transaction: "Transaction", client: Client) -> None:
        """Raise unless the client's service account is there, and who registers the client may give away what it gets without
        anybody being asked: what its service may do, or as a trusted client its scopes."""
        access = self._oauth.current.access
        assert access is None or isinstance(access, SubjectAccess)
        if client.trusted and access is not None:
            for one in permissions(client.scopes):
                if not access.contains(one):
                    raise PermissionDeniedError(f"a trusted client with the scope {one} can be registered by who may do all that",
                                                permission=one)  # fmt: skip
        if client.service is None or not set(client.grant_types) & OWN_NAME:
            return
        subject = f"service:{client.service}"
        self._oauth.auth.check_subject(transaction, subject, groups=False)
        if access is not None:
            own = self._oauth.auth.policies.access(transaction.tenant, subject)
            self._oauth.auth.roles.check_within(access, own, permissions(client.scopes))

    def _row(self, transaction: "Transaction", client_id: str) -> ClientRow:
        row = transaction.session.get(ClientRow, (transaction.tenant, client_id))
        if row is None:
            raise NotFoundError(f"there is no client {client_id[:80]!r}")
        return row


def build(definition: Mapping[str, Any]) -> Client:
    """The client that a document describes; raises `ValidationError` with each thing that is wrong."""
    try:
        return Client.model_validate(dict(definition))
    except PydanticError as error:
        problems = [
            Problem(item["msg"].removeprefix("Value error, "), ".".join(map(str, item["loc"])) or None)
            for item in error.errors(include_url=False, include_input=False)
        ]
        told = "; ".join(f"{p.field}: {p.message}" if p.field else p.message for p in problems[:5])
        raise ValidationError(f"the client is not acceptable: {told}", problems=problems) from None


def present(row: ClientRow) -> Client:
    """The client of a row."""
    return Client.model_validate(row.definition)


def _stored(client: Client) -> dict[str, Any]:
    return client.model_dump(mode="json", exclude_defaults=True)
