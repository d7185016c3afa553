"""The embedded proxy: an ASGI application that finds the route of a request, holds it to its policies and forwards it."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from time import perf_counter, time
from typing import TYPE_CHECKING, Any

from prometheus_client import Counter, Histogram
from starlette.types import Receive, Scope, Send

from brickwork.errors import BrickworkError, Problem, UnauthenticatedError
from brickwork.gateway.arrival import Arrival, Headers
from brickwork.gateway.cluster import Cluster
from brickwork.gateway.definition import Gateway, Route
from brickwork.gateway.errors import GatewayTimeoutError, MethodRefusedError
from brickwork.gateway.exchange import BrokenOffError, ClientGoneError, Exchange
from brickwork.gateway.forwarding import http_date
from brickwork.gateway.policies import NOBODY, Caller, Plan, identify
from brickwork.gateway.routing import Match, RouteTable
from brickwork.gateway.selection import Choice, Selector, version_headers
from brickwork.kernel.tracing import Span
from brickwork.web.envelope import failure, problems_of
from brickwork.web.spans import traced
from brickwork.web.workers import Workers

if TYPE_CHECKING:
    from brickwork.gateway.service import GatewayService
    from brickwork.kernel.platform import Platform

log = logging.getLogger("brickwork.gateway")
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
CORRELATION = b"x-correlation-id"


class Meters:
    """What the proxy counts."""

    def __init__(self, platform: "Platform") -> None:
        labels, registry = ("route", "service", "status"), platform.metrics
        self._requests = Counter("brickwork_gateway_requests", "Requests answered", labels, registry=registry)
        self._seconds = Histogram(
            "brickwork_gateway_request_seconds", "Time to answer", ("route",), registry=registry, buckets=_BUCKETS
        )
        self.retries = Counter("brickwork_gateway_retries", "Requests tried again", ("service",), registry=registry)
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe(self, route: str, service: str, status: int, seconds: float) -> None:
        """Take in one request; the status is 499 where the client left before an answer."""
        found = self._known.get((route, service, status))
        if found is None:
            found = self._requests.labels(route, service, str(status)), self._seconds.labels(route)
            self._known[route, service, status] = found
        found[0].inc()
        found[1].observe(seconds)


class Entry:
    """A route made ready: how its service is chosen, and what holds with each."""

    def __init__(self, gateway: Gateway, route: Route, platform: "Platform") -> None:
        self.route = route
        self.selector = Selector(route, lambda flag, key: platform.flags.enabled(flag, targeting_key=key))
        self.plans = {name: Plan(gateway, route, gateway.service(name), platform) for name in route.services}
        shares = bool(route.split) or route.canary is not None
        personal = shares and route.sticky in ("user", "tenant")
        self.identifies = personal or any(plan.identifies for plan in self.plans.values())
        self.first = next(iter(self.plans.values()))


class Visit:
    """One request's way through the gateway, as far as it has come."""

    __slots__ = ("arrival", "caller", "choice", "correlation_id", "match", "plan", "rated")

    def __init__(self) -> None:
        self.arrival: Arrival | None = None
        self.match: Match | None = None
        self.plan: Plan | None = None
        self.choice: Choice | None = None
        self.caller = NOBODY
        self.correlation_id = ""
        self.rated: Headers = []

    def extra(self) -> Headers:
        """The headers that the client gets beside the upstream's."""
        plan = self.plan
        if plan is None:
            return [(CORRELATION, self.correlation_id.encode("latin-1"))]
        headers: Headers = []
        if plan.correlation.echo:
            headers.append((plan.correlation.header.lower().encode(), self.correlation_id.encode("latin-1")))
        if plan.cors is not None and self.arrival is not None:
            headers += plan.cors.headers(self.arrival.header("origin"))
        if self.choice is not None and self.choice.version is not None:
            headers += version_headers(self.choice.version)
        return headers + self.rated


