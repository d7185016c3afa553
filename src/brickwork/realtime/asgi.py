"""What clients connect to: a WebSocket, server-sent events where that can't be had, and the JavaScript client."""

import asyncio
from importlib.resources import files
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

import orjson
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from brickwork.errors import BrickworkError, ValidationError
from brickwork.realtime.connection import TICKET, Connection, Sink, frame
from brickwork.realtime.tickets import Guest

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

#: Seconds between signs of life on a stream of server-sent events.
HEARTBEAT = 15.0


def mounts(platform: "Platform") -> dict[str, ASGIApp]:
    """The applications, by the first part of the path."""
    endpoint = _Door(platform)
    return {"ws": endpoint.websocket, "sse": endpoint.events, "realtime": endpoint.client}


class _SocketSink(Sink):
    """Writes frames straight to the server's transport, several in one go; a trip through ASGI for each message and client
    costs more than all the rest. Where the transport can't be reached (another server, compression), ASGI sends."""

    def __init__(self, send: Send) -> None:
        self._send = send
        protocol: Any = getattr(send, "__self__", None)
        compressed = getattr(getattr(protocol, "config", None), "ws_per_message_deflate", True)
        self._transport: Any = None if compressed else getattr(protocol, "transport", None)
        self._queued = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.ended = asyncio.Event()
        self.reason: tuple[int, str] | None = None

    def write(self, payloads: list[bytes]) -> None:
        if self._transport is not None:
            self._transport.write(b"".join(map(frame, payloads)))
            return
        for payload in payloads:
            self._queued += len(payload)
            task = asyncio.ensure_future(self._slowly(payload))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def waiting(self) -> int:
        return self._queued if self._transport is None else int(self._transport.get_write_buffer_size())

    def drop(self, code: int, reason: str) -> None:
        self.reason = (code, reason)
        self.ended.set()
        if self._transport is not None:
            asyncio.get_running_loop().call_later(1.0, self._transport.abort)  # it won't take a farewell either

    async def _slowly(self, payload: bytes) -> None:
        try:
            await self._send({"type": "websocket.send", "text": payload.decode()})
        except Exception:
            self.ended.set()
        finally:
            self._queued -= len(payload)


class _StreamSink(Sink):
    """Server-sent events: what is written waits for the response to take it."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._waiting = 0

    def write(self, payloads: list[bytes]) -> None:
        for payload in payloads:
            self._waiting += len(payload)
            self.queue.put_nowait(payload)

    def waiting(self) -> int:
        return self._waiting

    def taken(self, payload: bytes) -> None:
        """The response took it."""
        self._waiting -= len(payload)

    def drop(self, code: int, reason: str) -> None:
        self.queue.put_nowait(None)


class _Door:
    def __init__(self, platform: "Platform") -> None:
        self._platform = platform
        self._realtime = platform.realtime
        folder = files("brickwork.realtime") / "static"
        self._static = {name: (folder / name).read_bytes() for name in ("brickwork.js", "brickwork.d.ts")}

    async def websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`/ws/{client_id}?ticket=…`"""
        if scope["type"] != "websocket":
            await Response("connect with a WebSocket", 426, {"upgrade": "websocket"})(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.accept"})
        try:
            guest = await self._admit(scope)
        except BrickworkError as error:
            await send({"type": "websocket.close", "code": TICKET, "reason": error.message[:120]})
            return
        self._realtime.hub.attach()
        sink = _SocketSink(send)
        connection = Connection(self._platform, self._realtime, guest, sink)
        try:
            code, reason = await self._serve(connection, sink, receive)
            if code:
                await send({"type": "websocket.close", "code": code, "reason": reason[:120]})
        except Exception:
            if not connection.gone:
                raise
        finally:
            await connection.close()

    async def _serve(self, connection: Connection, sink: _SocketSink, receive: Receive) -> tuple[int, str]:
        """Answer requests until either side ends it; the close code, 0 where the client went."""
        ended = asyncio.ensure_future(sink.ended.wait())
        try:
            while True:
                incoming = asyncio.ensure_future(receive())
                await asyncio.wait({incoming, ended}, return_when=asyncio.FIRST_COMPLETED)
                if ended.done():
                    incoming.cancel()
                    return sink.reason or (0, "")
                message: Any = incoming.result()
                if message["type"] == "websocket.disconnect":
                    return 0, ""
                text = message.get("text")
                verdict = await connection.handle(message.get("bytes") or b"" if text is None else text)
                if verdict is not None:
                    return verdict
        finally:
            ended.cancel()

    async def events(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`/sse/{client_id}?ticket=…&topic=…&topic=…`; `Last-Event-ID`, or `since`, resumes."""
        try:
            guest = await self._admit(scope)
            query = parse_qs(scope["query_string"].decode("latin-1"))
            headers = dict(scope["headers"])
            text = headers.get(b"last-event-id", b"").decode("latin-1") or query.get("since", [""])[0]
            since = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
            self._realtime.hub.attach()
            sink = _StreamSink()
            connection = Connection(self._platform, self._realtime, guest, sink)
            for topic in query.get("topic", []):
                await connection.subscribe(topic, since)
        except BrickworkError as error:
            body = orjson.dumps({"status": "error", "errors": [{"code": error.code, "message": error.message}]})
            await Response(body, error.status, media_type="application/json")(scope, receive, send)
            return
        kind = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": kind})
        left = asyncio.ensure_future(_disconnected(receive))
        try:
            await self._stream(sink, send, left)
        finally:
            left.cancel()
            await connection.close()

    async def _stream(self, sink: _StreamSink, send: Send, left: "asyncio.Future[None]") -> None:
        while not left.done():
            following: asyncio.Future[Any] = asyncio.ensure_future(sink.queue.get())
            both: set[asyncio.Future[Any]] = {following, left}
            await asyncio.wait(both, timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
            if not following.done():
                following.cancel()
                body = b": still here\n\n"
            else:
                payload = following.result()
                if payload is None:
                    await send({"type": "http.response.body", "body": b"event: dropped\ndata: too slow\n\n"})
                    return
                value = orjson.loads(payload)
                mark = b"id: %d\n" % value["id"] if value["op"] in ("message", "presence") else b""
                body = mark + b"event: " + value["op"].encode() + b"\ndata: " + payload + b"\n\n"
                sink.taken(payload)
            if not left.done():
                await send({"type": "http.response.body", "body": body, "more_body": True})

    async def client(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`/realtime/brickwork.js`, and its types."""
        name = scope["path"].rpartition("/")[2]
        body = self._static.get(name)
        if body is None or scope["type"] != "http":
            await Response("there are brickwork.js and brickwork.d.ts", 404)(scope, receive, send)
            return
        kind = "text/javascript" if name.endswith(".js") else "text/plain"
        await Response(body, media_type=kind, headers={"cache-control": "max-age=300"})(scope, receive, send)

    async def _admit(self, scope: Scope) -> Guest:
        query = parse_qs(scope["query_string"].decode("latin-1"))
        client = unquote(scope["path"].split("/", 2)[2]) if scope["path"].count("/") >= 2 else ""
        secret = query.get("ticket", [""])[0]
        if not client or not secret:
            raise ValidationError("connect to /ws/{client_id}?ticket=…, with a ticket from /api/v1/realtime/tickets")
        guest: Guest = await asyncio.get_running_loop().run_in_executor(None, self._realtime.tickets.take, secret, client)
        return guest


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
