"""What a request shows of its caller: a session in a cookie, or a session's token or an API key as a bearer token (RFC 6750)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import attrs

from brickwork.auth.access import Subject, SubjectAccess
from brickwork.auth.sessions import Kept
from brickwork.errors import PermissionDeniedError, UnauthenticatedError
from brickwork.kernel.access import Access, Relations
from brickwork.kernel.context import Context

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import Any

    from brickwork.auth.service import Auth

COOKIE = "brickwork_session"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


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
    """Who calls. `session` and `token` are there where a session was shown."""

    actor: str
    tenant: str | None
    access: Access
    roles: frozenset[str] = frozenset()
    session: Kept | None = None
    token: str | None = None

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
    cookie = _cookie(headers.get("cookie", ""))
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
        return Identity(key.subject, tenant, narrowed, frozenset(access.subject.roles))
    if token.startswith("bws_"):
        return _session(auth, token)
    for recognise in auth.recognisers:
        identity = recognise(token, headers)
        if identity is not None:
            return identity
    raise UnauthenticatedError("the token is not one of ours")


def _session(auth: "Auth", token: str) -> Identity:
    session = auth.sessions.find(token)
    actor = session.actor if session.impersonator is None else f"{session.actor} via {session.impersonator}"
    if session.tenant is None:
        return Identity(actor, None, Nobody(session.actor, auth.now), session=session, token=token)
    access = auth.policies.access(session.tenant, session.actor)
    return Identity(actor, session.tenant, access, frozenset(access.subject.roles), session, token)


def _cookie(header: str) -> str | None:
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE and value:
            return value
    return None


def check_origin(headers: Mapping[str, str], trusted: list[str]) -> None:
    """Browsers say from where a request comes; what doesn't come from this site's own pages has no business with its cookie
    (OWASP, Cross-Site Request Forgery Prevention: verifying origin with standard headers)."""
    origin = headers.get("origin")
    if origin is not None:
        if origin in trusted or (origin != "null" and urlsplit(origin).netloc.lower() == headers.get("host", "").lower()):
            return
    elif headers.get("sec-fetch-site") == "same-origin":
        return
    raise PermissionDeniedError(
        "the cookie counts for this site's own pages only; send the session's token as a bearer token, or add the origin to "
        "auth.trusted_origins",
        permission="origin",
    )