class Proxy:
    """Serves the gateway's definition. It belongs to the event loop that it first serves in."""

    def __init__(self, service: "GatewayService", at_end: Callable[[], None] | None = None) -> None:
        self._at_end = at_end
        self._platform = platform = service.platform
        self._definition = definition = service.definition
        self._trusted = definition.trusted_proxies
        self._table = RouteTable(definition.routes)
        self._entries = {route.name: Entry(definition, route, platform) for route in definition.routes}
        self.meters = service.meters
        self.clusters = {
            one.name: Cluster(one, service.discovery, service.breaker, service.settings, self.meters.retries)
            for one in definition.services
        }
        self._workers = Workers(4, "gateway") if any(self._asks(entry) for entry in self._entries.values()) else None
        self._serve = traced(self._http, platform.tracing) if platform.tracing.on else self._http
        self._began = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._began:
            self._began = True
            for cluster in self.clusters.values():
                cluster.start()
        if scope["type"] == "http":
            await self._serve(scope, receive, send)
        elif scope["type"] == "websocket":
            from brickwork.gateway.websocket import relay

            await relay(self, scope, receive, send)
        else:
            await self._live(receive, send)

    async def close(self) -> None:
        """Close connections that rest, and stop asking instances how they are."""
        await asyncio.gather(*(cluster.close() for cluster in self.clusters.values()))
        if self._workers is not None:
            self._workers.close()

    # -- finding what holds ----------------------------------------------------------------------------------------------

    async def admit(self, visit: Visit, scope: Scope) -> Plan:
        """Fill in the visit of a request, and hold it to what can be held against it before its body is read."""
        visit.correlation_id = "unknown"
        arrival = visit.arrival = Arrival(scope, self._trusted)
        visit.correlation_id = arrival.correlation_id(CORRELATION)
        match = visit.match = self._table.find(arrival)
        scope["brickwork.route"] = match.route.name
        entry = self._entries[match.route.name]
        plan = visit.plan = entry.first  # so that refusals until the choice carry its headers
        header = plan.correlation.header.lower().encode()
        if header != CORRELATION:
            visit.correlation_id = arrival.correlation_id(header)
        if entry.identifies:
            visit.caller = await self._run(identify, self._platform, arrival)
        choice = visit.choice = self._choose(entry, match, arrival, visit.caller)
        plan = visit.plan = entry.plans[choice.service]
        plan.check_address(arrival)
        if plan.guarded:
            visit.rated = await self._run(plan.guard, arrival, visit.caller)
        return plan

    def told(self, visit: Visit, plan: Plan) -> Headers:
        """The headers that tell the upstream of the visit."""
        name = plan.correlation.header.lower().encode()
        trace = [(key.encode(), value.encode("latin-1")) for key, value in self._platform.tracing.carrier().items()]
        return [(name, visit.correlation_id.encode("latin-1")), *plan.identity_headers(visit.caller), *trace]

    def spanned(self, visit: Visit, plan: Plan, parent: Mapping[str, str] | None = None) -> AbstractContextManager[Span]:
        """A block that is the span of the request to the upstream, where tracing is on."""
        assert visit.arrival is not None
        told = {"http.request.method": visit.arrival.method, "peer.service": plan.service.name,
                "brickwork.correlation_id": visit.correlation_id}  # fmt: skip
        return self._platform.tracing.span(visit.arrival.method, told, kind="client", parent=parent)

    def _choose(self, entry: Entry, match: Match, arrival: Arrival, caller: Caller) -> Choice:
        if entry.selector.only is not None:
            return entry.selector.only

        def keys(sticky: str) -> str | None:
            kind, _, name = sticky.partition(":")
            if kind == "header":
                return arrival.header(name)
            if kind == "cookie":
                return arrival.cookie(name)
            return {"user": caller.actor, "tenant": caller.tenant}.get(kind, arrival.address)

        return entry.selector.choose(match, arrival, keys, lambda: self._platform.clock.now().date())

    def _asks(self, entry: Entry) -> bool:
        return entry.identifies or any(plan.guarded for plan in entry.plans.values())

    async def _run(self, function: Any, *arguments: Any) -> Any:
        assert self._workers is not None
        return await self._workers.run(function, *arguments)

    # -- HTTP ------------------------------------------------------------------------------------------------------------

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        visit = Visit()
        exchange: Exchange | None = None
        status = 499
        try:
            if scope["method"] == "OPTIONS" and await self._preflight(visit, scope, send):
                status = 204
                return
            plan = await self.admit(visit, scope)
            assert visit.arrival is not None
            assert visit.match is not None
            cluster = self.clusters[plan.service.name]
            exchange = Exchange(visit.arrival, plan, cluster, receive, send)
            with self.spanned(visit, plan) as span:
                journey = exchange.run(self.told(visit, plan), visit.extra(), visit.match)
                if plan.policies.time_limit is None:
                    await journey
                else:
                    await _within(plan.policies.time_limit, exchange, journey)
                status = exchange.status
                span.set_attribute("http.response.status_code", status)
        except ClientGoneError:
            pass
        except BrokenOffError as error:  # returning before the end makes the server cut the connection
            log.warning("an answer broke off: %s", error, extra={"correlation_id": visit.correlation_id})
            status = exchange.status if exchange is not None else status
        except Exception as error:
            status = await self._refuse(error, visit, send, cut=exchange is not None and exchange.started)
        finally:
            route = visit.match.route.name if visit.match is not None else "-"
            service = visit.choice.service if visit.choice is not None else "-"
            self.meters.observe(route, service, status, perf_counter() - started)

    async def _preflight(self, visit: Visit, scope: Scope, send: Send) -> bool:
        """Answer a browser's question about a request to come, where the route has a CORS policy."""
        arrival = Arrival(scope, self._trusted)
        origin, method = arrival.header("origin"), arrival.header("access-control-request-method")
        match = self._table.preflight(arrival, method) if origin is not None and method is not None else None
        if match is None or origin is None:
            return False
        plan = self._entries[match.route.name].first
        if plan.cors is None:
            return False
        visit.match, visit.plan = match, plan
        await send({"type": "http.response.start", "status": 204, "headers": plan.cors.preflight(origin)})
        await send({"type": "http.response.body", "body": b""})
        return True

    async def _refuse(self, error: Exception, visit: Visit, send: Send, *, cut: bool) -> int:
        """Answer with an error, in the envelope; its status."""
        status, body, headers = self.refusal(error, visit)
        if cut:
            return status
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        return status

    def refusal(self, error: Exception, visit: Visit) -> tuple[int, bytes, Headers]:
        """Status, body and headers that tell of an error. What was not foreseen is logged, and told without detail."""
        now, correlation_id = self._platform.clock.now(), visit.correlation_id
        headers = [
            (b"content-type", b"application/json"),
            (b"cache-control", b"no-store"),
            (b"date", http_date(int(time()))),
            *(visit.plan.security if visit.plan is not None else []),
            *visit.extra(),
        ]
        if not isinstance(error, BrickworkError):
            log.error("the gateway failed", exc_info=error, extra={"correlation_id": correlation_id})
            problem = Problem("something went wrong here; the correlation id finds it in the logs", None, "internal")
            status, body = 500, failure([problem], correlation_id, now)
        else:
            if error.status >= 500:
                log.warning("%s: %s", error.code, error.message, extra={"correlation_id": correlation_id})
            status, body = error.status, failure(problems_of(error), correlation_id, now, error.details)
            wait = error.details.get("retry_after", 1 if error.status == 503 else None)
            headers += [(b"retry-after", str(wait).encode())] if wait is not None else []
            if isinstance(error, UnauthenticatedError):
                headers.append((b"www-authenticate", b'Bearer realm="brickwork"'))  # RFC 9110, 11.6.1
            if isinstance(error, MethodRefusedError):
                headers.append((b"allow", str(error.details["allow"]).encode()))
        arrival = visit.arrival
        if arrival is None or arrival.chunked or arrival.length:
            headers.append((b"connection", b"close"))  # the rest of the body is not read
        headers.append((b"content-length", str(len(body)).encode()))
        return status, body, headers

    async def _live(self, receive: Receive, send: Send) -> None:
        """ASGI's lifespan."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.close()
                if self._at_end is not None:
                    await asyncio.to_thread(self._at_end)
                await send({"type": "lifespan.shutdown.complete"})
                return


async def _within(seconds: float, exchange: Exchange, journey: Any) -> None:
    """Await the journey of an exchange for so long; raises `GatewayTimeoutError` or `BrokenOffError`."""
    try:
        async with asyncio.timeout(seconds) as limit:
            await journey
    except TimeoutError:
        if not limit.expired():
            raise
        told = f"the exchange took longer than {seconds:g} s"
        if exchange.started:
            raise BrokenOffError(told) from None
        raise GatewayTimeoutError(told) from None
