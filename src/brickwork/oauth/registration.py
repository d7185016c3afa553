"""Clients that register themselves (RFC 7591), with a token that may do so, and manage what they registered (RFC 7592)."""

from typing import TYPE_CHECKING, Any

import orjson

from brickwork.auth import secret
from brickwork.errors import PermissionDeniedError, UnauthenticatedError, ValidationError
from brickwork.oauth.client import Client, Metadata
from brickwork.oauth.models import ClientRow
from brickwork.oauth.request import Answer
from brickwork.oauth.visit import Visit

if TYPE_CHECKING:
    from brickwork.data import Transaction


def answer(visit: Visit) -> Answer:
    """Register a client, or show, replace or remove the one in the path. Errors are those of RFC 7591, 3.2.2."""
    try:
        if not visit.rest:
            return _register(visit) if visit.method == "POST" else _error(405, "invalid_request", "Clients register with POST.")
        return _manage(visit)
    except UnauthenticatedError as error:
        return _error(401, "invalid_token", error.message)
    except PermissionDeniedError as error:
        return _error(403, "insufficient_scope", error.message)
    except ValidationError as error:
        field = error.field or ""
        code = "invalid_redirect_uri" if field.startswith("redirect_uris") else "invalid_client_metadata"
        return _error(400, code, error.message)


def _register(visit: Visit) -> Answer:
    oauth = visit.oauth
    identity = oauth.auth.identify(visit.headers, "POST")
    if identity is None or identity.tenant != visit.issuer.tenant:
        raise UnauthenticatedError("show a token of this tenant that may register clients")
    metadata = _metadata(visit)
    with (
        oauth.contexts.use(identity.context(visit.headers["x-correlation-id"], "en")),
        oauth.database.transaction() as transaction,
    ):
        made = oauth.clients.register(**metadata)
        token = secret.make("bwg")
        row = transaction.session.get(ClientRow, (transaction.tenant, made.client.client_id))
        assert row is not None
        row.registration = secret.digest(token)
        return Answer.of(201, _shown(visit, row, made.client, made.secret, token))


def _manage(visit: Visit) -> Answer:
    oauth = visit.oauth
    with oauth.database.transaction() as transaction:
        row, client = _own(visit, transaction)
        if visit.method == "DELETE":
            oauth.clients.remove(row.id)
            return Answer.of(204, None)
        if visit.method == "PUT":
            metadata = _metadata(visit)
            if metadata.pop("client_id", row.id) != row.id:
                raise ValidationError("client_id is another client's", field="client_id")
            if client.service is not None or client.trusted or client.audiences:
                raise PermissionDeniedError("an administrator answers for this client by now", permission="oauth.clients.write")
            client = oauth.clients.replace(transaction, row, {**metadata, "client_id": row.id})
        elif visit.method != "GET":
            return _error(405, "invalid_request", "A registration takes GET, PUT and DELETE.")
        return Answer.of(200, _shown(visit, row, client))


def _own(visit: Visit, transaction: "Transaction") -> tuple[ClientRow, Client]:
    """The client whose registration token is shown. An unknown client looks as one with another token (RFC 7592, 2.1)."""
    scheme, _, token = visit.headers.get("authorization", "").partition(" ")
    found = visit.oauth.clients.find(transaction, visit.rest)
    good = scheme.lower() == "bearer" and secret.well_formed(token)
    if found is None or not good or found[1].registration != secret.digest(token):
        raise UnauthenticatedError("show the registration_access_token of this client")
    return found[1], found[0]


def _metadata(visit: Visit) -> dict[str, Any]:
    """What the client says about itself; what is not known here is left out (RFC 7591, 2)."""
    try:
        given = orjson.loads(visit.body)
    except orjson.JSONDecodeError:
        given = None
    if not isinstance(given, dict):
        raise ValidationError("the body takes a JSON object")
    known = {name: value for name, value in given.items() if name in Metadata.model_fields}
    wanted = known.setdefault("client_name", "Unnamed client")
    if not isinstance(wanted, str):
        raise ValidationError("client_name takes text", field="client_name")
    return {**known, **({"client_id": given["client_id"]} if "client_id" in given and visit.rest else {})}


def _shown(visit: Visit, row: ClientRow, client: Client, made: str | None = None, token: str | None = None) -> dict[str, Any]:
    """RFC 7591, 3.2.1."""
    body = {"client_id": row.id, "client_id_issued_at": int(row.created_at.timestamp()),
            **client.model_dump(mode="json", include=set(Metadata.model_fields), exclude_none=True),
            "registration_client_uri": f"{visit.issuer.address('register')}/{row.id}"}  # fmt: skip
    if made is not None:
        body |= {"client_secret": made, "client_secret_expires_at": 0}
    if token is not None:
        body["registration_access_token"] = token
    return body


def _error(status: int, code: str, message: str) -> Answer:
    challenge = [("WWW-Authenticate", f'Bearer error="{code}"')] if status in (401, 403) else []
    return Answer.of(status, {"error": code, "error_description": message}, challenge)
