"""Scopes: those of OpenID Connect, and permission patterns such as "entities.*.read" that narrow what a token's bearer may do."""

import re
from collections.abc import Iterable, Sequence

from brickwork.auth.policy import _PATTERN, covers

#: What OpenID Connect's scopes tell, as a consent page says it.
IDENTITY = {
    "openid": "Know who you are",
    "profile": "See your name",
    "email": "See your e-mail address",
    "offline_access": "Keep access while you are away",
}
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,200}\Z")
#: Scopes of one request.
MOST = 100


def split(text: str | None) -> list[str]:
    """The scopes in a request's `scope`, each once."""
    return list(dict.fromkeys((text or "").split()))


def is_scope(text: str) -> bool:
    """Whether it can be a scope here (RFC 6749, 3.3; then what we know)."""
    return bool(_SCOPE.match(text)) and (text in IDENTITY or bool(_PATTERN.match(text)))


def within(wanted: Iterable[str], allowed: Sequence[str]) -> bool:
    """Whether each of `wanted` is allowed: it is listed, or a listed pattern stands for it."""
    return all(
        one in allowed or (one not in IDENTITY and any(p not in IDENTITY and covers(p, one) for p in allowed)) for one in wanted
    )


def permissions(scopes: Iterable[str]) -> list[str]:
    """Those that are permission patterns."""
    return [one for one in scopes if one not in IDENTITY]
