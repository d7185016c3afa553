"""The declarative model of a gateway: services and their targets, routes, versions and policies, as one YAML document.

The embedded proxy serves it and `brickwork gateway export kong` translates it; both read nothing else.
"""

import re
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from brickwork.gateway.definition_policies import HeaderValue, Model, Network, Policies, Token

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,99}$")]
#: A DNS name or an IPv4 address, or an IPv6 address in brackets.
Host = Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?|\[[0-9a-fA-F:.]+\])$")]
Port = Annotated[int, Field(ge=1, le=65535)]
#: "random", "address", "user", "tenant", "header:NAME" or "cookie:NAME".
StickyKey = Annotated[str, StringConstraints(pattern=r"^(random|address|user|tenant|(header|cookie):[A-Za-z0-9_.-]{1,100})$")]

_TARGET = re.compile(r"(?P<host>\[[^\]]+\]|[^:\s]+):(?P<port>\d+)(?:\s+weight=(?P<weight>\d+))?\Z")
_SEGMENT = r"[A-Za-z0-9._~!$&'()+,;=:@%-]+"
_STEP = rf"({_SEGMENT}|\{{[a-z][a-z0-9_]*\}})"
_PATH = rf"^/(\*|{_STEP}(/{_STEP})*(/|/\*)?)?$"


class Target(Model):
    """Where an instance of a service listens; `"10.0.0.5:8080"` or `"10.0.0.5:8080 weight=2"` is short for it."""

    host: Host
    port: Port
    #: Its share of requests among the others; 0 gets none.
    weight: int = Field(1, ge=0, le=1000)

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        match = _TARGET.match(value)
        if match is None:
            raise ValueError(f"{value[:80]!r} is no target; it looks like host:port or host:port weight=2")
        return {name: found for name, found in match.groupdict().items() if found is not None}

    @property
    def address(self) -> str:
        """ "host:port"."""
        return f"{self.host}:{self.port}"


class DnsSrv(Model):
    """Targets by DNS SRV records (RFC 2782): priorities are kept, weights become the targets'."""

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,253}$")
    #: "host:port" of a resolver; by default the system's.
    resolver: str | None = None


class Registry(Model):
    """Targets that registered themselves in the platform's database and keep up their heartbeat."""

    service: Name


class Consul(Model):
    """Targets that pass their checks in Consul's catalogue, over HTTP."""

    service: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,128}$")
    url: str = "http://127.0.0.1:8500"
    datacenter: str | None = None
    tag: str | None = None
    #: Name of the environment variable that holds the ACL token.
    token_variable: str | None = None


class Source(Model):
    """One way to find targets: exactly one of these."""

    static: tuple[Target, ...] | None = Field(None, min_length=1)
    dns_srv: DnsSrv | None = None
    registry: Registry | None = None
    consul: Consul | None = None

    @model_validator(mode="after")
    def _one(self) -> "Source":
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"a source is one of {', '.join(type(self).model_fields)}, not {', '.join(given) or 'nothing'}")
        return self

    @property
    def kind(self) -> str:
        """ "static", "dns_srv", "registry" or "consul"."""
        return next(name for name in type(self).model_fields if getattr(self, name) is not None)


class Timeouts(Model):
    """In seconds."""

    connect: float = Field(2.0, gt=0)
    #: Between two pieces of an answer, and before the first.
    read: float = Field(30.0, gt=0)
    #: Until the upstream takes a piece of the request.
    write: float = Field(30.0, gt=0)


class Retries(Model):
    """Another try at another target, always before the first byte of an answer reached the client.

    A connection that could not be made is tried again for every request, since nothing was sent. After that, only requests of
    which two do no more than one: idempotent methods (RFC 9110, 9.2.2), and those with an Idempotency-Key where `idempotency_key`
    says that the upstream keeps its promise.
    """

    #: Tries after the first.
    attempts: int = Field(1, ge=0, le=10)
    #: Answers that are worth another try.
    statuses: tuple[Annotated[int, Field(ge=400, le=599)], ...] = (502, 503, 504)
    methods: tuple[Literal["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"], ...] = ("GET", "HEAD", "OPTIONS", "PUT", "DELETE")
    idempotency_key: bool = False
    #: Largest request body, in bytes, that is kept to be sent again.
    body_bytes: int = Field(65_536, ge=0, le=10_000_000)


