"""Addresses to which browsers are sent back: which a client may register, and which of them a request means."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

_PLAIN = re.compile(r"[\x21-\x7e]{1,2000}\Z")
_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|\[::1\])(:\d{1,5})?((?:/[^\s#]*)?)\Z")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*\Z")
_NETLOC = re.compile(r"([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?\Z")
_PRIVATE = re.compile(r"[a-z][a-z0-9+-]*(\.[a-z0-9+-]+)+\Z")


def check_redirect(uri: str) -> str:
    """`uri`, if a client may be sent there: HTTPS, HTTP on a loopback address, or an app's own scheme that is a domain turned
    round (RFC 8252, 7). Raises `ValueError`."""
    if not _PLAIN.match(uri) or any(c in uri for c in '\\"<>`{}|^*') or "#" in uri:
        raise ValueError(f"{uri[:100]!r} is no redirect URI: an absolute one without fragment, wildcard or spaces is wanted")
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"{uri[:100]!r} is no address") from None
    if "@" in parts.netloc or any(segment in (".", "..") for segment in parts.path.split("/")):
        raise ValueError(f"{uri[:100]!r} holds a user name or a way upwards")
    if parts.netloc and not _NETLOC.match(parts.netloc):
        raise ValueError(f"{uri[:100]!r} has no host name that could be one")
    if parts.scheme == "https" and host:
        return uri
    if parts.scheme == "http" and host in ("127.0.0.1", "::1", "localhost"):
        return uri
    if _PRIVATE.match(parts.scheme) and not parts.netloc:
        return uri
    raise ValueError(
        f"{uri[:100]!r} can't be a redirect URI; it takes https://…, http://127.0.0.1/… or an app's own scheme such as "
        "org.example.app:/…"
    )


def is_registered(uri: str, registered: Iterable[str]) -> bool:
    """Whether `uri` is one of those, character for character (RFC 9700, 2.1); the port of a loopback address is free, since an
    app listens where it can (RFC 8252, 7.3)."""
    wanted = _LOOPBACK.match(uri)
    for known in registered:
        if uri == known:
            return True
        loopback = _LOOPBACK.match(known)
        if wanted and loopback and wanted[1] == loopback[1] and wanted[3] == loopback[3]:
            return True
    return False


def is_claimed(uri: str) -> bool:
    """Whether only the client can be at an address: anybody's app may listen on a loopback port or take a scheme."""
    return uri.startswith("https://")


def is_target(text: str) -> bool:
    """Whether it can stand in a page's policy as it is."""
    scheme, _, rest = text.partition(":")
    return bool(_SCHEME.match(scheme)) and (not rest or (rest.startswith("//") and bool(_NETLOC.match(rest[2:]))))


def form_target(uri: str) -> str:
    """What a page's Content-Security-Policy must admit so that a form may end at the address."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"
