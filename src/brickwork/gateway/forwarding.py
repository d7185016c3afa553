"""What of a message's headers goes on: hop-by-hop fields end here, and the next hop is told of this one."""

from collections.abc import Iterable
from email.utils import formatdate
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from time import time

from brickwork.errors import MalformedRequestError
from brickwork.gateway.arrival import Arrival, Headers
from brickwork.gateway.errors import LoopError

#: Fields for one connection only (RFC 9110, 7.6.1). Keep-Alive and Proxy-Connection were never standard, but are sent.
HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"proxy-authenticate", b"proxy-authorization", b"te", b"trailer",
     b"transfer-encoding", b"upgrade")
)  # fmt: skip
#: What the gateway writes itself.
_OWN = frozenset(
    (b"host", b"content-length", b"expect", b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host",
     b"x-forwarded-port", b"x-real-ip", b"x-actor", b"x-tenant", b"via")
)  # fmt: skip
_DROPPED = HOP_BY_HOP | _OWN
VIA = b"brickwork"
#: Gateways through which a request may have come, so that one that leads to itself is noticed (RFC 9110, 7.6.3).
MOST_HOPS = 8


def request_headers(arrival: Arrival) -> Headers:
    """The headers that go on to the upstream, but for Host and the framing of the body."""
    found = arrival.found
    kept = [pair for pair in arrival.headers if pair[0] not in _DROPPED]
    if b"connection" in found:
        named = _named(arrival.headers)
        kept = [pair for pair in kept if pair[0] not in named]
    address, proto, host = arrival.address.encode(), arrival.proto.encode(), arrival.host.encode()
    chain = _joined(arrival, b"x-forwarded-for") if arrival.forwarded else b""
    kept.append((b"x-forwarded-for", b"%s, %s" % (chain, arrival.peer.encode()) if chain else address))
    kept.append((b"x-forwarded-proto", proto))
    kept.append((b"x-forwarded-host", host))
    kept.append((b"forwarded", _element(arrival, address, proto, host)))
    via = _joined(arrival, b"via")
    if via.count(b"1.1 " + VIA) >= MOST_HOPS:
        raise LoopError(f"the request has come through a gateway {MOST_HOPS} times; a route leads back to it")
    kept.append((b"via", b"%s, 1.1 %s" % (via, VIA) if via else b"1.1 " + VIA))
    return kept


def with_told(headers: Headers, told: Headers) -> Headers:
    """The headers with those that the gateway tells in place of the client's of those names. A trace's state goes with its parent
    (W3C Trace Context, 3.3)."""
    replaced = {name for name, _ in told}
    if b"traceparent" in replaced:
        replaced.add(b"tracestate")
    return [pair for pair in headers if pair[0] not in replaced] + told


def response_headers(headers: Headers, *, length: bool) -> Headers:
    """The headers that go on to the client; without Content-Length where the body is changed or there is none, and with a Date
    where the upstream has none (RFC 9110, 6.6.1)."""
    names = {name for name, _ in headers}
    kept = [pair for pair in headers if pair[0] not in HOP_BY_HOP and (length or pair[0] != b"content-length")]
    if b"connection" in names:
        named = _named(headers)
        kept = [pair for pair in kept if pair[0] not in named]
    if b"date" not in names:
        kept.append((b"date", http_date(int(time()))))
    kept.append((b"via", b"1.1 " + VIA))
    return kept


def request_head(method: str, target: bytes, host: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The bytes of a request's head (RFC 9112, 3). Whatever a header holds, it can't end its line: CR and LF don't pass."""
    lines = [b"%s %s HTTP/1.1" % (method.encode("ascii"), target), b"host: " + host]
    lines += [b"%s: %s" % pair for pair in headers]
    head = b"\r\n".join(lines)
    breaks = len(lines) - 1
    if head.count(b"\r") != breaks or head.count(b"\n") != breaks or b"\0" in head:
        raise MalformedRequestError("a header has a line break or NUL (RFC 9110, 5.5)")
    return head + b"\r\n\r\n"


@lru_cache(maxsize=2)
def http_date(moment: int) -> bytes:
    """A moment, in seconds since the epoch, as headers have it (RFC 9110, 5.6.7)."""
    return formatdate(moment, usegmt=True).encode()


def _named(headers: Headers) -> set[bytes]:
    """The fields that Connection says are for this connection only."""
    return {option.strip().lower() for name, value in headers if name == b"connection" for option in value.split(b",")}


def _joined(arrival: Arrival, name: bytes) -> bytes:
    if name not in arrival.found:
        return b""
    return b", ".join(value for key, value in arrival.headers if key == name)


def _element(arrival: Arrival, address: bytes, proto: bytes, host: bytes) -> bytes:
    """One more element of Forwarded (RFC 7239, 4); IPv6 addresses stand in brackets and quotes (section 6)."""
    before = _joined(arrival, b"forwarded") if arrival.forwarded else b""
    node = arrival.peer.encode() if before else address
    if b":" in node and _is_v6(node):
        node = b'"[%s]"' % node
    element = b'for=%s;proto=%s;host="%s"' % (node or b"unknown", proto, host)
    return b"%s, %s" % (before, element) if before else element


def _is_v6(node: bytes) -> bool:
    try:
        return isinstance(ip_address(node.decode()), IPv6Address)
    except ValueError:
        return False
