"""The routes for a caller's own account: signing in and out, sessions, password, second factor, invitations."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from brickwork.auth.credentials import Identity, check_origin, own_session, recent_session, session_cookie
from brickwork.auth.sessions import Kept, SignIn
from brickwork.errors import NotFoundError, PermissionDeniedError
from brickwork.kernel.ids import parse_id

if TYPE_CHECKING:
    from brickwork.auth.service import Auth
    from brickwork.auth.users import User
    from brickwork.kernel.platform import Platform
    from brickwork.web.endpoint import Call, Endpoint

TAG = "auth"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SignInBody(_Model):
    """`code` is of the second factor, or a recovery code. With `cookie` the token comes as a cookie that scripts can't read."""

    email: str = Field(max_length=320)
    password: str = Field(max_length=256)
    code: str | None = Field(None, max_length=40)
    tenant: str | None = Field(None, max_length=64)
    cookie: bool = False


class UserModel(BaseModel):
    """A person."""

    id: UUID
    email: str
    name: str
    verified: bool
    second_factor: bool


class SessionModel(BaseModel):
    """A new session; `token` is null where it came as a cookie."""

    token: str | None
    tenant: str | None
    tenants: list[str]
    expires_at: datetime
    user: UserModel


class PersonModel(BaseModel):
    """A person, as a session, key or access token may know them. The address is for sessions, and for access tokens with the
    scope `email` (OpenID Connect Core, 5.4)."""

    id: UUID
    email: str | None
    name: str
    verified: bool
    second_factor: bool


class CallerModel(BaseModel):
    """Who is calling."""

    actor: str
    tenant: str | None
    roles: list[str]
    user: PersonModel | None


class ListedSession(BaseModel):
    """A session of the caller's."""

    id: UUID
    tenant: str | None
    agent: str
    address: str
    impersonator: str | None
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


class TenantBody(_Model):
    tenant: str = Field(max_length=64)


class PasswordBody(_Model):
    old: str = Field(max_length=256)
    new: str = Field(max_length=256)


class AddressBody(_Model):
    email: str = Field(max_length=320)


class TokenBody(_Model):
    token: str = Field(max_length=200)


class ResetBody(TokenBody):
    password: str = Field(max_length=256)


class AcceptBody(TokenBody):
    """`name` and `password` make an account; who has one gives its password, or is signed in."""

    name: str = Field("", max_length=200)
    password: str | None = Field(None, max_length=256)


class CodeBody(_Model):
    code: str = Field(max_length=40)


class CheckBody(_Model):
    """Permissions that a page wants to know about."""

    permissions: list[str] = Field(max_length=200)


class Account:
    """The handlers."""

    def __init__(self, auth: "Auth") -> None:
        self._auth = auth

    def sign_in(self, call: "Call") -> Any:
        body: SignInBody = call.body
        if body.cookie:
            check_origin(call.headers, self._auth.settings.trusted_origins)
        signed = self._auth.sessions.sign_in(body.email, body.password, code=body.code, tenant=body.tenant,
                                             address=call.address, agent=call.headers.get("user-agent", ""))  # fmt: skip
        return signed_in(self._auth, call, signed, cookie=body.cookie)

    def choose(self, call: "Call") -> Any:
        identity = self._identity(call)
        signed = self._auth.sessions.choose(identity.token or "", call.body.tenant)
        return signed_in(self._auth, call, signed, cookie="authorization" not in call.headers)

    def sign_out(self, call: "Call") -> Any:
        from brickwork.web.endpoint import Reply

        self._auth.sessions.end(self._identity(call).token or "")
        return Reply(status=204, headers={"set-cookie": session_cookie(self._auth.settings, call.headers, "", 0)})

    def who(self, call: "Call") -> dict[str, Any]:
        context = self._auth.current
        subject = context.actor.partition(" via ")[0]
        user = _user(self._auth.users.get(subject)) if subject.startswith("user:") else None
        identity = self._auth.identify(call.headers)
        if user is not None and (identity is None or (identity.session is None and "email" not in identity.scopes)):
            user["email"] = None
        return {
            "actor": context.actor,
            "tenant": context.tenant,
            "roles": sorted(context.roles),
            "user": user,
        }

    def sessions(self, call: "Call") -> list[dict[str, Any]]:
        found = self._auth.sessions.list(self.own(call).user_id)
        return [ListedSession.model_validate(one, from_attributes=True).model_dump(mode="json") for one in found]

    def revoke(self, call: "Call") -> None:
        id = parse_id(call.path["id"])
        if id is None:
            raise NotFoundError("there is no such session")
        self._auth.sessions.revoke(self.own(call).user_id, id)

    def change_password(self, call: "Call") -> None:
        self._auth.users.change_password(self.own(call).user_id, call.body.old, call.body.new)

    def remove_password(self, call: "Call") -> None:
        session = self.recent(call)
        self._auth.users.remove_password(session.user_id, session=session.id)

    def request_reset(self, call: "Call") -> None:
        self._auth.users.request_reset(call.body.email, address=call.address)

    def request_verification(self, call: "Call") -> None:
        user = self.own(call).user_id
        self._auth.throttle.attempt(f"verify:{user}")
        self._auth.users.request_verification(user)

    def reset_password(self, call: "Call") -> None:
        self._auth.users.reset_password(call.body.token, call.body.password)

    def verify_email(self, call: "Call") -> None:
        self._auth.users.verify_email(call.body.token)

    def enrol(self, call: "Call") -> dict[str, str]:
        made = self._auth.users.enrol_totp(self.recent(call).user_id)
        return {"secret": made.secret, "link": made.link}

    def confirm(self, call: "Call") -> dict[str, list[str]]:
        session = self.recent(call)
        return {"recovery_codes": self._auth.users.confirm_totp(session.user_id, call.body.code, session=session.id)}

    def recovery_codes(self, call: "Call") -> dict[str, list[str]]:
        return {"recovery_codes": self._auth.users.new_recovery_codes(self.recent(call).user_id)}

    def remove_totp(self, call: "Call") -> None:
        session = self.recent(call)
        self._auth.users.remove_totp(session.user_id, session=session.id)

    def accept(self, call: "Call") -> dict[str, Any]:
        body: AcceptBody = call.body
        user = None if body.password is not None else self._signed_in(call)
        return _user(self._auth.members.accept(body.token, name=body.name, password=body.password, user=user))

    def check(self, call: "Call") -> dict[str, bool]:
        access = self._auth.current.access
        assert access is not None
        return {name: access.holds(name) for name in call.body.permissions}

    # -- inside --------------------------------------------------------------------------------------------------------

    def own(self, call: "Call") -> Kept:
        """As `own_session`."""
        return own_session(self._auth, call.headers)

    def recent(self, call: "Call") -> Kept:
        """As `recent_session`."""
        return recent_session(self._auth, call.headers)

    def _identity(self, call: "Call") -> Identity:
        identity = self._auth.identify(call.headers)
        if identity is None or identity.session is None:
            raise PermissionDeniedError("a session is needed for this, not a key", permission="session")
        return identity

    def _signed_in(self, call: "Call") -> UUID | None:
        identity = self._auth.identify(call.headers, "POST")
        session = identity.session if identity is not None else None
        return session.user_id if session is not None and session.impersonator is None else None


