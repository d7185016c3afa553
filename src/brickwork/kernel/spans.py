"""Tracing that is on: spans by OpenTelemetry, of one platform (two in a process don't mix theirs)."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from opentelemetry import context as carried
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from brickwork.errors import BrickworkError, MissingDependencyError
from brickwork.kernel.context import Context
from brickwork.kernel.settings import PlatformSettings
from brickwork.kernel.tracing import _NO_SPAN, Attributes, Kind, Span, Tracing

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

_KINDS = {kind.name.lower(): kind for kind in SpanKind}
_W3C = TraceContextTextMapPropagator()


class Traced(Tracing):
    """See `Tracing`, whose docstrings hold here."""

    on = True

    def __init__(self, platform: "Platform") -> None:
        from brickwork import __version__

        super().__init__(platform)
        settings = platform.settings.platform
        # who began a trace decides whether it is kept; only traces that begin here are drawn
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(settings.traces_ratio)),
            resource=Resource.create(
                {"service.name": settings.traces_service, "deployment.environment.name": settings.environment}
            ),
            shutdown_on_exit=False,
        )
        if (exporter := _exporter(settings)) is not None:
            self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("brickwork", __version__)

    @property
    def provider(self) -> TracerProvider:
        return self._provider

    def span(
        self,
        name: str,
        attributes: Attributes | None = None,
        *,
        kind: Kind = "internal",
        parent: Mapping[str, str] | None = None,
        inner: bool = False,
    ) -> AbstractContextManager[Span]:
        if inner and not trace.get_current_span().is_recording():
            return _NO_SPAN
        return self._span(name, attributes, kind, parent)

    def headers(self) -> dict[str, str]:
        return super().headers() | self.carrier()

    def carrier(self) -> dict[str, str]:
        carrier: dict[str, str] = {}
        _W3C.inject(carrier)
        return carrier

    def ids(self) -> tuple[str, str] | None:
        found = trace.get_current_span().get_span_context()
        return (format(found.trace_id, "032x"), format(found.span_id, "016x")) if found.is_valid else None

    def note(self, context: Context) -> None:
        span = trace.get_current_span()
        span.set_attribute("brickwork.correlation_id", context.correlation_id)
        span.set_attribute("brickwork.actor", context.actor)
        if context.tenant is not None:
            span.set_attribute("brickwork.tenant", context.tenant)

    def failed(self, kind: str) -> None:
        span = trace.get_current_span()
        span.set_attribute("error.type", kind)
        span.set_status(Status(StatusCode.ERROR))

    def close(self) -> None:
        self._provider.shutdown()

    @contextmanager
    def _span(
        self, name: str, attributes: Attributes | None, kind: Kind, parent: Mapping[str, str] | None
    ) -> Iterator[trace.Span]:
        above = None if parent is None else _W3C.extract(parent, carried.Context())
        # a message's consumer is below its producer and linked to it as well (messaging conventions, "Consumer spans")
        told = trace.get_current_span(above).get_span_context() if kind == "consumer" else None
        links = [trace.Link(told)] if told is not None and told.is_valid else None
        span = self._tracer.start_span(name, above, _KINDS[kind], attributes, links)
        token = carried.attach(trace.set_span_in_context(span, above))
        try:
            yield span
        except BaseException as error:
            self.failed(error.code if isinstance(error, BrickworkError) else type(error).__qualname__)
            raise
        finally:
            carried.detach(token)
            span.end()


def _exporter(settings: PlatformSettings) -> SpanExporter | None:
    if settings.traces == "console":
        return ConsoleSpanExporter()
    if settings.traces == "custom":
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        raise MissingDependencyError("opentelemetry-exporter-otlp-proto-http", "otel") from None
    return OTLPSpanExporter(endpoint=settings.traces_endpoint)
