"""Cookies that scripts can't read: the session's, and others that take part in signing in."""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from brickwork.auth.service import Auth
    from brickwork.auth.sessions import SignIn

SESSION = "brickwork_session"
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


def read_cookie(headers: Mapping[str, str], name: str = SESSION) -> str | None:
    """The value of a request's cookie; None where it is empty or absent."""
    for part in headers.get("cookie", "").split(";"):
        key, _, value = part.strip().partition("=")
        if key == name and value:
            return value
    return None


def session_cookie(auth: "Auth", headers: Mapping[str, str], signed: "SignIn | None") -> str:
    """The `Set-Cookie` header that hands a new session over; None takes the cookie away."""
    seconds = int((signed.expires_at - auth.now()).total_seconds()) if signed is not None else 0
    return set_cookie(SESSION, signed.token if signed is not None else "", seconds, secure=is_secure(auth, headers))


def set_cookie(name: str, value: str, seconds: int, *, secure: bool) -> str:
    """A `Set-Cookie` header for the whole site, not sent where another site's page asks, except when it leads here."""
    return f"{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"


def is_secure(auth: "Auth", headers: Mapping[str, str]) -> bool:
    """Whether cookies go over HTTPS only: as `auth.cookie_secure` says, or everywhere but on a loopback address."""
    said = auth.settings.cookie_secure
    return said if said is not None else urlsplit("//" + headers.get("host", "")).hostname not in _HERE
