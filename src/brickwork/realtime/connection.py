"""One client's connection: its topics, what it missed, and how fast it takes what is sent."""

import asyncio
import struct
from collections import deque
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

import orjson

from brickwork.errors import BrickworkError, ValidationError
from brickwork.realtime.log import Message
from brickwork.realtime.tickets import Guest

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform
    from brickwork.realtime.service import Realtime

#: Close codes, from the range that RFC 6455 leaves to applications.
GARBAGE, TICKET, TOO_SLOW, FLOOD, GOING = 4400, 4401, 4408, 4429, 4503


def encode(message: Message) -> bytes:
    """The JSON of a message, made once however many clients get it."""
    cached = _ENCODED.get(message.seq)
    if cached is None:
        attributes = {"op": message.kind if message.kind == "presence" else "message", "id": message.seq}
        data = orjson.Fragment(message.data)
        cached = orjson.dumps({**attributes, "topic": message.topic, "kind": message.kind, "at": message.at, "data": data})
        if len(_ENCODED) > 2000:
            _ENCODED.clear()
        _ENCODED[message.seq] = cached
    return cached


_ENCODED: dict[int, bytes] = {}


def frame(payload: bytes) -> bytes:
    """An unmasked, final text frame (RFC 6455, 5.2)."""
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x81, size) + payload
    if size < 65_536:
        return struct.pack("!BBH", 0x81, 126, size) + payload
    return struct.pack("!BBQ", 0x81, 127, size) + payload


class Sink:
    """Where a connection's bytes go. `write` takes encoded messages, `waiting` tells how many bytes the client has not taken."""

    def write(self, payloads: list[bytes]) -> None:
        """Send, without waiting."""
        raise RuntimeError("a sink of its own kind writes")

    def waiting(self) -> int:
        """Bytes not taken yet."""
        return 0

    def drop(self, code: int, reason: str) -> None:
        """End the connection at once."""


