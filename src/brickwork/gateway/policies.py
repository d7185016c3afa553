"""The policies of a definition at work: what holds for one route and the service that answers it, made ready once."""

from collections.abc import Mapping
from math import ceil
from typing import TYPE_CHECKING, Any

import attrs

from brickwork.errors import DefinitionError, PermissionDeniedError, UnauthenticatedError
from brickwork.gateway.arrival import Arrival, Headers, address_within
from brickwork.gateway.definition import Gateway, Route, Service
from brickwork.gateway.definition_policies import AuthPolicy, CorrelationPolicy, CorsPolicy, RateLimitPolicy, SecurityHeaders
from brickwork.gateway.errors import AddressRefusedError
from brickwork.gateway.transform import HeaderChanger, JsonChanger, QueryChanger
from brickwork.limits.rate import Rate
from brickwork.web import ratelimit

if TYPE_CHECKING:
    from brickwork.auth.credentials import Identity
    from brickwork.kernel.platform import Platform
    from brickwork.limits import Limits

_VARY_ORIGIN = (b"vary", b"Origin")


@attrs.frozen
class Caller:
    """Who calls, if anybody has shown it; `kind` is how: "jwt", "key" or "session"."""

    identity: "Identity | None" = None
    kind: str | None = None

    @property
    def tenant(self) -> str | None:
        return None if self.identity is None else self.identity.tenant

    @property
    def actor(self) -> str | None:
        return None if self.identity is None else self.identity.actor


NOBODY = Caller()


class Plan:
    """What holds for requests of `route` that `service` answers."""

    def __init__(self, gateway: Gateway, route: Route, service: Service, platform: "Platform") -> None:
        policies = gateway.policies_for(route, service)
        self.route, self.service, self.policies = route, service, policies
        self.correlation = policies.correlation_id or CorrelationPolicy()
        self.cors = None if policies.cors is None else Cors(policies.cors)
        self.security = [] if policies.security_headers is None else _security(policies.security_headers)
        self._platform = platform
        self._limit = None if policies.rate_limit is None else _Limit(_owner(gateway, route, service), policies.rate_limit)
        self.auth = policies.auth if policies.auth is not None and policies.auth.required != "none" else None
        if self.auth is not None and "auth" not in platform.components:
            raise DefinitionError(f"route {route.name}: policies.auth takes the auth component, which this platform lacks")
        change, answer = policies.request_transform, policies.response_transform
        self.request_headers = HeaderChanger(change.headers) if change is not None else None
        self.query = QueryChanger(change.query) if change is not None and change.query.model_fields_set else None
        self.request_body = JsonChanger(change.body) if change is not None and change.body is not None else None
        self.answer_headers = HeaderChanger(answer.headers) if answer is not None else None
        self.answer_body = JsonChanger(answer.body) if answer is not None and answer.body is not None else None
        size = policies.size
        self.most_request = size.request_bytes if size is not None else None
        self.most_answer = size.response_bytes if size is not None else None
        personal = policies.rate_limit is not None and policies.rate_limit.by in ("user", "tenant", "key")
        #: Whether the caller must be known, and whether `guard` has anything to do.
        self.identifies = self.auth is not None or personal
        self.guarded = self.auth is not None or self._limit is not None

    def check_address(self, arrival: Arrival) -> None:
        """Raise `AddressRefusedError` where the client's address may not call."""
        ip = self.policies.ip
        if ip is None:
            return
        if address_within(arrival.address, ip.deny) or (ip.allow and not address_within(arrival.address, ip.allow)):
            raise AddressRefusedError("this address may not call")

    def guard(self, arrival: Arrival, caller: Caller) -> Headers:
        """Hold the caller to the policies, in a thread; the headers that tell of its rate. Raises `UnauthenticatedError`,
        `PermissionDeniedError` or `RateLimitedError`."""
        if self.auth is not None:
            _authorize(self.auth, caller)
        return self._limit.hit(self._platform.limits, arrival, caller) if self._limit is not None else []

    def identity_headers(self, caller: Caller) -> Headers:
        """What the upstream is told of the caller."""
        if self.auth is None or not self.auth.identity_headers or caller.identity is None:
            return []
        told = [(b"x-actor", caller.actor), (b"x-tenant", caller.tenant)]
        return [(name, value.encode()) for name, value in told if value is not None]


