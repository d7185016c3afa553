"""What browsers and providers call: `/federation/NAME/start`, `link`, `callback` and `logout`. They have threads of their own, so
that a provider that hangs holds up no other calls."""

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode
from uuid import UUID

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from brickwork.auth.credentials import (
    PREFIX,
    SECURE_COOKIE,
    check_origin,
    cookie_name,
    identify,
    own_session,
    read_cookie,
    recent_session,
    session_cookie,
    set_cookie,
)
from brickwork.errors import (
    BrickworkError,
    MissingDependencyError,
    NotFoundError,
    TooLargeError,
    UnavailableError,
    ValidationError,
)
from brickwork.federation.errors import FederationRefusedError
from brickwork.kernel.context import Context

if TYPE_CHECKING:
    from brickwork.federation.service import Begun
    from brickwork.kernel.platform import Platform

log = logging.getLogger("brickwork.federation")
#: Calls that are served at once, and that may wait for their turn.
THREADS, WAITING = 16, 64
#: Bytes of a logout token with its form.
LARGEST = 65_536
_HEADERS = {"cache-control": "no-store", "referrer-policy": "no-referrer"}


def mounts(platform: "Platform") -> dict[str, ASGIApp]:
    """The application, by the first part of the path."""
    return {"federation": _Door(platform)}