class Connection:
    """A guest's topics. Lives in the event loop; database work is done in threads."""

    def __init__(self, platform: "Platform", realtime: "Realtime", guest: Guest, sink: Sink) -> None:
        self.guest = guest
        self._platform = platform
        self._realtime = realtime
        self._sink = sink
        self._out: list[bytes] = []
        #: For each topic the last message sent, or None while what was missed is being read.
        self._sent: dict[str, int | None] = {}
        self._held: dict[str, list[Message]] = {}
        self._present: set[str] = set()
        self._requests: deque[float] = deque(maxlen=realtime.settings.max_requests)
        self.gone = False
        realtime.connections.inc()

    # -- from the hub ------------------------------------------------------------------------------------------------------

    def offer(self, message: Message) -> None:
        """Take a message of a subscribed topic; it is sent once, and in order."""
        sent = self._sent.get(message.topic)
        if sent is None:
            if message.topic in self._held:
                self._held[message.topic].append(message)
            return
        if message.seq > sent:
            self._sent[message.topic] = message.seq
            self._out.append(encode(message))

    def flush(self) -> None:
        """Send what was offered; drop a client that doesn't take it."""
        if self.gone or not self._out:
            return
        out, self._out = self._out, []
        self._sink.write(out)
        if self._sink.waiting() > self._realtime.settings.max_waiting_bytes:
            self.gone = True
            self._realtime.dropped.labels("slow").inc()
            self._sink.drop(TOO_SLOW, "too slow: what was sent is not taken")

    # -- from the client -----------------------------------------------------------------------------------------------------

    async def handle(self, text: str | bytes) -> tuple[int, str] | None:
        """Answer a request; a close code and reason where the connection must end."""
        now = monotonic()
        if len(self._requests) == self._requests.maxlen and now - self._requests[0] < 1.0:
            self._realtime.dropped.labels("flood").inc()
            return FLOOD, f"more than {self._requests.maxlen} requests a second"
        self._requests.append(now)
        try:
            request = orjson.loads(text)
            if not isinstance(request, dict) or not isinstance(request.get("op"), str):
                raise ValueError
        except ValueError:
            self._realtime.dropped.labels("garbage").inc()
            return GARBAGE, 'not a request: send JSON such as {"op": "subscribe", "topic": "entity:patient"}'
        try:
            await self._answer(request)
        except BrickworkError as error:
            self._say({"op": "error", "code": error.code, "message": error.message, "topic": request.get("topic")})
        return None

    async def close(self) -> None:
        """Leave every topic."""
        self.gone = True
        self._realtime.connections.dec()
        for topic in self._sent:
            self._realtime.hub.unsubscribe((self.guest.tenant, topic), self)
        present, self._present = self._present, set()
        for topic in present:
            await self._thread(partial(self._realtime.presence.leave, self.guest, topic))
        if present:
            self._realtime._after_commit()

    async def _answer(self, request: dict[str, Any]) -> None:
        op, topic = request["op"], request.get("topic")
        if op == "ping":
            self._say({"op": "pong"})
            return
        if not isinstance(topic, str):
            raise ValidationError("name a topic", field="topic")
        if op == "subscribe":
            since = request.get("since")
            if since is not None and not (isinstance(since, int) and 0 <= since < 2**63):
                raise ValidationError("since takes the id of a message", field="since")
            await self.subscribe(topic, since)
        elif op == "unsubscribe":
            await self._unsubscribe(topic)
        elif op == "presence":
            meta = request.get("meta") or {}
            if topic not in self._sent:
                raise ValidationError("subscribe to the topic first", field="topic")
            if not isinstance(meta, dict) or len(orjson.dumps(meta)) > 4096:
                raise ValidationError("meta takes an object of at most 4096 bytes", field="meta")
            await self._join(topic, meta)
        else:
            raise ValidationError(f"there is no op {op[:40]!r}; there are subscribe, unsubscribe, presence and ping", field="op")

    async def subscribe(self, topic: str, since: int | None) -> None:
        """Listen to a topic, from now on or from a message on."""
        realtime = self._realtime
        await self._thread(lambda: realtime.check(topic))
        if topic not in self._sent and len(self._sent) >= realtime.settings.max_topics:
            raise ValidationError(f"a connection takes {realtime.settings.max_topics} topics", field="topic")
        key = (self.guest.tenant, topic)
        present = await self._thread(realtime.hub.present)
        start = present if since is None else since
        # first held back, then listened to, then read: nothing falls between
        self._sent[topic], self._held[topic] = None, []
        realtime.hub.subscribe(key, self)
        missed, gap = await self._missed(topic, start, since is not None)
        self._say({"op": "subscribed", "topic": topic, "id": start, "gap": gap})
        held = self._held.pop(topic, [])
        self._sent[topic] = start
        for message in [*missed, *held]:
            self.offer(message)
        self.flush()

    async def _missed(self, topic: str, start: int, asked: bool) -> tuple[list[Message], bool]:
        log, found = self._realtime.log, list[Message]()
        while True:
            after = found[-1].seq if found else start
            batch = await self._thread(partial(log.of_topic, self.guest.tenant, topic, after))
            found += batch
            if len(batch) < 1000:
                break
        trimmed = (await self._thread(log.head))[1] if asked else 0
        return found, trimmed > start

    async def _unsubscribe(self, topic: str) -> None:
        if topic in self._present:
            self._present.discard(topic)
            await self._thread(lambda: self._realtime.presence.leave(self.guest, topic))
            self._realtime._after_commit()
        if self._sent.pop(topic, -1) != -1:
            self._realtime.hub.unsubscribe((self.guest.tenant, topic), self)
        self._say({"op": "unsubscribed", "topic": topic})

    async def _join(self, topic: str, meta: dict[str, Any]) -> None:
        self._present.add(topic)
        present = await self._thread(lambda: self._realtime.presence.join(self.guest, topic, meta))
        self._realtime._after_commit()
        self._say({"op": "present", "topic": topic, "clients": [one.model_dump(mode="json") for one in present]})

    def _say(self, value: dict[str, Any]) -> None:
        self._out.append(orjson.dumps(value))
        self.flush()

    async def _thread(self, function: Callable[[], Any]) -> Any:
        def work() -> Any:
            with self._platform.contexts.use(self._realtime.context(self.guest)):
                return function()

        return await asyncio.get_running_loop().run_in_executor(None, work)
