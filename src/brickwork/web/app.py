"""The application: brickwork's endpoints on the hot path, and FastAPI for documents and for a product's own routes."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from brickwork import __version__
from brickwork.errors import BrickworkError, Problem, UnauthenticatedError
from brickwork.kernel.component import resolve
from brickwork.web.dispatch import Dispatcher, Handling, read_headers
from brickwork.web.endpoint import Endpoint
from brickwork.web.envelope import failure
from brickwork.web.inspection import may_inspect
from brickwork.web.metrics import Metrics
from brickwork.web.openapi import describe
from brickwork.web.routing import Router
from brickwork.web.spans import traced

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform
    from brickwork.web.service import Web

PREFIX = "/api/v1"


class BrickworkAPI(FastAPI):
    """A FastAPI application that answers the platform's endpoints itself and everything else as FastAPI does.

    A product adds its own routes with `app.get(...)` or `app.include_router(...)`; they run in the context of the caller, who may
    be nobody (`platform.require(...)` asks for a permission), and errors from `brickwork.errors` get the envelope there too.
    """

    def __init__(self, platform: "Platform", endpoints: list[Endpoint], **options: Any) -> None:
        super().__init__(title="brickwork", version=__version__, lifespan=self._live, **options)
        self.platform = platform
        self.endpoints = endpoints
        self._web: Web = platform.get("web")
        self._metrics = Metrics(platform)
        self._dispatcher = Dispatcher(platform, self._web, self._metrics.observe)
        self._router = Router(PREFIX, [(endpoint, Handling(endpoint, PREFIX)) for endpoint in endpoints])
        self._service = {"/healthz": self._healthz, "/readyz": self._readyz, "/metrics": self._measured}
        self._serve: ASGIApp = traced(self._answer, platform.tracing) if platform.tracing.on else self._answer
        self._mounts: dict[str, ASGIApp] = {}
        for component in platform.components.values():
            if component.asgi:
                self._mounts.update(resolve(component.asgi)(platform))
        for kind in (BrickworkError, HTTPException, RequestValidationError, Exception):
            self.add_exception_handler(kind, self._refuse)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._serve(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            found = self._router.find(scope["path"])
            if found is not None:
                await self._dispatcher.answer(found[0], found[1], scope, receive, send)
                return
            service = self._service.get(scope["path"])
            if service is not None:
                await service(scope, receive, send)
                return
            mount = self._mounts.get(scope["path"].split("/", 2)[1])
            if mount is not None:
                await mount(scope, receive, send)
                return
            await self._with_context(scope, receive, send)
            return
        if scope["type"] == "websocket" and (mount := self._mounts.get(scope["path"].split("/", 2)[1])) is not None:
            await mount(scope, receive, send)
            return
        await super().__call__(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        """FastAPI's document with the endpoints added."""
        if self.openapi_schema is None:
            self.openapi_schema = describe(super().openapi(), self.endpoints, PREFIX)
        return self.openapi_schema

    async def _with_context(self, scope: Scope, receive: Receive, send: Send) -> None:
        """FastAPI's own way, in the context of the caller, who may be nobody."""
        headers, told = read_headers(scope), dict[str, str]()
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        route = method, scope["path"].split("/")[1:]

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *((name.encode(), value.encode()) for name, value in told.items())]
            await send(message)

        try:
            context = await self.platform.aio(self._dispatcher.enter, headers, scope, lambda: route, told)
        except BrickworkError as error:
            await self._error(error, headers["x-correlation-id"])(scope, receive, sending)
            return
        with self.platform.contexts.use(context):
            await super().__call__(scope, receive, sending)

    async def _refuse(self, request: Request, error: Exception) -> Response:
        correlation_id = read_headers(request.scope)["x-correlation-id"]
        if isinstance(error, HTTPException):
            code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
            body = failure([Problem(str(error.detail), None, code)], correlation_id, self.platform.clock.now())
            return Response(body, error.status_code, dict(error.headers or {}), "application/json")
        if isinstance(error, RequestValidationError):
            problems = [Problem(str(item["msg"]), ".".join(map(str, item["loc"]))) for item in error.errors()]
            return Response(failure(problems, correlation_id, self.platform.clock.now()), 422, media_type="application/json")
        return self._error(error, correlation_id)

    def _error(self, error: Exception, correlation_id: str) -> Response:
        status, body, headers = self._dispatcher.refuse(error, correlation_id)
        return Response(body, status, {**headers, "x-correlation-id": correlation_id}, "application/json")

    async def _healthz(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Alive: the process answers."""
        await Response(b'{"status":"ok"}', media_type="application/json")(scope, receive, send)

    async def _readyz(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ready: every backend that was started answers. Which do is for who may inspect the server."""
        import orjson

        report = await self.platform.aio(self.platform.health)
        ok = all(health.ok for health in report.values())
        body: dict[str, Any] = {"status": "ok" if ok else "unavailable"}
        if may_inspect(scope, self._web.settings):
            body["checks"] = {n: {"ok": h.ok, "detail": h.detail} for n, h in report.items()}
        await Response(orjson.dumps(body), 200 if ok else 503, media_type="application/json")(scope, receive, send)

    async def _measured(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What was counted, for who may inspect the server."""
        answer: ASGIApp = self._metrics.answer
        if not may_inspect(scope, self._web.settings):
            error = UnauthenticatedError("ask from this machine itself, or show web.metrics_token as a bearer token")
            answer = self._error(error, read_headers(scope)["x-correlation-id"])
        await answer(scope, receive, send)

    @asynccontextmanager
    async def _live(self, app: FastAPI) -> AsyncIterator[None]:
        self.platform.start()
        yield
        self._dispatcher.close()
        self.platform.close()


Service = Callable[[Scope, Receive, Send], Awaitable[None]]


def create_app(platform: "Platform | None" = None) -> BrickworkAPI:
    """The ASGI application of a platform (by default the one that settings describe), for any ASGI server."""
    from brickwork.kernel.platform import Platform

    platform = platform or Platform.from_settings()
    endpoints: list[Endpoint] = []
    for component in platform.components.values():
        if component.routes:
            endpoints += resolve(component.routes)(platform)
    for added in platform.plugins.hook.brickwork_routes(platform=platform):
        endpoints += added
    return BrickworkAPI(platform, endpoints)
