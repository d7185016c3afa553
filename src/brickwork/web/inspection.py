"""Who may see how the server is doing: its counters and the state of its backends tell strangers too much (OWASP API8:2023)."""

from hmac import compare_digest
from ipaddress import ip_address
from typing import TYPE_CHECKING

from starlette.types import Scope

if TYPE_CHECKING:
    from brickwork.web.settings import WebSettings

#: Say that a proxy has passed the request on, so that its address is not that of whoever asks.
_PASSED_ON = frozenset((b"forwarded", b"x-forwarded-for", b"x-real-ip"))


def may_inspect(scope: Scope, settings: "WebSettings") -> bool:
    """Whether a request comes from this machine itself, or shows `web.metrics_token` as a bearer token (RFC 6750)."""
    return _is_local(scope) or (settings.metrics_token is not None and _shows(scope, settings.metrics_token.get_secret_value()))


def _is_local(scope: Scope) -> bool:
    client = scope.get("client")
    if client is None or not _PASSED_ON.isdisjoint(name for name, _ in scope["headers"]):
        return False
    try:
        address = ip_address(client[0])
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _shows(scope: Scope, token: str) -> bool:
    shown = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    scheme, _, rest = shown.partition(b" ")
    return scheme.lower() == b"bearer" and compare_digest(rest.strip(), token.encode())