class ActiveHealth(Model):
    """Asks each target itself."""

    path: str = Field("/healthz", pattern=r"^/[\x21-\x7e]*$")
    #: Seconds.
    interval: float = Field(5.0, gt=0)
    timeout: float = Field(2.0, gt=0)
    #: Good or bad answers in a row that change the verdict. An answer is good with a status from 200 to 399.
    healthy: int = Field(2, ge=1)
    unhealthy: int = Field(3, ge=1)


class PassiveHealth(Model):
    """Watches how real requests end; a target with too many failures (5xx, no answer) gets none for a while."""

    failures: int = Field(5, ge=1)
    #: Seconds in which they are counted, and for which the target then rests.
    window: float = Field(10.0, gt=0)


class HealthChecks(Model):
    """Without them every target that discovery knows counts as healthy. Where none is healthy, all are tried."""

    active: ActiveHealth | None = None
    passive: PassiveHealth | None = None


class BreakerPolicy(Model):
    """Opens the circuit to a target that fails: requests are answered 503 at once, or go to another target."""

    #: So many failures within `window` seconds open it, if they are at least `failure_ratio` of all requests in it.
    failures: int = Field(5, ge=1)
    failure_ratio: float = Field(0.5, gt=0, le=1)
    window: float = Field(10.0, gt=0)
    #: Seconds until it lets requests through again to see.
    open_for: float = Field(10.0, gt=0)
    #: How many may see; all must succeed to close it.
    probes: int = Field(1, ge=1)


class Tls(Model):
    """How an https service is trusted, and how the gateway shows itself to it."""

    verify: bool = True
    #: PEM files. `ca` in place of the system's authorities.
    ca: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    #: The name expected in its certificate; by default the target's host.
    server_name: str | None = None


