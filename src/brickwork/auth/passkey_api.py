"""The routes for passkeys: a caller's own, and signing in with one."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from brickwork.auth.account import TAG, Account, SessionModel, signed_in
from brickwork.auth.credentials import check_origin

if TYPE_CHECKING:
    from brickwork.auth.service import Auth
    from brickwork.kernel.platform import Platform
    from brickwork.web.endpoint import Call, Endpoint


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PasskeyModel(BaseModel):
    """A passkey of the caller's."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    synced: bool
    transports: list[str]
    created_at: datetime
    used_at: datetime | None


class NameBody(_Model):
    name: str = Field(max_length=100)


class NewPasskeyBody(NameBody):
    """`response` is what `navigator.credentials.create()` gave, by its `toJSON()`."""

    response: dict[str, Any]


class PasskeySignInBody(_Model):
    """`response` is what `navigator.credentials.get()` gave, by its `toJSON()`; the rest is as with a password."""

    response: dict[str, Any]
    tenant: str | None = Field(None, max_length=64)
    cookie: bool = False


class Desk:
    """The handlers."""

    def __init__(self, auth: "Auth") -> None:
        self._auth = auth
        self._account = Account(auth)

    def begin_registration(self, call: "Call") -> dict[str, Any]:
        return self._auth.passkeys.begin_registration(self._account.recent(call).user_id)

    def register(self, call: "Call") -> dict[str, Any]:
        body: NewPasskeyBody = call.body
        user = self._account.own(call).user_id  # the challenge was given to who had signed in recently
        return _dump(self._auth.passkeys.finish_registration(user, body.response, name=body.name))

    def list(self, call: "Call") -> list[dict[str, Any]]:
        return [_dump(one) for one in self._auth.passkeys.list(self._account.own(call).user_id)]

    def rename(self, call: "Call") -> None:
        self._auth.passkeys.rename(self._account.own(call).user_id, call.path["id"], call.body.name)

    def remove(self, call: "Call") -> None:
        session = self._account.recent(call)
        self._auth.passkeys.remove(session.user_id, call.path["id"], session=session.id)

    def begin_sign_in(self, call: "Call") -> dict[str, Any]:
        return self._auth.passkeys.begin_sign_in(address=call.address)

    def sign_in(self, call: "Call") -> Any:
        body: PasskeySignInBody = call.body
        if body.cookie:
            check_origin(call.headers, self._auth.settings.trusted_origins)
        signed = self._auth.passkeys.finish_sign_in(body.response, tenant=body.tenant, address=call.address,
                                                    agent=call.headers.get("user-agent", ""))  # fmt: skip
        return signed_in(self._auth, call, signed, cookie=body.cookie)


def endpoints(platform: "Platform") -> "Sequence[Endpoint]":
    """The routes below /api/v1."""
    from functools import partial

    from brickwork.web.endpoint import PUBLIC, SIGNED_IN, Endpoint

    desk, path = Desk(platform.auth), "/auth/passkeys"
    own = partial(Endpoint, tag=TAG, permission=SIGNED_IN)
    public = partial(Endpoint, tag=TAG, permission=PUBLIC)
    return [
        own(method="GET", path=path, handler=desk.list, summary="The caller's passkeys", returns=list[PasskeyModel]),
        own(method="POST", path=path + "/registration", handler=desk.begin_registration, returns=dict[str, Any],
            secret=True, summary="Begin to add a passkey; returns what the browser asks its device", errors=(409, 501)),
        own(method="POST", path=path, handler=desk.register, body=NewPasskeyBody, returns=PasskeyModel, status=201,
            summary="Add the passkey that the device made", errors=(409, 501)),
        own(method="PATCH", path=path + "/{id}", handler=desk.rename, body=NameBody, status=204, summary="Name a passkey"),
        own(method="DELETE", path=path + "/{id}", handler=desk.remove, status=204, summary="Remove a passkey", errors=(409,)),
        public(method="POST", path=path + "/challenge", handler=desk.begin_sign_in, returns=dict[str, Any],
               summary="Begin to sign in with a passkey; returns what the browser asks its device", errors=(429, 501)),
        public(method="POST", path=path + "/session", handler=desk.sign_in, body=PasskeySignInBody, returns=SessionModel,
               secret=True, status=201, summary="Sign in with a passkey", errors=(429, 501)),
    ]  # fmt: skip


def _dump(passkey: object) -> dict[str, Any]:
    return PasskeyModel.model_validate(passkey).model_dump(mode="json")
