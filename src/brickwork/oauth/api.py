"""The HTTP routes for a tenant's administrators, and for people who want to see what they have allowed."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from brickwork.errors import ValidationError
from brickwork.oauth.client import Client, Registered

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform
    from brickwork.oauth.service import OAuth
    from brickwork.web.endpoint import Call, Endpoint

TAG = "oauth"


class ClientBody(BaseModel):
    """The fields of a client, named as in RFC 7591."""

    model_config = ConfigDict(extra="allow")

    client_name: str = Field(min_length=1, max_length=100)


class ClientModel(BaseModel):
    """A client; `client_secret` is there only when it is made."""

    client_id: str
    client_name: str
    redirect_uris: list[str]
    post_logout_redirect_uris: list[str]
    grant_types: list[str]
    token_endpoint_auth_method: str
    scope: str
    service: str | None
    audiences: list[str]
    trusted: bool
    client_secret: str | None = None


class OverlapBody(BaseModel):
    """Hours for which the old secret is good yet."""

    model_config = ConfigDict(extra="forbid")

    overlap_hours: float = Field(24, ge=0, le=24 * 30)


class GrantedModel(BaseModel):
    """What somebody has allowed a client."""

    id: UUID
    client_id: str
    client_name: str
    subject: str
    scopes: list[str]
    created_at: datetime


class SubjectQuery(BaseModel):
    """Whose grants; left out, everybody's."""

    model_config = ConfigDict(extra="forbid")

    subject: str | None = Field(None, max_length=80)


class Desk:
    """The handlers. The service behind them asks for permissions."""

    def __init__(self, oauth: "OAuth") -> None:
        self._oauth = oauth

    def clients(self, call: "Call") -> list[dict[str, Any]]:
        return [_client(one) for one in self._oauth.clients.list()]

    def register(self, call: "Call") -> dict[str, Any]:
        fields = call.body.model_dump()
        if "client_id" in fields:
            raise ValidationError("client_id is given by the server", field="client_id")
        return _registered(self._oauth.clients.register(**fields))

    def change(self, call: "Call") -> dict[str, Any]:
        fields = call.body.model_dump()
        fields.pop("client_id", None)
        return _client(self._oauth.clients.update(call.path["client"], **fields))

    def rotate(self, call: "Call") -> dict[str, Any]:
        overlap = timedelta(hours=call.body.overlap_hours)
        return _registered(self._oauth.clients.rotate_secret(call.path["client"], overlap=overlap))

    def grants(self, call: "Call") -> list[dict[str, Any]]:
        found = self._oauth.grants.list(call.query.subject)
        return [GrantedModel.model_validate(one, from_attributes=True).model_dump(mode="json") for one in found]


def endpoints(platform: "Platform") -> "Sequence[Endpoint]":
    """The routes below /api/v1."""
    from functools import partial

    from brickwork.web.endpoint import SIGNED_IN, Endpoint

    oauth, desk = platform.oauth, Desk(platform.oauth)
    route = partial(Endpoint, tag=TAG)
    clients, client = "/oauth/clients", "/oauth/clients/{client}"
    read, write = "oauth.clients.read", "oauth.clients.write"
    return [
        route(method="GET", path=clients, handler=desk.clients, permission=read, returns=list[ClientModel],
              summary="Applications that may ask for tokens"),
        route(method="POST", path=clients, handler=desk.register, permission=write, body=ClientBody, returns=ClientModel,
              status=201, summary="Register an application"),
        route(method="GET", path=client, handler=lambda call: _client(oauth.clients.get(call.path["client"])), permission=read,
              returns=ClientModel, summary="An application"),
        route(method="PUT", path=client, handler=desk.change, permission=write, body=ClientBody, returns=ClientModel,
              summary="Change an application"),
        route(method="POST", path=client + "/secret", handler=desk.rotate, permission=write, body=OverlapBody,
              returns=ClientModel, status=201, summary="A new secret in place of an old one"),
        route(method="DELETE", path=client, handler=lambda call: oauth.clients.remove(call.path["client"]), permission=write,
              status=204, summary="Remove an application; its tokens count no more"),
        route(method="POST", path="/oauth/keys/rotate", handler=lambda call: list(oauth.keys.rotate()),
              permission="oauth.keys.write", returns=list[str], summary="Sign tokens with new keys"),
        route(method="GET", path="/oauth/grants", handler=desk.grants, permission=SIGNED_IN, query=SubjectQuery,
              returns=list[GrantedModel], summary="What people have allowed applications"),
        route(method="DELETE", path="/oauth/grants/{id}", handler=lambda call: oauth.grants.revoke(call.path["id"]),
              permission=SIGNED_IN, status=204, summary="Take back what an application was allowed"),
    ]  # fmt: skip


def _client(client: Client) -> dict[str, Any]:
    return ClientModel.model_validate(client, from_attributes=True).model_dump(mode="json")


def _registered(made: Registered) -> dict[str, Any]:
    return {**_client(made.client), "client_secret": made.secret}
