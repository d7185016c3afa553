"""The hot path of a request: one look-up, one parse, one hand-over to a bounded pool of threads, one dump.

FastAPI's machinery (dependency solving, response models, its stack of middleware) stays off it; the endpoints' models
give the same checks and the same OpenAPI.
"""

import logging
from collections.abc import Mapping
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import orjson
from pydantic import TypeAdapter
from pydantic import ValidationError as PydanticError
from starlette.types import Receive, Scope, Send

from brickwork.errors import (
    BrickworkError,
    DatabaseBusyError,
    MalformedRequestError,
    PreconditionFailedError,
    Problem,
    StaleVersionError,
    TooLargeError,
    UnauthenticatedError,
    UnavailableError,
    UnsupportedMediaTypeError,
    ValidationError,
)
from brickwork.kernel.context import Context, carry
from brickwork.kernel.ids import new_id
from brickwork.limits import Caller
from brickwork.web.endpoint import PUBLIC, SIGNED_IN, Call, Endpoint, Reply
from brickwork.web.envelope import failure, problems_of, success
from brickwork.web.idempotency import Answer
from brickwork.web.ratelimit import counted
from brickwork.web.workers import Workers

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform
    from brickwork.limits.admission import Route
    from brickwork.web.service import Web

log = logging.getLogger("brickwork.web")

_WANTED = frozenset(
    (b"authorization", b"client-cert", b"cookie", b"host", b"origin", b"sec-fetch-site", b"user-agent", b"x-correlation-id",
     b"traceparent", b"if-match", b"if-none-match", b"idempotency-key", b"content-type", b"content-length", b"accept-language")
)  # fmt: skip


class OverloadedError(UnavailableError):
    """More requests wait than the process can answer soon."""

    code = "overloaded"


class Handling:
    """An endpoint made ready: what parses its query and body is built once."""

    __slots__ = ("_parts", "body", "endpoint", "permission", "query", "route", "varies")

    def __init__(self, endpoint: Endpoint, prefix: str) -> None:
        self.endpoint = endpoint
        self.permission = endpoint.permission
        self.varies = "{" in endpoint.permission
        self.body: TypeAdapter[Any] | None = endpoint.body_adapter
        self.query = TypeAdapter(endpoint.query) if endpoint.query is not None else None
        self.route = prefix + endpoint.path
        self._parts = self.route.split("/")[1:]

    def parts(self, path: Mapping[str, str]) -> tuple[str, list[str]]:
        """The method and the parts of the path as the router understood them, however the path was encoded."""
        return self.endpoint.method, [path[part[1:-1]] if part.startswith("{") else part for part in self._parts]


class Visit:
    """What is known of a request once its caller was admitted. It outlives a first attempt, so that none is counted twice."""

    __slots__ = ("context", "told")

    def __init__(self) -> None:
        self.context: Context | None = None
        #: Header fields that the answer has in any case.
        self.told: dict[str, str] = {}


