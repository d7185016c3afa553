"""Services of a definition as Kong's services and upstreams with targets and health checks."""

import re
from collections.abc import Sequence
from fractions import Fraction
from math import ceil, lcm
from typing import Any

import attrs

from brickwork.gateway.definition import Service
from brickwork.gateway.kong.findings import Findings

#: What a Kong target's weight goes up to.
MOST_WEIGHT = 65_535
#: Registered statuses (RFC 9110) that an active check takes for good and for bad; Kong wants each by itself.
_GOOD = [*range(200, 209), 226, *range(300, 309)]
_BAD = [*range(400, 418), *range(421, 427), 428, 429, 431, 451, *range(500, 509), 510, 511]
#: What of a service must be the same where one Kong service stands for several.
_SHARED = {"name", "targets", "discovery", "policies"}


@attrs.frozen
class Share:
    """A service, and the part of a route's requests that it answers."""

    service: Service
    part: Fraction


class Upstreams:
    """Collects what routes refer to."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._hosts: set[str] = set()
        self.services: dict[str, dict[str, Any]] = {}
        self.upstreams: list[dict[str, Any]] = []

    def add(self, name: str, shares: Sequence[Share], sticky: str = "random") -> str:
        """A Kong service of that name, whose upstream has the targets of all the shares; its name."""
        first = shares[0].service
        where = f"services.{first.name}"
        upstream = {"name": self._host(name), **self._balance(first, sticky, f"routes.{name.partition('~')[0]}")}
        upstream["targets"] = self._targets(shares)
        checks = _health(first, where, self._findings)
        if checks:
            upstream["healthchecks"] = checks
        self.upstreams.append(upstream)
        self.services[name] = {**self._service(first, name, where), "host": upstream["name"], "routes": []}
        for share in shares[1:]:
            self._same(first, share.service, name)
        return name

    def _host(self, name: str) -> str:
        """A host name that nobody else has; Kong takes no other characters, and no address."""
        plain = re.sub(r"[^a-z0-9]+", "-", name).strip("-")
        host, number = f"{plain}.upstream", 2
        while host in self._hosts:
            host, number = f"{plain}-{number}.upstream", number + 1
        self._hosts.add(host)
        return host

    def _service(self, service: Service, name: str, where: str) -> dict[str, Any]:
        made: dict[str, Any] = {
            "name": name,
            "protocol": service.protocol,
            "port": 443 if service.protocol == "https" else 80,
            "connect_timeout": _milliseconds(service.timeouts.connect),
            "read_timeout": _milliseconds(service.timeouts.read),
            "write_timeout": _milliseconds(service.timeouts.write),
            "retries": service.retries.attempts,
        }
        if service.path:
            made["path"] = service.path
        if service.protocol == "https":
            made["tls_verify"] = service.tls is None or service.tls.verify
        for name in ("ca", "client_cert", "client_key", "server_name"):
            if service.tls is not None and getattr(service.tls, name) is not None:
                self._findings.missing(where, f"tls.{name}: certificates are given to Kong by hand")
        if service.breaker is not None:
            self._findings.missing(where, "breaker: Kong OSS has no circuit breaker")
        if service.retries.attempts:
            self._findings.different("services", "retries: Kong tries again where no answer came, and after no status")
        return made

    def _balance(self, service: Service, sticky: str, where: str) -> dict[str, Any]:
        kind, _, name = sticky.partition(":")
        if kind == "random":
            return {"algorithm": "least-connections" if service.balance == "least_connections" else "round-robin"}
        if service.balance == "least_connections":
            self._findings.different(where, "sticky: Kong keeps a caller with a target, so it does not count connections")
        if kind in ("user", "tenant"):
            if kind == "tenant":
                self._findings.missing(where, "sticky: tenant: Kong knows consumers and no tenants; they are used instead")
            return {"algorithm": "consistent-hashing", "hash_on": "consumer", "hash_fallback": "ip"}
        if kind == "header":
            return {"algorithm": "consistent-hashing", "hash_on": "header", "hash_on_header": name, "hash_fallback": "ip"}
        if kind == "cookie":
            self._findings.different(where, f"sticky: Kong sets the cookie {name} where a request has none")
            return {"algorithm": "consistent-hashing", "hash_on": "cookie", "hash_on_cookie": name}
        return {"algorithm": "consistent-hashing", "hash_on": "ip"}

    def _targets(self, shares: Sequence[Share]) -> list[dict[str, Any]]:
        if len(shares) == 1:
            service = shares[0].service
            return self._static(service) if service.targets else self._discovered(service)
        weights: dict[str, Fraction] = {}
        for share in shares:
            targets = self._static(share.service)
            total = sum(target["weight"] for target in targets)
            for target in targets:
                part = share.part * Fraction(target["weight"], total) if total else Fraction(0)
                weights[target["target"]] = weights.get(target["target"], Fraction(0)) + part
        return _whole(weights)

    def _static(self, service: Service) -> list[dict[str, Any]]:
        found = service.targets or next((source.static for source in service.discovery if source.static is not None), ())
        if not service.targets:
            self._findings.missing(f"services.{service.name}", "discovery: Kong shares requests out among static targets only")
        return [{"target": target.address, "weight": target.weight} for target in found]

    def _discovered(self, service: Service) -> list[dict[str, Any]]:
        """The first source that Kong has as well: static targets, or a name that it looks up as SRV itself."""
        where = f"services.{service.name}"
        taken: list[dict[str, Any]] | None = None
        for source in service.discovery:
            if taken is not None:
                self._findings.missing(where, f"discovery: Kong has no fallback from one source to another ({source.kind})")
            elif source.static is not None:
                taken = [{"target": target.address, "weight": target.weight} for target in source.static]
            elif source.dns_srv is not None:
                if source.dns_srv.resolver is not None:
                    self._findings.different(where, "discovery.dns_srv.resolver: set dns_resolver in kong.conf")
                taken = [{"target": f"{source.dns_srv.name}:80", "weight": 100}]
            else:
                self._findings.missing(where, f"discovery: Kong OSS knows no {source.kind}")
        return taken or []

    def _same(self, one: Service, other: Service, name: str) -> None:
        ours, theirs = one.model_dump(exclude=_SHARED), other.model_dump(exclude=_SHARED)
        differing = [field for field in ours if ours[field] != theirs[field]]
        if differing:
            where = f"routes.{name.partition('~')[0]}"
            told = f"{one.name} and {other.name} differ in {', '.join(differing)}"
            self._findings.missing(where, f"Kong has one service for what is shared out, and {told}")


def _whole(weights: dict[str, Fraction]) -> list[dict[str, Any]]:
    """Whole numbers in the ratio of the weights, as near as Kong's range allows."""
    unit = lcm(*(weight.denominator for weight in weights.values()))
    scaled = {target: weight * unit for target, weight in weights.items()}
    largest = max(scaled.values(), default=Fraction(0))
    factor = min(Fraction(1), Fraction(MOST_WEIGHT) / largest) if largest else Fraction(1)
    return [{"target": target, "weight": max(round(weight * factor), 1) if weight else 0} for target, weight in scaled.items()]


