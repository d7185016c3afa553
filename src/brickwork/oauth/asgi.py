"""The issuers' endpoints at `/oauth/TENANT/…` and `/.well-known/…`, which speak OAuth's own JSON instead of the envelope."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from brickwork.errors import BrickworkError, MissingDependencyError
from brickwork.kernel.context import Context
from brickwork.kernel.ids import uuid7

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform
    from brickwork.oauth.request import Answer

log = logging.getLogger("brickwork.oauth")
#: Bytes of a request's body.
MOST = 65_536
Headers = Mapping[str, str]


def mounts(platform: "Platform") -> dict[str, ASGIApp]:
    """The applications, by the first part of the path."""
    door = Door(platform)
    return {"oauth": door, ".well-known": door}


class Door:
    """Reads a request, has it answered in one of the platform's threads, and sends the answer."""

    def __init__(self, platform: "Platform") -> None:
        self._platform = platform

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        headers = read_headers(scope)
        body = await _read(receive)
        status, content, extra = await self._platform.aio(self._answer, scope, headers, body)
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in extra]
        raw += [(b"content-length", str(len(content)).encode()), (b"x-correlation-id", headers["x-correlation-id"].encode())]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})

    def _answer(self, scope: Scope, headers: Headers, body: bytes | None) -> tuple[int, bytes, list[tuple[str, str]]]:
        try:
            answer = self._routed(scope, headers, body)
            return answer.status, answer.body, answer.headers
        except MissingDependencyError as error:
            return _plain(501, "not_installed", error.message)
        except BrickworkError as error:
            if error.status >= 500:
                log.error("a request to %s failed: %s", scope["path"], error.message)
            return _plain(error.status, "temporarily_unavailable" if error.status == 503 else error.code, error.message)
        except Exception:
            log.exception("a request to %s failed", scope["path"], extra={"correlation_id": headers["x-correlation-id"]})
            return _plain(500, "server_error", "something went wrong here; the correlation id finds it in the logs")

    def _routed(self, scope: Scope, headers: Headers, body: bytes | None) -> "Answer":
        from brickwork.oauth.issuer import Issuer, is_tenant

        oauth = self._platform.oauth
        oauth.server  # noqa: B018  # tells what is not installed, before what needs it is imported
        from brickwork.oauth import routes

        place = routes.place_of(scope["path"])
        if place is None or not is_tenant(place.tenant) or not oauth.keys.exist(place.tenant):
            return routes.missing()
        issuer = Issuer(oauth.base(headers.get("host", "")), place.tenant)
        context = Context(place.tenant, "oauth", headers["x-correlation-id"], headers.get("accept-language", "en")[:35])
        with self._platform.contexts.use(context):
            return routes.answer(oauth, issuer, place, scope, headers, body)


def read_headers(scope: Scope) -> dict[str, str]:
    """The headers by lower-case name, those that came several times joined; the correlation id is made where none came."""
    headers: dict[str, str] = {}
    for raw, value in scope["headers"]:
        name, text = raw.decode("latin-1").lower(), value.decode("latin-1")
        headers[name] = f"{headers[name]}{'; ' if name == 'cookie' else ', '}{text}" if name in headers else text
    given = headers.get("x-correlation-id", "")
    if not (0 < len(given) <= 128 and given.isascii() and given.isprintable()):
        headers["x-correlation-id"] = str(uuid7())
    return headers


async def _read(receive: Receive) -> bytes | None:
    """The body, or None where it is too large."""
    parts, size = list[bytes](), 0
    while True:
        message: Any = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MOST:
            return None
        if not message.get("more_body"):
            return b"".join(parts)


def _plain(status: int, code: str, message: str) -> tuple[int, bytes, list[tuple[str, str]]]:
    body = orjson.dumps({"error": code, "error_description": message})
    return status, body, [("content-type", "application/json"), ("cache-control", "no-store")]
