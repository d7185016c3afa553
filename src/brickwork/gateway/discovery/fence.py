"""Which addresses a registry may send requests to. Who can write into a registry could otherwise make the gateway ask the cloud's
metadata service, or a neighbour, on behalf of anybody (OWASP API7:2023, server side request forgery).

Names are resolved here, once, and the addresses are used from then on, so that what was checked is what is connected to.
"""

import logging
import socket
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import attrs

from brickwork.errors import UnavailableError
from brickwork.gateway.discovery.port import Instance

log = logging.getLogger("brickwork.gateway")
#: Link-local addresses (with AWS, Azure and Google's 169.254.169.254), metadata services elsewhere, and what is no host's.
REFUSED = tuple(
    ip_network(network)
    for network in (
        "169.254.0.0/16",
        "fe80::/10",
        "fd00:ec2::/32",
        "fd20:ce::254/128",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "192.0.0.192/32",
        "0.0.0.0/8",
        "::/128",
        "224.0.0.0/4",
        "255.255.255.255/32",
        "ff00::/8",
    )
)
#: Prefixes behind which an IPv4 address hides: NAT64 (RFC 6052), and the deprecated IPv4-compatible one (RFC 4291, 2.5.5.1).
_EMBEDDING = (IPv6Network("64:ff9b::/96"), IPv6Network("::/96"))
_LOOPBACK = IPv6Address("::1")


@attrs.frozen
class Fence:
    """`allowed`, or anything where that is empty; never `REFUSED`."""

    allowed: Sequence[IPv4Network | IPv6Network] = ()

    def admits(self, address: str) -> bool:
        """Whether requests may go to the address."""
        try:
            found = _plain(ip_address(address))
        except ValueError:
            return False
        if any(found in network for network in REFUSED):
            return False
        return not self.allowed or any(found in network for network in self.allowed)

    def held(self, instances: Iterable[Instance]) -> list[Instance]:
        """The instances by address, names resolved by the system, without those that are refused or can't be resolved. Raises
        `UnavailableError` where no name can be, as while the resolver is away."""
        placed: list[Instance] = []
        lost: list[str] = []
        for instance in instances:
            at = _placed(instance)
            placed += at
            lost += [] if at else [repr(instance.host[:100])]
        if lost and not placed:
            raise UnavailableError(f"{', '.join(lost[:5])} can't be resolved")
        if lost:
            log.warning("instances are left out, for they can't be resolved: %s", ", ".join(lost[:5]))
        return self.admitted(placed)

    def admitted(self, instances: Iterable[Instance]) -> list[Instance]:
        """Those whose address may be used; the others are logged."""
        kept = []
        for instance in instances:
            if self.admits(instance.host):
                kept.append(instance)
            else:
                log.warning("an instance at %s is refused: see gateway.discovery.allowed_networks", instance.address)
        return kept


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address stands for, or itself."""
    if isinstance(address, IPv4Address) or address == _LOOPBACK:
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and int(address) > 1 and any(address in network for network in _EMBEDDING):
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    return inner or address


def _placed(instance: Instance) -> list[Instance]:
    """The instance at each address of its name: those of IPv4 where there are both, lest one host counts twice."""
    try:
        return [attrs.evolve(instance, host=str(ip_address(instance.host)))]
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(instance.host, instance.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    family = min(entry[0] for entry in found)
    hosts = sorted({str(entry[4][0]) for entry in found if entry[0] == family})
    return [attrs.evolve(instance, host=host, name=instance.name or instance.host) for host in hosts]
