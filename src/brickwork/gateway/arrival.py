"""A request as it came in: checked for what two servers could read differently, and where it comes from.

The server under the gateway has parsed it already; the checks here hold with any ASGI server.
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any
from urllib.parse import parse_qsl

from brickwork.errors import MalformedRequestError
from brickwork.gateway.definition_policies import Network
from brickwork.kernel.ids import uuid7

Headers = list[tuple[bytes, bytes]]
#: Target of a request line as RFC 9112, 3.2.1 has it: no space, no control character, nothing beyond ASCII.
_TARGET = re.compile(rb"/[\x21-\x7e]*\Z")
_HOST = re.compile(r"(?:[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?\Z")
_SLASHES = re.compile(r"/{2,}")
_DIGITS = re.compile(rb"\d{1,15}\Z")
_CORRELATION = re.compile(rb"[\x21-\x7e]{1,128}\Z")
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}\Z")
_ELEMENT = re.compile(r'(?:^|[;,])\s*(for|proto|host)\s*=\s*("[^"]*"|[^;,\s]*)', re.IGNORECASE)


class Arrival:
    """One request. `path` is what routes are matched with; `target` is what was asked for, as it was written."""

    __slots__ = (
        "address", "chunked", "forwarded", "found", "headers", "host", "length", "method", "path", "peer", "proto", "query",
        "target", "websocket",
    )  # fmt: skip

    def __init__(self, scope: Any, trusted: Sequence[Network]) -> None:
        self.websocket: bool = scope["type"] == "websocket"
        self.method: str = scope.get("method", "GET")
        self.headers: Headers = scope["headers"]
        self.found: dict[bytes, bytes] = dict(reversed(self.headers))
        self.target: bytes = scope.get("raw_path") or scope["path"].encode()
        self.query: bytes = scope["query_string"]
        if not _TARGET.match(self.target) or (self.query and not _TARGET.match(b"/" + self.query)):
            raise MalformedRequestError(
                "the path or query of the request has characters that must be percent-encoded (RFC 9112, 3.2)"
            )
        self.path = _routable(scope["path"], self.target)
        self.length, self.chunked = self._framing()
        self.peer: str = scope["client"][0] if scope.get("client") else ""
        scheme: str = scope["scheme"]
        self.address, self.proto, self.host = self.peer, _HTTP.get(scheme, scheme), self.one(b"host").lower()
        #: Whether what a proxy said of the client was taken.
        self.forwarded = bool(trusted) and address_within(self.peer, trusted)
        if self.forwarded:
            self._forwarded(trusted)
        if not _HOST.match(self.host):
            raise MalformedRequestError("the request needs one Host that is a name or an address (RFC 9112, 3.2)")

    @property
    def hostname(self) -> str:
        """The host without its port."""
        name, colon, port = self.host.rpartition(":")
        return name if colon and port.isdigit() else self.host

    def one(self, name: bytes) -> str:
        """The value of a header that comes once, or "" without it; raises `MalformedRequestError` where it comes twice."""
        value = self.found.get(name)
        if value is None:
            return ""
        if len(self.headers) != len(self.found) and sum(key == name for key, _ in self.headers) > 1:
            raise MalformedRequestError(f"the request has {name.decode('latin-1')} more than once")
        return value.decode("latin-1").strip()

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        value = self.found.get(name.lower().encode())
        return None if value is None else value.decode("latin-1")

    def cookie(self, name: str) -> str | None:
        """The value of a cookie."""
        for part in (self.header("cookie") or "").split(";"):
            key, _, value = part.strip().partition("=")
            if key == name:
                return value
        return None

    def parameters(self) -> list[tuple[str, str]]:
        """The pairs of the query string; raises `MalformedRequestError`."""
        try:
            return parse_qsl(self.query.decode(), keep_blank_values=True, errors="strict", max_num_fields=1000)
        except ValueError:
            raise MalformedRequestError("the query string can't be read: it takes percent-encoded UTF-8 pairs") from None

    def correlation_id(self, header: bytes) -> str:
        """The given one, where it is printable and short; else that of the trace (W3C traceparent), or a new one."""
        given = self.found.get(header)
        if given is not None and _CORRELATION.match(given):
            return given.decode()
        trace = _TRACEPARENT.match(self.found.get(b"traceparent", b""))
        return trace[1].decode() if trace else str(uuid7())

    # -- reading ---------------------------------------------------------------------------------------------------------

    def _framing(self) -> tuple[int | None, bool]:
        """Length and chunked coding of the body. Where both are there, or lengths differ, two servers could see two different
        requests (RFC 9112, 6.1 and 11.2: request smuggling)."""
        length, coding = self.found.get(b"content-length"), self.found.get(b"transfer-encoding")
        if coding is not None:
            if length is not None or self.one(b"transfer-encoding").lower() != "chunked":
                raise MalformedRequestError(
                    "the request has Transfer-Encoding beside Content-Length, or one that is not just chunked"
                )
            return None, True
        if length is None:
            return None, False
        self.one(b"content-length")
        if not _DIGITS.match(length):
            raise MalformedRequestError("Content-Length is no number")
        return int(length), False

    def _forwarded(self, trusted: Sequence[Network]) -> None:
        """Who the client is, by what trusted proxies say: the last address that is not one of theirs (RFC 7239, 5.2 and 7.4)."""
        said = self.header("forwarded")
        if said is not None:
            elements = [(key.lower(), value.strip('"')) for key, value in _ELEMENT.findall(said)]
            chain = [value for key, value in elements if key == "for"]
            proto, host = (next((value for key, value in reversed(elements) if key == k), None) for k in ("proto", "host"))
        else:
            joined = b",".join(value for key, value in self.headers if key == b"x-forwarded-for").decode("latin-1")
            chain = [one.strip() for one in joined.split(",")] if joined else []
            proto, host = self.header("x-forwarded-proto"), self.header("x-forwarded-host")
        for one in reversed(chain):
            address = _address(one)
            if address is None:
                break
            self.address = str(address)
            if not address_within(self.address, trusted):
                break
        if proto is not None and proto.lower() in ("http", "https"):
            self.proto = proto.lower()
        if host is not None:
            self.host = host.lower()


_HTTP = {"ws": "http", "wss": "https"}


def _routable(path: str, target: bytes) -> str:
    """The decoded path, with runs of slashes as one. What an upstream would resolve in its own way is refused, for it could reach
    with one route's policies what another guards: dot segments, encoded slashes, backslashes (RFC 3986, 5.2.4; 6.2.2)."""
    if "//" in path:
        path = _SLASHES.sub("/", path)
    if "/." in path and not {".", ".."}.isdisjoint(path.split("/")):
        raise MalformedRequestError("the path has dot segments; send it resolved")
    if "\\" in path or "\x00" in path or (b"%" in target and b"%2f" in target.lower()):
        raise MalformedRequestError("the path has a backslash, an encoded slash or NUL")
    return path


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """The address in a Forwarded or X-Forwarded-For element, without its port."""
    bare = text.strip().strip('"')
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        return ip_address(bare)
    except ValueError:
        return None


def address_within(address: str, networks: Sequence[Network]) -> bool:
    """Whether the address is in one of the networks; what is no address is in none."""
    parsed = _address(address)
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return parsed is not None and any(parsed in network for network in networks)
