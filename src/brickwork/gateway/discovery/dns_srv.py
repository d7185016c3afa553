"""Instances by DNS SRV records (RFC 2782)."""

import logging
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from brickwork.errors import DefinitionError, UnavailableError
from brickwork.gateway.discovery.fence import Fence
from brickwork.gateway.discovery.port import MOST, Found, Instance

if TYPE_CHECKING:
    from dns.resolver import Resolver

log = logging.getLogger("brickwork.gateway")
#: Bounds, in seconds, of how long an answer is used, whatever its time to live is.
SHORTEST, LONGEST = 1.0, 60.0
#: Seconds until it looks again where there are no records.
EMPTY = 5.0
#: Seconds that a question may take.
PATIENCE = 2.0


class DnsSrv:
    """The records of `name`, from the resolver at "host:port" (by default the system's)."""

    def __init__(self, name: str, resolver: str | None, fence: Fence) -> None:
        self._name = name
        self._server = None if resolver is None else _place(resolver)
        self._fence = fence
        self._resolver: Resolver | None = None

    def look(self) -> Found:
        import dns.exception
        import dns.resolver

        try:
            answer = self._asking().resolve(self._name, "SRV", lifetime=PATIENCE, search=False)
            records = [record for record in answer if record.target != dns.name.root]  # "." means: there is decidedly none
            instances = [instance for record in records[:MOST] for instance in self._placed(record)]
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return Found([], EMPTY)
        except (dns.exception.DNSException, OSError) as error:
            self._resolver = None
            raise UnavailableError(f"DNS SRV {self._name}: {type(error).__name__}") from None
        ttl = answer.rrset.ttl if answer.rrset is not None else SHORTEST
        return Found(self._fence.admitted(sorted(instances, key=_order)), min(max(ttl, SHORTEST), LONGEST))

    def close(self) -> None:
        """There is nothing to let go of."""

    def _asking(self) -> "Resolver":
        import dns.resolver

        if self._resolver is None:
            made = dns.resolver.Resolver(configure=self._server is None)
            if self._server is not None:
                host, made.port = self._server
                made.nameservers = [str(socket.getaddrinfo(host, None)[0][4][0])]
            self._resolver = made
        return self._resolver

    def _placed(self, record: Any) -> Sequence[Instance]:
        """The target's addresses: of IPv4, or where it has none, of IPv6. A weight of 0 asks for a very small share, or where
        all have it, for the same as the others'."""
        import dns.resolver

        name = record.target.to_text(omit_final_dot=True)
        try:
            found = self._asking().resolve_name(record.target, lifetime=PATIENCE, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            log.warning("DNS SRV %s: %s has no address", self._name, name)
            return []
        by_family = {family: sorted(found.addresses(family)) for family in (socket.AF_INET, socket.AF_INET6)}
        hosts = by_family[socket.AF_INET] or by_family[socket.AF_INET6]
        return [Instance(host, record.port, max(record.weight, 1), record.priority, name) for host in hosts]


def _place(resolver: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{resolver}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host is None:
        raise DefinitionError(f"dns_srv.resolver takes host:port, not {resolver[:100]!r}", field="resolver")
    return host, port or 53


def _order(instance: Instance) -> tuple[int, str, int]:
    return instance.priority, instance.host, instance.port
