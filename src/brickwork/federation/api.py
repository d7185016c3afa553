"""The JSON routes: which providers there are, and a caller's own identities. Sign-ins themselves are in `asgi`, for browsers."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from brickwork.auth.credentials import own_session, recent_session
from brickwork.errors import NotFoundError
from brickwork.kernel.ids import parse_id

if TYPE_CHECKING:
    from brickwork.federation.service import Federation
    from brickwork.kernel.platform import Platform
    from brickwork.web.endpoint import Call, Endpoint

TAG = "federation"


class ProvidersQuery(BaseModel):
    """The tenant that somebody wants to sign in to."""

    model_config = ConfigDict(extra="forbid")

    tenant: str | None = Field(None, max_length=64)


class ProviderModel(BaseModel):
    """A provider; the browser goes to `start` to sign in, and a form is posted to `link` to link an identity."""

    name: str
    title: str
    start: str
    link: str


class IdentityModel(BaseModel):
    """An account elsewhere by which the caller can sign in."""

    id: UUID
    provider: str
    issuer: str
    subject: str
    email: str | None
    created_at: datetime


class _Handlers:
    def __init__(self, federation: "Federation") -> None:
        self._federation = federation

    def providers(self, call: "Call") -> list[dict[str, Any]]:
        found = self._federation.providers(call.query.tenant)
        places = {one.name: f"/federation/{one.name}" for one in found}
        return [
            {"name": one.name, "title": one.title, "start": f"{places[one.name]}/start", "link": f"{places[one.name]}/link"}
            for one in found
        ]

    def identities(self, call: "Call") -> list[dict[str, Any]]:
        found = self._federation.identities(own_session(self._federation.auth, call.headers).user_id)
        return [IdentityModel.model_validate(one, from_attributes=True).model_dump(mode="json") for one in found]

    def unlink(self, call: "Call") -> None:
        id = parse_id(call.path["id"])
        user = recent_session(self._federation.auth, call.headers).user_id
        if id is None:
            raise NotFoundError("there is no such identity")
        self._federation.unlink(user, id)


def endpoints(platform: "Platform") -> "Sequence[Endpoint]":
    """The routes below /api/v1."""
    from brickwork.web.endpoint import PUBLIC, SIGNED_IN, Endpoint

    handlers = _Handlers(platform.federation)
    return [
        Endpoint(method="GET", path="/federation/providers", handler=handlers.providers, summary="Where one may sign in with",
                 tag=TAG, permission=PUBLIC, query=ProvidersQuery, returns=list[ProviderModel]),
        Endpoint(method="GET", path="/federation/identities", handler=handlers.identities, summary="The caller's identities",
                 tag=TAG, permission=SIGNED_IN, returns=list[IdentityModel]),
        Endpoint(method="DELETE", path="/federation/identities/{id}", handler=handlers.unlink, tag=TAG, permission=SIGNED_IN,
                 summary="Sign in with an identity no more", status=204, errors=(404, 409)),
    ]  # fmt: skip