def _milliseconds(seconds: float) -> int:
    return min(max(ceil(seconds * 1000), 1), 2**31 - 2)


def _health(service: Service, where: str, findings: Findings) -> dict[str, Any]:
    made: dict[str, Any] = {}
    health, kind = service.health, service.protocol
    if health.active is not None:
        active = health.active
        interval = min(max(ceil(active.interval), 1), 65_535)
        if interval != active.interval:
            findings.different(where, f"health.active.interval: Kong's is {interval} s")
        bad = {"http_failures": active.unhealthy, "tcp_failures": active.unhealthy, "timeouts": active.unhealthy}
        made["active"] = {
            "type": kind,
            "http_path": active.path,
            "timeout": min(max(ceil(active.timeout), 1), 65_535),
            "healthy": {"interval": interval, "successes": active.healthy, "http_statuses": _GOOD},
            "unhealthy": {"interval": interval, "http_statuses": _BAD, **bad},
        }
        if service.tls is not None and not service.tls.verify:
            made["active"]["https_verify_certificate"] = False
    if health.passive is not None:
        failures = health.passive.failures
        findings.different(where, "health.passive: Kong counts failures in a row, and not those of a window")
        if health.active is None:
            findings.missing(where, "health.passive: without health.active, Kong never tries a target again")
        made["passive"] = {
            "type": kind,
            "healthy": {"http_statuses": _GOOD, "successes": 1},
            "unhealthy": {
                "http_statuses": [status for status in _BAD if status >= 500],
                "http_failures": failures,
                "tcp_failures": failures,
                "timeouts": failures,
            },
        }
    return made
