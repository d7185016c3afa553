"""Traces: what one request led to, span by span, over threads, jobs, messages and HTTP calls (`platform.tracing`).

Off unless `[platform] traces` says otherwise; then OpenTelemetry (extra `otel`) is imported, and `brickwork.kernel.spans` does
the work. Where tracing is off each call here does nothing, and hot paths ask `on` once instead.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Literal, Protocol

from brickwork.errors import MissingDependencyError
from brickwork.kernel.context import Context

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

Kind = Literal["internal", "server", "client", "producer", "consumer"]
Attributes = Mapping[str, str | int | float | bool]


class Span(Protocol):
    """A piece of work that is under way; OpenTelemetry's spans are such."""

    def set_attribute(self, key: str, value: str | int | float | bool) -> None:
        """Note a value; names are those of OpenTelemetry's semantic conventions where it has one."""
        ...

    def update_name(self, name: str) -> None:
        """Name it anew, once more is known of it."""
        ...


class _NoSpan:
    def set_attribute(self, key: str, value: str | int | float | bool) -> None: ...

    def update_name(self, name: str) -> None: ...


_NO_SPAN: AbstractContextManager[Span] = nullcontext(_NoSpan())


class Tracing:
    """Tracing that is off, and what it can do where it is on."""

    on = False

    def __init__(self, platform: "Platform") -> None:
        self._platform = platform

    @property
    def provider(self) -> Any:
        """OpenTelemetry's `TracerProvider` of this platform, for exporters and instrumentations of a product; None when off."""
        return None

    def span(
        self,
        name: str,
        attributes: Attributes | None = None,
        *,
        kind: Kind = "internal",
        parent: Mapping[str, str] | None = None,
        inner: bool = False,
    ) -> AbstractContextManager[Span]:
        """A block that is a span: below the current one, or below that which `parent` names (`traceparent` and `tracestate`, as
        W3C Trace Context has them). With `inner` it is one only inside another, so that what a process does for itself leaves no
        traces. What is raised is noted by its code or class, never by its text, which may hold anybody's data."""
        return _NO_SPAN

    def headers(self) -> dict[str, str]:
        """What an outgoing request should carry: `x-correlation-id`, and where tracing is on `traceparent` and `tracestate`."""
        context = self._platform.current
        return {} if context.correlation_id == "none" else {"x-correlation-id": context.correlation_id}

    def carrier(self) -> dict[str, str]:
        """`traceparent` and `tracestate` of the current span, for `parent` of another; empty where there is none."""
        return {}

    def ids(self) -> tuple[str, str] | None:
        """The current trace's and span's id, in hexadecimal digits."""
        return None

    def note(self, context: Context) -> None:
        """Write into the current span for whom it works."""

    def failed(self, kind: str) -> None:
        """Note in the current span that it failed, and by what (`error.type`: a code or a status, no text)."""

    def close(self) -> None:
        """Send what is still here."""


def tracing(platform: "Platform") -> Tracing:
    """The tracing that `[platform]` asks for; raises `MissingDependencyError` where OpenTelemetry is needed and absent."""
    if platform.settings.platform.traces == "off":
        return Tracing(platform)
    try:
        from brickwork.kernel.spans import Traced
    except ImportError:
        raise MissingDependencyError("opentelemetry-sdk", "otel") from None
    return Traced(platform)
