"""Where links to files lead (`GET /storage/TOKEN`), and where files are sent to (`POST /storage?name=…`, the body as it is)."""

import asyncio
import logging
import queue
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import parse_qs, quote

import attrs
import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from brickwork.errors import BrickworkError, MalformedRequestError, NotFoundError, UnauthenticatedError
from brickwork.kernel.context import Context
from brickwork.kernel.ids import uuid7
from brickwork.storage.blob import Blob

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

log = logging.getLogger("brickwork.storage")
_CHUNK = 262_144
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})\Z")
#: Kinds that a browser may show where it is: they hold no scripts.
_HARMLESS = frozenset({"application/pdf", "image/png", "image/jpeg", "image/gif", "image/webp", "text/plain", "text/csv"})
_SAFE = [
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
]
Headers = list[tuple[str, str]]


@attrs.frozen
class Answer:
    """What is sent back: some bytes, or a stream of as many."""

    status: int
    headers: Headers
    body: bytes = b""
    stream: BinaryIO | None = None
    length: int = 0


def mounts(platform: "Platform") -> dict[str, ASGIApp]:
    """The application, by the first part of its paths."""
    return {"storage": Door(platform)}


class Door:
    """Serves files; reading and writing happen in the platform's threads, a piece at a time."""

    def __init__(self, platform: "Platform") -> None:
        self._platform = platform

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if scope["method"] == "POST":
            answer = await self._stored(scope, headers, receive)
        else:
            answer = await self._platform.aio(self._answer, scope, headers)
        try:
            await self._send(answer, send, head=scope["method"] == "HEAD")
        finally:
            if answer.stream is not None:
                await self._platform.aio(answer.stream.close)

    async def _send(self, answer: Answer, send: Send, *, head: bool) -> None:
        length = answer.length if answer.stream is not None else len(answer.body)
        headers = [*answer.headers, ("content-length", str(length)), *_SAFE]
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": raw})
        left = 0 if head or answer.stream is None else answer.length
        while left > 0:
            assert answer.stream is not None
            chunk = await self._platform.aio(answer.stream.read, min(_CHUNK, left))
            if not chunk:
                raise OSError("the content ended before its time")  # the connection breaks, so the client knows
            left -= len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"" if head else answer.body})

    # -- reading -------------------------------------------------------------------------------------------------------

    def _answer(self, scope: Scope, headers: dict[str, str]) -> Answer:
        try:
            if scope["method"] not in ("GET", "HEAD"):
                raise NotFoundError("there is nothing here")
            place = self._platform.storage.links.read(scope["path"].removeprefix("/storage/"), self._platform.clock.now())
            with self._platform.contexts.use(Context(tenant=place.tenant, actor="link")):
                return self._served(self._platform.storage.get(place.blob), headers, inline=place.inline)
        except BrickworkError as error:
            return _refusal(error)
        except Exception:
            log.exception("a file could not be served")
            return Answer(500, [("content-type", "application/json")], b'{"error":"server_error"}')

    def _served(self, blob: Blob, headers: dict[str, str], *, inline: bool) -> Answer:
        etag = f'"{blob.sha256}"'
        told: Headers = [("etag", etag), ("accept-ranges", "bytes"), ("cache-control", "private, max-age=0"),
                         ("content-type", _type(blob)), ("content-disposition", _disposition(blob, inline=inline))]  # fmt: skip
        if headers.get("if-none-match", "") in (etag, "*"):
            return Answer(304, told)
        wanted = headers.get("range") if headers.get("if-range", etag) == etag else None
        span = _span(wanted, blob.size)
        if span is None:
            return Answer(416, [("content-range", f"bytes */{blob.size}")])
        start, end = span
        if end - start < blob.size:
            told.append(("content-range", f"bytes {start}-{end - 1}/{blob.size}"))
        stream = self._platform.storage.open(blob.id, start=start)
        return Answer(206 if end - start < blob.size else 200, told, stream=stream, length=end - start)

    # -- writing -------------------------------------------------------------------------------------------------------

    async def _stored(self, scope: Scope, headers: dict[str, str], receive: Receive) -> Answer:
        """Store a body while it arrives: a thread takes from a short queue what the loop puts there."""
        chunks: queue.Queue[bytes | None] = queue.Queue(maxsize=8)
        task = asyncio.ensure_future(self._platform.aio(self._put, scope, headers, chunks))
        more = True
        while more and not task.done():
            message: Any = await receive()
            more = message.get("more_body", False) and message["type"] == "http.request"
            body = message.get("body", b"") if message["type"] == "http.request" else None
            for part in (body,) if body or body is None else ():
                await self._offer(chunks, part, task)
        await self._offer(chunks, b"", task)
        answer: Answer = await task
        return answer

    async def _offer(self, chunks: "queue.Queue[bytes | None]", part: bytes | None, task: Any) -> None:
        """Put a piece where the thread takes it; None says that the client has gone, an empty one that this was all."""
        while not task.done():
            try:
                chunks.put_nowait(part)
                return
            except queue.Full:
                await asyncio.sleep(0.005)

    def _put(self, scope: Scope, headers: dict[str, str], chunks: "queue.Queue[bytes | None]") -> Answer:
        try:
            if scope["path"].strip("/") != "storage":
                raise NotFoundError("there is nothing here")
            identity = self._platform.auth.identify(headers, "POST")
            if identity is None or identity.tenant is None:
                raise UnauthenticatedError("show who you are to store a file")
            names = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).get("name", [""])
            with self._platform.contexts.use(identity.context(headers.get("x-correlation-id", str(uuid7()))[:128], "en")):
                blob = self._platform.storage.put(_arriving(chunks), name=names[0], media_type=headers.get("content-type"))
            told = {**attrs.asdict(blob), "id": str(blob.id), "created_at": blob.created_at.isoformat()}
            told.pop("deleted_at")
            body = orjson.dumps({"status": "success", "data": told})
            return Answer(201, [("content-type", "application/json")], body)
        except BrickworkError as error:
            return _refusal(error)
        except Exception:
            log.exception("a file could not be stored")
            return Answer(500, [("content-type", "application/json")], b'{"status":"error","errors":[{"code":"internal"}]}')


