"""Which addresses may be called on somebody else's word, and connections to just those that were checked (OWASP, SSRF
prevention)."""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from threading import Thread

from brickwork.errors import ValidationError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

#: The one prefix from which public IPv6 addresses are given out (IANA, IPv6 global unicast address assignments).
_UNICAST = ip_network("2000::/3")
#: IPv4 as it appears behind a translator (RFC 6052); it is as public as the IPv4 address in it.
_TRANSLATED = ip_network("64:ff9b::/96")
#: What counts as global and still isn't anybody's server: IETF protocols, 6to4 relays, Azure's host agent, Teredo and ORCHID,
#: documentation.
_SPECIAL: tuple[Network, ...] = tuple(
    ip_network(text) for text in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "2001::/23", "3fff::/20")
)


class AddressRefusedError(ValidationError):
    """A host is, or resolves to, an address that isn't public. The message doesn't tell which."""

    code = "address_refused"


def is_public(address: Address) -> bool:
    """Whether an address is a server's on the public internet: not private, loopback, link-local (as clouds' metadata are),
    shared, multicast or reserved, also not by way of an IPv6 form that holds such an IPv4 address."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _TRANSLATED:
            inner = IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(inner)
        if address not in _UNICAST:
            return False
    if any(address in network for network in _SPECIAL if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


class AddressGuard:
    """Resolves host names and lets public addresses pass, and those of `allowed` networks."""

    def __init__(self, allowed: Sequence[Network] = ()) -> None:
        self._allowed = tuple(allowed)

    def passes(self, address: Address) -> bool:
        """Whether an address may be called."""
        inner = getattr(address, "ipv4_mapped", None) or address
        return is_public(address) or any(inner in network for network in self._allowed if network.version == inner.version)

    def resolve(self, host: str, port: int, seconds: float) -> list[str]:
        """The addresses of `host`, all checked; who connects to them and not to the name can't be led elsewhere by a second
        answer (DNS rebinding). One that may not be called is enough for `AddressRefusedError`, so that no host has two
        faces. Raises `OSError` where there is no answer in time."""
        found = _lookup(host, port, seconds)
        for text in found:
            if not self.passes(ip_address(text.partition("%")[0])):
                raise AddressRefusedError("the host's address is not a public one; addresses inside a network are not called")
        return list(dict.fromkeys(found))


def _lookup(host: str, port: int, seconds: float) -> list[str]:
    """`getaddrinfo`, which knows no timeout, in a thread that isn't waited for longer than that."""
    answer: list[list[str] | OSError] = []

    def ask() -> None:
        try:
            answer.append([str(place[0]) for *_, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)])
        except (OSError, UnicodeError) as error:
            answer.append(error if isinstance(error, OSError) else OSError("the host's name is malformed"))

    thread = Thread(target=ask, name="resolve", daemon=True)
    thread.start()
    thread.join(max(seconds, 0))
    if not answer:
        raise TimeoutError("the host's name was not resolved in time")
    if isinstance(answer[0], OSError):
        raise answer[0]
    return answer[0]