def identify(platform: "Platform", arrival: Arrival) -> Caller:
    """Who calls; raises `UnauthenticatedError` for what is shown and not good. For a thread."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in arrival.found.items()}
    # a page may open a WebSocket to any site, with that site's cookie: it is held to what unsafe methods are held to
    method = "POST" if arrival.websocket else arrival.method
    identity = platform.auth.identify(headers, method)
    if identity is None:
        return NOBODY
    token = headers.get("authorization", "").partition(" ")[2].strip()
    kind = "key" if token.startswith("bwk_") else "jwt" if token.count(".") == 2 else "session"
    return Caller(identity, kind)


def _authorize(policy: AuthPolicy, caller: Caller) -> None:
    if caller.identity is None or (policy.required != "any" and policy.required != caller.kind):
        wanted = {"jwt": "an access token", "key": "an API key", "any": "an access token, an API key or a session"}
        raise UnauthenticatedError(f"this route takes {wanted[policy.required]}")
    if policy.permission is not None and not caller.identity.access.allows(policy.permission):
        raise PermissionDeniedError(f"this takes {policy.permission}", permission=policy.permission)


def _owner(gateway: Gateway, route: Route, service: Service) -> str:
    """Where the rate limit was written: what is counted together."""
    for name, part in ((f"route:{route.name}", route), (f"service:{service.name}", service)):
        if "rate_limit" in part.policies.model_fields_set:
            return name
    return "gateway"


class _Limit:
    def __init__(self, owner: str, policy: RateLimitPolicy) -> None:
        rate = Rate.parse(policy.rate)
        self.policy = policy
        self._rate = attrs.evolve(rate, burst=policy.burst)
        self._owner = owner
        self._told = ratelimit.policy(owner, rate.count, ceil(rate.per)).encode()

    def hit(self, limits: "Limits", arrival: Arrival, caller: Caller) -> Headers:
        """Count the request; what the answer tells of it."""
        decision = limits.require(f"gateway:{self._owner}:{self._subject(arrival, caller)}"[:500], self._rate)
        state = ratelimit.state(self._owner, decision.remaining, ceil(decision.reset_after))
        return [(ratelimit.POLICIES.encode(), self._told), (ratelimit.STATE.encode(), state.encode())]

    def _subject(self, arrival: Arrival, caller: Caller) -> str:
        by = self.policy.by
        found: str | None = None
        if by == "header":
            found = arrival.header(self.policy.header or "")
        elif by == "tenant":
            found = caller.tenant
        elif by == "user" or (by == "key" and caller.kind == "key"):
            found = caller.actor and f"{caller.tenant}:{caller.actor}"
        return f"{by}:{found}" if found else f"address:{arrival.address}"


class Cors:
    """The CORS protocol of the Fetch standard, for one policy."""

    def __init__(self, policy: CorsPolicy) -> None:
        self._origins = frozenset(policy.origins)
        self._any = "*" in policy.origins
        self._policy = policy
        self._exposed = ", ".join(policy.expose).encode()

    def headers(self, origin: str | None) -> Headers:
        """What answers to a request from `origin` carry."""
        if self._any:
            told: Headers = [(b"access-control-allow-origin", b"*")] if origin is not None else []
        elif origin in self._origins:
            told = [(b"access-control-allow-origin", str(origin).encode("latin-1")), _VARY_ORIGIN]
        else:
            return [_VARY_ORIGIN]
        if told and self._policy.credentials:
            told.append((b"access-control-allow-credentials", b"true"))
        if told and self._exposed:
            told.append((b"access-control-expose-headers", self._exposed))
        return told

    def preflight(self, origin: str) -> Headers:
        """What the answer to a preflight carries; for other origins nothing that lets the browser go on."""
        told = [pair for pair in self.headers(origin) if pair[0] != b"access-control-expose-headers"]
        if not any(name == b"access-control-allow-origin" for name, _ in told):
            return told
        policy = self._policy
        return [
            *told,
            (b"access-control-allow-methods", ", ".join(policy.methods).encode()),
            (b"access-control-allow-headers", ", ".join(policy.headers).encode()),
            (b"access-control-max-age", str(policy.max_age).encode()),
        ]


def _security(policy: SecurityHeaders) -> Headers:
    wanted: Mapping[str, Any] = {
        "strict-transport-security": f"max-age={policy.hsts}; includeSubDomains" if policy.hsts else None,
        "x-content-type-options": "nosniff",
        "content-security-policy": policy.content_security_policy,
        "x-frame-options": policy.frame_options,
        "referrer-policy": policy.referrer_policy,
        "permissions-policy": policy.permissions_policy,
    }
    return [(name.encode(), value.encode()) for name, value in wanted.items() if value is not None]