class _Door:
    def __init__(self, platform: "Platform") -> None:
        self._platform = platform
        self._federation = platform.federation
        self._auth = platform.auth
        self._threads: anyio.CapacityLimiter | None = None
        self._routes: dict[tuple[str, str], Callable[[str, Request], Response]] = {
            ("GET", "start"): self._start,
            ("POST", "link"): self._link,
            ("GET", "callback"): self._callback,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        request = Request(scope, receive)
        answer = await self._answer(request)
        answer.headers.update(_HEADERS)
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        parts = request.url.path.split("/")[2:]
        name, what = parts if len(parts) == 2 else ("", "")
        handler = self._routes.get((request.method, what))
        try:
            if what == "logout" and request.method == "POST":
                body = await _read(request)
                return await self._threaded(lambda: self._log_out(name, request, body))
            if handler is None:
                raise NotFoundError("there are GET start, POST link, GET callback and POST logout")
            return await self._threaded(lambda: self._within(name, request, handler))
        except BrickworkError as error:
            return self._refusal(error)

    async def _threaded(self, work: Callable[[], Response]) -> Response:
        if self._threads is None:
            self._threads = anyio.CapacityLimiter(THREADS)
        if self._threads.statistics().tasks_waiting >= WAITING:
            raise UnavailableError("too many wait for providers that don't answer; try again")
        return await anyio.to_thread.run_sync(work, limiter=self._threads)

    def _within(self, name: str, request: Request, handler: Callable[[str, Request], Response]) -> Response:
        with self._platform.contexts.use(Context(actor=f"federation:{name[:40]}")):
            return handler(name, request)

    # -- for browsers --------------------------------------------------------------------------------------------------

    def _start(self, name: str, request: Request) -> Response:
        query = _parameters(request)
        self._throttle(request)
        begun = self._federation.begin(
            name, tenant=query.get("tenant"), next=query.get("next", "/"), browser=self._browser(request),
            invitation=query.get("invitation"),
        )  # fmt: skip
        return self._away(request, begun)

    def _link(self, name: str, request: Request) -> Response:
        """A form's POST, which no other site can send: an identity that somebody else could link would be theirs to use."""
        check_origin(request.headers, self._auth.settings.trusted_origins)
        user = recent_session(self._auth, request.headers).user_id
        begun = self._federation.begin(
            name, next=_parameters(request).get("next", "/"), browser=self._browser(request), user=user,
            tenant=self._own_tenant(name, request),
        )  # fmt: skip
        return self._away(request, begun)

    def _callback(self, name: str, request: Request) -> Response:
        done = self._federation.complete(
            name, _parameters(request), self._browser(request) or "", user=self._signed_in(request),
            address=_address(request), agent=request.headers.get("user-agent", ""),
        )  # fmt: skip
        answer = RedirectResponse(done.next, HTTPStatus.SEE_OTHER)
        if done.signed_in is not None:
            signed, headers = done.signed_in, request.headers
            seconds = int((signed.expires_at - self._auth.now()).total_seconds())
            answer.headers["set-cookie"] = session_cookie(self._auth.settings, headers, signed.token, seconds)
        return answer

    def _away(self, request: Request, begun: "Begun") -> Response:
        answer = RedirectResponse(begun.url, HTTPStatus.SEE_OTHER)
        seconds = int(self._federation.settings.attempt_minutes * 60)
        answer.headers["set-cookie"] = set_cookie(self._cookie(request), begun.browser, seconds)
        return answer

    def _browser(self, request: Request) -> str | None:
        return read_cookie(request.headers, self._cookie(request))

    def _cookie(self, request: Request) -> str:
        """The name of what a browser keeps; it has the prefix where the session's has."""
        secure = cookie_name(self._auth.settings, request.headers) == SECURE_COOKIE
        return f"{PREFIX}brickwork_federation" if secure else "brickwork_federation"

    def _signed_in(self, request: Request) -> UUID | None:
        """Who is signed in to the browser; an old cookie is as good as none."""
        try:
            return own_session(self._auth, request.headers).user_id
        except BrickworkError:
            return None

    def _own_tenant(self, name: str, request: Request) -> str | None:
        """For a provider that is open to some tenants, the one that the session works in."""
        if self._federation.provider(name).settings.tenants is None:
            return None
        identity = identify(self._auth, request.headers, "GET")
        return identity.tenant if identity is not None else None

    def _throttle(self, request: Request) -> None:
        with self._platform.contexts.use(Context(system=True)):
            self._platform.limits.require(
                f"federation:start:{_address(request)[:64]}", self._federation.settings.starts_per_address
            )

    def _refusal(self, error: BrickworkError) -> Response:
        if error.status >= 500 and not isinstance(error, (UnavailableError, MissingDependencyError)):
            log.error("a sign-in at a provider failed", exc_info=error)
            message = "something went wrong here"
        else:
            log.info("a sign-in at a provider was refused: %s", error.code)
            message = error.message
        path = self._federation.settings.error_path
        if path is not None and not isinstance(error, NotFoundError):
            return RedirectResponse(f"{path}?{urlencode({'error': error.code})}", HTTPStatus.SEE_OTHER)
        return PlainTextResponse(message, error.status, {"x-content-type-options": "nosniff"})

    # -- for providers -------------------------------------------------------------------------------------------------

    def _log_out(self, name: str, request: Request, body: bytes) -> Response:
        """Back-Channel Logout 1.0, 2.5 and 2.8."""
        self._throttle(request)
        token = parse_qs(body.decode("latin-1")).get("logout_token", [""])[0]
        with self._platform.contexts.use(Context(actor=f"federation:{name[:40]}")):
            try:
                self._federation.log_out(name, token)
            except FederationRefusedError as error:
                return JSONResponse({"error": "invalid_request", "error_description": error.message}, HTTPStatus.BAD_REQUEST)
            except (UnavailableError, MissingDependencyError) as error:  # its keys can't be had; it may try again
                return JSONResponse({"error": error.code, "error_description": error.message}, error.status)
        return Response(status_code=HTTPStatus.OK)


def _parameters(request: Request) -> Mapping[str, str]:
    """The query; raises `ValidationError` where something stands in it twice (RFC 6749, 3.1)."""
    items = request.query_params.multi_items()
    found = dict(items)
    if len(found) != len(items):
        raise ValidationError("a parameter stands in the query twice", field="query")
    return found


async def _read(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST:
            raise TooLargeError(f"a logout token takes {LARGEST} bytes at most")
    return body


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else ""
