"""Prometheus metrics of the web component, summed over the worker processes of a server."""

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from brickwork.errors import BrickworkError
from brickwork.kernel.metrics import BUCKETS

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform


class Metrics:
    """Counts requests and their time by method, route and status, in the platform's registry."""

    def __init__(self, platform: "Platform") -> None:
        self._platform = platform
        self._registry = platform.metrics
        self._requests = Counter(
            "brickwork_http_requests", "Requests answered", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "brickwork_http_request_seconds", "Time to answer", ("method", "route"), registry=self._registry, buckets=BUCKETS
        )
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Take in one request."""
        key = (method, route, status)
        found = self._known.get(key)
        if found is None:
            labelled = (self._requests.labels(method, route, str(status)), self._seconds.labels(method, route))
            found = self._known[key] = labelled
        found[0].inc()
        found[1].observe(seconds)

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`GET /metrics`."""
        with suppress(BrickworkError):  # the counters can be told without the gauges
            await self._platform.aio(self._platform.measure)
        registry = self._registry
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        await Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)(scope, receive, send)