def signed_in(auth: "Auth", call: "Call", signed: SignIn, *, cookie: bool) -> Any:
    """The answer that gives a new session away."""
    from brickwork.web.endpoint import Reply

    data = {
        "token": None if cookie else signed.token,
        "tenant": signed.tenant,
        "tenants": list(signed.tenants),
        "expires_at": signed.expires_at,
        "user": _user(signed.user),
    }
    seconds = int((signed.expires_at - auth.now()).total_seconds())
    headers = {"set-cookie": session_cookie(auth.settings, call.headers, signed.token, seconds)} if cookie else {}
    return Reply(data, 201, headers=headers)


def endpoints(platform: "Platform") -> "Sequence[Endpoint]":
    """The routes below /api/v1."""
    from functools import partial

    from brickwork.web.endpoint import PUBLIC, SIGNED_IN, Endpoint

    account = Account(platform.auth)
    own = partial(Endpoint, tag=TAG, permission=SIGNED_IN)
    public = partial(Endpoint, tag=TAG, permission=PUBLIC)
    session = "/auth/session"
    return [
        public(method="POST", path=session, handler=account.sign_in, summary="Sign in", body=SignInBody, returns=SessionModel,
               secret=True, status=201, errors=(401, 429)),
        own(method="GET", path=session, handler=account.who, summary="Who is calling", returns=CallerModel),
        own(method="DELETE", path=session, handler=account.sign_out, summary="Sign out", status=204),
        own(method="POST", path=session + "/tenant", handler=account.choose, summary="Work in another tenant", body=TenantBody,
            returns=SessionModel, secret=True, status=201),
        own(method="GET", path="/auth/sessions", handler=account.sessions, summary="The caller's sessions",
            returns=list[ListedSession]),
        own(method="DELETE", path="/auth/sessions/{id}", handler=account.revoke, summary="End one of the caller's sessions",
            status=204),
        own(method="POST", path="/auth/password", handler=account.change_password, summary="Change the caller's password",
            body=PasswordBody, status=204, errors=(429,)),
        own(method="DELETE", path="/auth/password", handler=account.remove_password, status=204, errors=(409,),
            summary="Sign in by other means only"),
        public(method="POST", path="/auth/password/reset-request", handler=account.request_reset, body=AddressBody, status=204,
               summary="Have a link to reset a password sent", errors=(429,)),
        public(method="POST", path="/auth/password/reset", handler=account.reset_password, body=ResetBody, status=204,
               summary="Set a new password with a token that was sent"),
        own(method="POST", path="/auth/email/verification-request", handler=account.request_verification, status=204,
            summary="Have a link sent that verifies the caller's address", errors=(429,)),
        public(method="POST", path="/auth/email/verify", handler=account.verify_email, body=TokenBody, status=204,
               summary="Verify an address with a token that was sent"),
        own(method="POST", path="/auth/totp", handler=account.enrol, summary="Begin with an authenticator app",
            returns=dict[str, str], secret=True),
        own(method="POST", path="/auth/totp/confirm", handler=account.confirm, body=CodeBody, returns=dict[str, list[str]],
            summary="Have codes asked for; returns recovery codes", secret=True, errors=(429,)),
        own(method="POST", path="/auth/totp/recovery-codes", handler=account.recovery_codes, returns=dict[str, list[str]],
            secret=True, summary="Recovery codes in place of those that are left"),
        own(method="DELETE", path="/auth/totp", handler=account.remove_totp, status=204, summary="Have no codes asked for"),
        public(method="POST", path="/auth/invitations/accept", handler=account.accept, summary="Join a tenant", body=AcceptBody,
               returns=UserModel, status=201, errors=(429,)),
        own(method="POST", path="/auth/check", handler=account.check, summary="Which permissions the caller holds",
            body=CheckBody, returns=dict[str, bool]),
    ]  # fmt: skip


def _user(user: "User") -> dict[str, Any]:
    return UserModel.model_validate(user, from_attributes=True).model_dump(mode="json")