class Service(Model):
    """An upstream: what answers, and how it is reached. Either `targets`, or `discovery` by sources of which the first that
    knows any target is taken."""

    name: Name
    protocol: Literal["http", "https"] = "http"
    targets: tuple[Target, ...] = ()
    discovery: tuple[Source, ...] = ()
    #: Put before the paths of requests.
    path: str = Field("", pattern=r"^(/[A-Za-z0-9._~-]+)*$")
    balance: Literal["round_robin", "least_connections"] = "round_robin"
    timeouts: Timeouts = Timeouts()
    retries: Retries = Retries()
    health: HealthChecks = HealthChecks()
    breaker: BreakerPolicy | None = None
    tls: Tls | None = None
    #: Whether the upstream gets the client's Host header or the target's.
    preserve_host: bool = False
    policies: Policies = Policies()

    @model_validator(mode="after")
    def _reachable(self) -> "Service":
        if bool(self.targets) == bool(self.discovery):
            raise ValueError("a service has either targets or discovery")
        if self.tls is not None and self.protocol != "https":
            raise ValueError("tls belongs to protocol: https")
        return self

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where targets are looked for, in this order."""
        return self.discovery or (Source(static=self.targets),)


class Share(Model):
    """A service's share of a route's requests."""

    service: Name
    weight: int = Field(ge=0, le=1_000_000)


class Canary(Model):
    """Sends some requests of a route to another service: `weight` percent of them, or those for whom a flag is on."""

    service: Name
    weight: float | None = Field(None, ge=0, le=100)
    flag: str | None = Field(None, max_length=100)

    @model_validator(mode="after")
    def _one_way(self) -> "Canary":
        if (self.weight is None) == (self.flag is None):
            raise ValueError("a canary goes by weight or by flag")
        return self


class Version(Model):
    """One version of an API. Its answers carry Deprecation (RFC 9745) and Sunset (RFC 8594) where it has the dates."""

    service: Name
    deprecated: date | None = None
    sunset: date | None = None
    #: Page that tells what to do.
    link: str | None = Field(None, pattern=r"^https?://[\x21-\x3b\x3d\x3f-\x7e]+$")

    @model_validator(mode="after")
    def _in_order(self) -> "Version":
        if self.deprecated and self.sunset and self.sunset < self.deprecated:
            raise ValueError("sunset is not before deprecated (RFC 9745, 4)")
        return self


class Versions(Model):
    """Chooses a route's service by the version that a request names.

    "path": the segment after the route's path, as in /api/v2/patients for the path /api/*. "header": the header's value.
    "media_type": Accept holds `media_type` with the version, as in application/vnd.clinic.v2+json for application/vnd.clinic.
    """

    by: Literal["path", "header", "media_type"]
    header: Token = "API-Version"
    media_type: str | None = Field(None, pattern=r"^[a-z]+/[a-z0-9.-]+$")
    #: For requests that name none; without it they are answered 400 (by path: 404).
    default: str | None = None
    versions: dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,50}$")], Version] = Field(min_length=1)
    #: What becomes of a version after its sunset: served on, or answered 410.
    after_sunset: Literal["serve", "refuse"] = "serve"

    @model_validator(mode="after")
    def _whole(self) -> "Versions":
        if (self.by == "media_type") != (self.media_type is not None):
            raise ValueError("by: media_type and media_type: TYPE go together")
        if self.default is not None and self.default not in self.versions:
            raise ValueError(f"default {self.default!r} is not among the versions {', '.join(self.versions)}")
        return self


class Route(Model):
    """Which requests go where. A request takes the most specific route that fits: by host, then path (literal segments before
    parameters, whole paths before those ending in `*`, long before short), then by the number of headers, then a method."""

    name: Name
    #: "api.example.org" or "*.example.org"; none: every host. Without port.
    hosts: tuple[Annotated[str, StringConstraints(pattern=r"^(\*\.)?[a-z0-9.-]{1,253}$")], ...] = ()
    #: "/patients" is that path only, "/patients/*" also all below, "/patients/{id}" takes any one segment.
    paths: tuple[Annotated[str, StringConstraints(pattern=_PATH, max_length=500)], ...] = Field(("/*",), min_length=1)
    #: None: every method.
    methods: tuple[Token, ...] = ()
    #: Headers that must have one of the values.
    headers: dict[Token, Annotated[tuple[HeaderValue, ...], Field(min_length=1)]] = {}
    #: Exactly one of these; `canary` goes with `service`.
    service: Name | None = None
    split: tuple[Share, ...] = ()
    versions: Versions | None = None
    canary: Canary | None = None
    #: What keeps a caller with the same share of `split` or `canary`.
    sticky: StickyKey = "address"
    #: Whether the upstream gets the path without what stands before `*`.
    strip_prefix: bool = False
    policies: Policies = Policies()

    @model_validator(mode="after")
    def _leads_somewhere(self) -> "Route":
        if sum([self.service is not None, bool(self.split), self.versions is not None]) != 1:
            raise ValueError("a route has one of service, split and versions")
        if self.canary is not None and self.service is None:
            raise ValueError("canary goes with service")
        if self.split and not sum(share.weight for share in self.split):
            raise ValueError("at least one share of the split is positive")
        open_ended = all(path.endswith("*") for path in self.paths)
        if not open_ended and (self.strip_prefix or (self.versions is not None and self.versions.by == "path")):
            raise ValueError("strip_prefix and versions by path need paths that end in *")
        return self

    @property
    def services(self) -> tuple[str, ...]:
        """The names of the services that may answer."""
        if self.versions is not None:
            return tuple(dict.fromkeys(version.service for version in self.versions.versions.values()))
        named = [self.service] if self.service is not None else [share.service for share in self.split]
        return tuple(dict.fromkeys([*named, *([self.canary.service] if self.canary is not None else [])]))


class Gateway(Model):
    """The whole document."""

    services: tuple[Service, ...] = ()
    routes: tuple[Route, ...] = ()
    policies: Policies = Policies()
    #: Proxies before the gateway whose word on the client's address and scheme is taken (Forwarded, X-Forwarded-*).
    trusted_proxies: tuple[Network, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> "Gateway":
        for kind, names in (("service", [s.name for s in self.services]), ("route", [r.name for r in self.routes])):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"there is more than one {kind} named {', '.join(twice)}")
        known = {service.name for service in self.services}
        for route in self.routes:
            unknown = [name for name in route.services if name not in known]
            if unknown:
                there_are = ", ".join(sorted(known)) or "none"
                raise ValueError(f"route {route.name}: there is no service {', '.join(unknown)}; there are {there_are}")
        return self

    def service(self, name: str) -> Service:
        """The service of that name."""
        return next(service for service in self.services if service.name == name)

    def policies_for(self, route: Route, service: Service) -> Policies:
        """What holds for a request of the route that the service answers."""
        return route.policies.over(service.policies.over(self.policies))