class Dispatcher:
    """Answers requests for endpoints."""

    def __init__(self, platform: "Platform", web: "Web", observe: Any) -> None:
        self._platform = platform
        self._web = web
        self._observe = observe
        self._readers = Workers(web.settings.threads, "brickwork-read")
        # a database that admits one writer is not served faster by several threads that queue for it
        writers = web.settings.threads if platform.database.concurrent_writers else 1
        self._writers = Workers(writers, "brickwork-write")
        self._waiting = 0
        self._tracing = platform.tracing if platform.tracing.on else None
        # a limit that another machine counts must not hold up the event loop
        near = platform.database.embedded and platform.limits.embedded
        self._lane = platform.database.lane() if near else None

    async def answer(
        self, methods: Mapping[str, Handling], path: dict[str, str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Serve one request."""
        started = perf_counter()
        headers = read_headers(scope)
        method = scope["method"]
        handling = methods.get("GET" if method == "HEAD" else method)
        if handling is None:
            status, body, extra = self._not_allowed(methods, headers)
            route = "-"
        else:
            route = scope["brickwork.route"] = handling.route
            status, body, extra = await self._run(handling, path, scope, receive, headers)
        await send({"type": "http.response.start", "status": status, "headers": _raw_headers(headers, body, extra)})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})
        self._observe(method, route, status, perf_counter() - started)

    def close(self) -> None:
        """Let running requests end."""
        self._readers.close()
        self._writers.close()

    async def _run(
        self, handling: Handling, path: dict[str, str], scope: Scope, receive: Receive, headers: dict[str, str]
    ) -> Answer:
        try:
            raw = await self._read(receive, headers) if handling.body is not None else b""
            if self._waiting >= self._web.settings.backlog:
                raise OverloadedError("the server has more requests waiting than it can answer soon; try again")
        except BrickworkError as error:
            return self.refuse(error, headers["x-correlation-id"])
        visit = Visit()
        status, body, extra = await self._answered(handling, path, scope, raw, headers, visit)
        return status, body, {**extra, **visit.told} if visit.told else extra

    async def _answered(
        self, handling: Handling, path: dict[str, str], scope: Scope, raw: bytes, headers: dict[str, str], visit: Visit
    ) -> Answer:
        if self._lane is not None and handling.endpoint.short(scope["query_string"]):
            try:
                with self._platform.database.impatient(self._lane):
                    return self._work(handling, path, scope, raw, headers, visit)
            except DatabaseBusyError:
                pass  # another writer is at it; nothing was done yet, and a thread may wait
        self._waiting += 1
        try:
            workers = self._readers if handling.endpoint.method == "GET" else self._writers
            work = self._work if self._tracing is None else carry(self._work)
            return await workers.run(work, handling, path, scope, raw, headers, visit)
        finally:
            self._waiting -= 1

    def _work(
        self, handling: Handling, path: dict[str, str], scope: Scope, raw: bytes, headers: dict[str, str], visit: Visit
    ) -> Answer:
        """Context, checks, handler, answer."""
        try:
            context = visit.context
            if context is None:
                context = visit.context = self._admit(handling, path, headers, scope, visit.told)
            if self._tracing is not None:
                self._tracing.note(context)
            with self._platform.contexts.use(context):
                body = self._body(handling, raw, headers)
                call = Call(self._platform, path, self._query(handling, scope), body, headers, _address(scope))
                key = headers.get("idempotency-key")
                if key is not None and scope["method"] == "POST" and context.tenant is not None and not handling.endpoint.secret:
                    who = context.actor.encode()  # an answer is for who asked, whatever key another takes
                    request = b"\n".join((who, scope["path"].encode(), scope["query_string"], raw))
                    return self._web.idempotency.run(key, request, lambda: self._call(handling, call, context))
                return self._call(handling, call, context)
        except DatabaseBusyError as error:
            if self._platform.database.is_impatient:
                raise
            return self.refuse(error, headers["x-correlation-id"])
        except Exception as error:  # nothing may leave without an envelope
            return self.refuse(error, headers["x-correlation-id"])

    def _admit(
        self, handling: Handling, path: Mapping[str, str], headers: Mapping[str, str], scope: Scope, told: dict[str, str]
    ) -> Context:
        """The caller's context; raises unless the caller holds the endpoint's permission, for one resource at least, and its plan
        has room for the call."""
        permission = handling.permission
        route = partial(handling.parts, path)
        if permission == PUBLIC:  # whose old session is over must be able to sign in
            counted(self._platform, Caller(None, "anonymous", address=_address(scope)), route, told)
            return self._anonymous(headers)
        context = self.enter(headers, scope, route, told)
        access = context.access
        assert access is not None
        if permission == SIGNED_IN:
            if context.actor == "anonymous":
                access.require(permission)
            return context
        if handling.varies:
            permission = permission.format_map(path)
        if context.tenant is None and context.actor != "anonymous":
            from brickwork.auth import TenantRequiredError

            raise TenantRequiredError("this session works in no tenant yet; choose one with POST /api/v1/auth/session/tenant")
        if not access.holds(permission):
            access.require(permission)
        return context

    def enter(self, headers: Mapping[str, str], scope: Scope, route: "Route", told: dict[str, str]) -> Context:
        """The context of whoever the headers show, whose call was counted; what the answer tells of that goes into `told`. Raises
        `UnauthenticatedError` for what is shown and not good, and `RateLimitedError`."""
        try:
            identity = self._platform.auth.identify(headers, scope["method"])
        except UnauthenticatedError:
            counted(self._platform, Caller(None, "anonymous", address=_address(scope)), route, told)
            raise
        if identity is None:
            context, key = self._anonymous(headers), ""
        else:
            context, key = identity.context(headers["x-correlation-id"], _language(headers)), identity.key
        counted(self._platform, Caller(context.tenant, context.actor, key, _address(scope)), route, told)
        return context

    def _anonymous(self, headers: Mapping[str, str]) -> Context:
        access = self._platform.auth.nobody()
        return Context(None, "anonymous", headers["x-correlation-id"], _language(headers), access=access)

    def _call(self, handling: Handling, call: Call, context: Context) -> Answer:
        endpoint = handling.endpoint
        result = endpoint.handler(call)
        reply = result if isinstance(result, Reply) else Reply(result, endpoint.status)
        extra = dict(reply.headers)
        if reply.version is not None:
            tag = extra["etag"] = f'"{reply.version}"'
            if call.headers.get("if-none-match") in (tag, "*") and endpoint.method == "GET":
                return 304, b"", extra
        status = reply.status if reply.status != 200 else endpoint.status
        if status == 204:
            return status, b"", extra
        return status, success(reply.data, context.correlation_id, self._platform.clock.now(), reply.page), extra

    def refuse(self, error: Exception, correlation_id: str) -> Answer:
        """The answer for an error; what was not foreseen is logged and shown without detail."""
        now = self._platform.clock.now()
        if isinstance(error, StaleVersionError) and error.details.get("expected") is not None:
            problem = Problem(error.message, None, PreconditionFailedError.code)
            return PreconditionFailedError.status, failure([problem], correlation_id, now, error.details), {}
        if isinstance(error, BrickworkError) and (error.status < 500 or error.status in (501, 503, 507)):
            wait = error.details.get("retry_after", 1 if error.status == 503 else None)
            extra = {} if wait is None else {"retry-after": str(wait)}
            if isinstance(error, UnauthenticatedError):
                extra["www-authenticate"] = 'Bearer realm="brickwork"'  # RFC 9110, 11.6.1
            return error.status, failure(problems_of(error), correlation_id, now, error.details), extra
        log.error("request failed", exc_info=error, extra={"correlation_id": correlation_id})
        problem = Problem("something went wrong here; the correlation id finds it in the logs", None, "internal")
        return 500, failure([problem], correlation_id, now), {}

    # -- reading -----------------------------------------------------------------------------------------------------

    async def _read(self, receive: Receive, headers: dict[str, str]) -> bytes:
        most = self._web.settings.max_body_bytes
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > most:
            raise TooLargeError(f"the body is {length} bytes; at most {most} are accepted")
        message = await receive()
        body: bytes = message.get("body", b"")
        if not message.get("more_body"):
            if len(body) > most:
                raise TooLargeError(f"the body is larger than {most} bytes")
            return body
        parts, size = [body], len(body)
        while message.get("more_body"):
            message = await receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > most:
                raise TooLargeError(f"the body is larger than {most} bytes")
        return b"".join(parts)

    def _query(self, handling: Handling, scope: Scope) -> Any:
        if handling.query is None:
            return None
        raw: bytes = scope["query_string"]
        try:
            pairs = dict(parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=50)) if raw else {}
            return handling.query.validate_python(pairs)
        except PydanticError as error:
            raise _refusal(error, "query") from None
        except ValueError:
            raise MalformedRequestError("the query string can't be read: it takes percent-encoded UTF-8 pairs") from None

    def _body(self, handling: Handling, raw: bytes, headers: dict[str, str]) -> Any:
        if handling.body is None:
            return None
        kind = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
            raise UnsupportedMediaTypeError(f"the body is {kind}; send application/json")
        try:
            return handling.body.validate_python(orjson.loads(raw))
        except orjson.JSONDecodeError as error:
            raise MalformedRequestError(f"the body is no JSON: {error}") from None
        except PydanticError as error:
            raise _refusal(error, "body") from None

    def _not_allowed(self, methods: Mapping[str, Handling], headers: dict[str, str]) -> Answer:
        allowed = ", ".join(sorted(methods))
        problem = Problem(f"this path answers {allowed}", None, "method_not_allowed")
        body = failure([problem], headers["x-correlation-id"], self._platform.clock.now())
        return 405, body, {"allow": allowed}


def read_headers(scope: Scope) -> dict[str, str]:
    """The headers that matter, by lower-case name; the correlation id is made where none came."""
    headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in _WANTED}
    given = headers.get("x-correlation-id", "")
    if not (0 < len(given) <= 128 and given.isascii() and given.isprintable()):
        parts = headers.get("traceparent", "").split("-")
        headers["x-correlation-id"] = parts[1] if len(parts) == 4 and len(parts[1]) == 32 else new_id()
    return headers


def _address(scope: Scope) -> str:
    return str((scope.get("client") or ("",))[0])


def _language(headers: Mapping[str, str]) -> str:
    return headers.get("accept-language", "en").partition(",")[0].partition(";")[0].strip()[:35] or "en"


def _raw_headers(headers: Mapping[str, str], body: bytes, extra: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    raw = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-correlation-id", headers["x-correlation-id"].encode("latin-1")),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
    ]
    if "traceparent" in headers:
        raw.append((b"traceparent", headers["traceparent"].encode("latin-1")))
    raw.extend((name.lower().encode(), value.encode("latin-1")) for name, value in extra.items())
    return raw


def _refusal(error: PydanticError, where: str) -> ValidationError:
    problems = [
        Problem(item["msg"].removeprefix("Value error, "), ".".join(map(str, item["loc"])) or where)
        for item in error.errors(include_url=False, include_input=False)
    ]
    told = "; ".join(f"{p.field}: {p.message}" for p in problems[:5])
    return ValidationError(f"the {where} is not valid: {told}", problems=problems)
