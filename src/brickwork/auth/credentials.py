"""What a request shows of its caller: a session in a cookie, or a session's token or an API key as a bearer token (RFC 6750)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from brickwork.auth.access import Subject, SubjectAccess
from brickwork.auth.sessions import VIA, Kept
from brickwork.errors import PermissionDeniedError, UnauthenticatedError
from brickwork.kernel.access import Access, Relations
from brickwork.kernel.context import Context

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import Any

    from brickwork.auth.service import Auth
    from brickwork.auth.settings import AuthSettings

#: The session's cookie, which over HTTPS has a prefix: no page of a neighbouring host can set it then, nor plain HTTP (RFC
#: 6265bis, 4.1.3.2), so that nobody is made to work in a session that was begun for them.
PREFIX = "__Host-"
COOKIE, SECURE_COOKIE = "brickwork_session", f"{PREFIX}brickwork_session"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Nobody(SubjectAccess):
    """The access of a caller who has shown nothing, or works in no tenant yet."""

    def __init__(self, subject: str, now: "Callable[[], datetime]") -> None:
        super().__init__("", Subject(subject), [], now)

    def require(
        self, permission: str, resource: "Mapping[str, Any] | None" = None, relations: Relations | None = None, *,
        written: bool = False,
    ) -> None:  # fmt: skip
        raise UnauthenticatedError("sign in, or show an API key as a bearer token")


@attrs.frozen
class Identity:
    """Who calls. `session` and `token` are there where a session was shown, `key` is the id of an API key, `scopes` are those of
    an access token."""

    actor: str
    tenant: str | None
    access: Access
    roles: frozenset[str] = frozenset()
    session: Kept | None = None
    token: str | None = None
    key: str = ""
    scopes: frozenset[str] = frozenset()

    def context(self, correlation_id: str, locale: str) -> Context:
        """The context in which the call is served."""
        return Context(self.tenant, self.actor, correlation_id, locale, self.roles, access=self.access)


def identify(auth: "Auth", headers: Mapping[str, str], method: str) -> Identity | None:
    """Who calls; None where nothing was shown. Raises `UnauthenticatedError` for what is not good, and `PermissionDeniedError`
    where another site's page uses the cookie."""
    shown = headers.get("authorization")
    if shown is not None:
        scheme, _, token = shown.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise UnauthenticatedError("Authorization takes a bearer token (RFC 6750)")
        return _bearer(auth, token.strip(), headers)
    cookie = read_cookie(headers, cookie_name(auth.settings, headers))
    if cookie is None:
        return None
    if method not in SAFE:
        check_origin(headers, auth.settings.trusted_origins)
    return _session(auth, cookie)


def _bearer(auth: "Auth", token: str, headers: Mapping[str, str]) -> Identity:
    if token.startswith("bwk_"):
        tenant, key = auth.keys.find(token)
        access = auth.policies.access(tenant, key.subject)
        narrowed = access if key.scopes is None else access.narrowed(key.scopes)
        return Identity(key.subject, tenant, narrowed, frozenset(access.subject.roles), key=str(key.id))
    if token.startswith("bws_"):
        return _session(auth, token)
    for recognise in auth.recognisers:
        identity = recognise(token, headers)
        if identity is not None:
            return identity
    raise UnauthenticatedError("the token is not one of ours")


def _session(auth: "Auth", token: str) -> Identity:
    session = auth.sessions.find(token)
    if session.tenant is None:
        return Identity(session.actor, None, Nobody(session.actor, auth.now), session=session, token=token)
    access = auth.policies.access(session.tenant, session.actor)
    if session.impersonator is None:
        return Identity(session.actor, session.tenant, access, frozenset(access.subject.roles), session, token)
    _check_impersonator(auth, session.tenant, session.impersonator)
    actor = f"{session.actor}{VIA}{session.impersonator}"
    return Identity(actor, session.tenant, access, frozenset(access.subject.roles), session, token)


def _check_impersonator(auth: "Auth", tenant: str, impersonator: str) -> None:
    """An impersonation ends with the right to it. Names that are no subjects are those of the product's own code."""
    is_subject = impersonator.startswith(("user:", "service:"))
    if is_subject and not auth.policies.access(tenant, impersonator).holds("auth.members.impersonate"):
        raise UnauthenticatedError("the impersonation is over")


def cookie_name(settings: "AuthSettings", headers: Mapping[str, str]) -> str:
    """The name of the session's cookie for a request with these headers."""
    secure = settings.cookie_secure
    if secure is None:
        host = headers.get("host", "")
        secure = (host if host.endswith("]") else host.rpartition(":")[0] or host) not in LOOPBACK
    return SECURE_COOKIE if secure else COOKIE


def session_cookie(settings: "AuthSettings", headers: Mapping[str, str], token: str, seconds: int) -> str:
    """The Set-Cookie header that keeps a session's token in the browser for `seconds`; 0 takes it away."""
    return set_cookie(cookie_name(settings, headers), token, seconds)


def set_cookie(name: str, value: str, seconds: int) -> str:
    """A Set-Cookie header for the whole site that scripts can't read, and that doesn't come where another site's page asks,
    except when it leads here. One with the prefix goes over HTTPS only."""
    return f"{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{'; Secure' if name.startswith(PREFIX) else ''}"


def own_session(auth: "Auth", headers: Mapping[str, str]) -> Kept:
    """The caller's session. A key, which may be a narrow one, has no business with the account, nor has an impersonator."""
    identity = auth.identify(headers)
    if identity is None or identity.session is None:
        raise PermissionDeniedError("a session is needed for this, not a key", permission="session")
    if identity.session.impersonator is not None:
        raise PermissionDeniedError("this is for people's own accounts", permission="account")
    return identity.session


def recent_session(auth: "Auth", headers: Mapping[str, str]) -> Kept:
    """The caller's session, if the caller signed in a short while ago, by means that aren't one tenant's alone: those must not
    be a way to others."""
    session = own_session(auth, headers)
    if session.confined:
        raise PermissionDeniedError("this session is one of a tenant's own sign-in; sign in by other means", permission="account")
    auth.sessions.check_recent(session)
    return session


def read_cookie(headers: Mapping[str, str], wanted: str) -> str | None:
    """The value of a request's cookie; None where it is empty or absent."""
    for part in headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == wanted and value:
            return value
    return None


def check_origin(headers: Mapping[str, str], trusted: list[str]) -> None:
    """Browsers say from where a request comes; what doesn't come from this site's own pages has no business with its cookie
    (OWASP, Cross-Site Request Forgery Prevention: verifying origin with standard headers)."""
    origin = headers.get("origin")
    if origin is not None:
        if origin in trusted or origin.partition("://")[2].lower() == headers.get("host", "").lower() != "":
            return
    elif headers.get("sec-fetch-site") == "same-origin":
        return
    raise PermissionDeniedError(
        "the cookie counts for this site's own pages only; send the session's token as a bearer token, or add the origin to "
        "auth.trusted_origins",
        permission="origin",
    )