def _arriving(chunks: "queue.Queue[bytes | None]") -> Iterator[bytes]:
    while True:
        try:
            chunk = chunks.get(timeout=60)
        except queue.Empty:
            raise MalformedRequestError("the body did not arrive") from None
        if chunk is None:
            raise MalformedRequestError("the client went away before the body's end")
        if not chunk:
            return
        yield chunk


def _refusal(error: BrickworkError) -> Answer:
    told = [{"code": one.code, "message": one.message, "field": one.field} for one in error.problems]
    body = orjson.dumps({"status": "error", "data": None, "errors": told})
    return Answer(error.status, [("content-type", "application/json"), ("cache-control", "no-store")], body)


def _span(wanted: str | None, size: int) -> tuple[int, int] | None:
    """The first byte and the one after the last of a range (RFC 9110, 14.1.2); all for none or several ranges, None for one that
    lies outside."""
    found = _RANGE.match(wanted) if wanted is not None else None
    if found is None or found[1] == found[2] == "":
        return 0, size
    if found[1] == "":
        count = int(found[2])
        return (max(size - count, 0), size) if count and size else None
    start = int(found[1])
    end = min(int(found[2]) + 1, size) if found[2] else size
    return (start, end) if start < end else None


def _type(blob: Blob) -> str:
    return f"{blob.media_type}; charset=utf-8" if blob.media_type.startswith("text/") else blob.media_type


def _disposition(blob: Blob, *, inline: bool) -> str:
    """RFC 6266, with the name in ASCII for old readers and in UTF-8 (RFC 8187) for the others."""
    kind = "inline" if inline and blob.media_type in _HARMLESS else "attachment"
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", blob.name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(blob.name, safe='')}"
