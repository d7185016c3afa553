"""HTTP requests as spans (OpenTelemetry's HTTP server conventions), continuing the trace of the caller's `traceparent`."""

from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from brickwork.kernel.tracing import Tracing

_TRACE = (b"traceparent", b"tracestate")
#: Asked every few seconds by machines; traces of them tell nothing.
_UNTOLD = frozenset(("/healthz", "/readyz", "/metrics"))


def traced(app: ASGIApp, tracing: "Tracing") -> ASGIApp:
    """`app`, with a span around each HTTP request. It finds the route in `scope["brickwork.route"]`, or where FastAPI puts it.

    The path is told, the query and the headers are not, since they may hold secrets.
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _UNTOLD:
            await app(scope, receive, send)
            return
        with tracing.span(scope["method"], _attributes(scope), kind="server", parent=trace_of(scope)) as span:

            async def told(message: Message) -> None:
                if message["type"] == "http.response.start":
                    status = message["status"]
                    span.set_attribute("http.response.status_code", status)
                    if (route := _route(scope)) is not None:
                        span.set_attribute("http.route", route)
                        span.update_name(f"{scope['method']} {route}")
                    if status >= 500:
                        tracing.failed(str(status))
                await send(message)

            await app(scope, receive, told)

    return serve


def trace_of(scope: Scope) -> dict[str, str]:
    """The trace that a request is part of, as its headers say."""
    return {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in _TRACE}


def _attributes(scope: Scope) -> dict[str, Any]:
    host, port = scope.get("server") or (None, None)
    client = scope.get("client")
    return {
        "http.request.method": scope["method"],
        "url.path": scope["path"],
        "url.scheme": scope.get("scheme", "http"),
        **({"server.address": host} if host else {}),
        **({"server.port": port} if port else {}),
        **({"client.address": client[0]} if client else {}),
        "network.protocol.version": scope.get("http_version", "1.1"),
    }


def _route(scope: Scope) -> str | None:
    own: str | None = scope.get("brickwork.route")
    return own if own is not None else getattr(scope.get("route"), "path", None)
