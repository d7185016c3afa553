"""One request on its way: to a target, to another where that is safe, and the answer back, in pieces as they come."""

import asyncio
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from starlette.types import Receive, Send

from brickwork.errors import TooLargeError, UnsupportedMediaTypeError, ValidationError
from brickwork.gateway.arrival import Arrival, Headers
from brickwork.gateway.errors import (
    BadGatewayError,
    CircuitOpenError,
    GatewayTimeoutError,
    NoTargetError,
    UnreachableError,
)
from brickwork.gateway.forwarding import request_head, request_headers, response_headers, with_told
from brickwork.gateway.policies import Plan
from brickwork.gateway.routing import Match
from brickwork.gateway.transform import JsonChanger, is_coded, is_json

if TYPE_CHECKING:
    from brickwork.gateway.cluster import Cluster, Lease
    from brickwork.gateway.upstream import Connection

_SLASHES = re.compile(rb"/{2,}")
#: Headers that may come from both sides.
_SEVERAL = (b"vary", b"link")


class ClientGoneError(Exception):
    """Nobody waits for the answer any more."""


class BrokenOffError(Exception):
    """The answer broke off after it had begun; the client sees an incomplete message (RFC 9112, 8)."""


class Exchange:
    """Forwards one request. `told` are headers for the upstream, `extra` those that the client gets beside the upstream's."""

    def __init__(self, arrival: Arrival, plan: Plan, cluster: "Cluster", receive: Receive, send: Send) -> None:
        self._arrival, self._plan, self._cluster = arrival, plan, cluster
        self._receive, self._send = receive, send
        self._timeouts = plan.service.timeouts
        self._body = b""
        #: Whether `_body` is all of it; otherwise the rest is piped.
        self._whole = not arrival.chunked and not arrival.length
        self._piping: asyncio.Task[None] | None = None
        self._moved = 0.0
        self._size = 0
        self.status = 0

    @property
    def started(self) -> bool:
        """Whether the client has got the head of an answer."""
        return self.status > 0

    async def run(self, told: Headers, extra: Headers, match: Match) -> None:
        """Forward, and answer. Raises what `brickwork.gateway.errors` has where the client has got nothing yet, else
        `BrokenOffError`, and `ClientGoneError`."""
        headers = request_headers(self._arrival)
        if self._plan.request_headers is not None:
            headers = self._plan.request_headers.apply(headers)
        if self._plan.answer_body is not None:
            told = [*told, (b"accept-encoding", b"identity")]  # what is compressed could not be changed
        headers = with_told(headers, told)
        if not self._whole:
            await self._take_body()
        if self._whole:
            if self._body or self._arrival.length is not None or self._arrival.chunked:
                headers.append((b"content-length", str(len(self._body)).encode()))
        elif self._arrival.chunked:
            headers.append((b"transfer-encoding", b"chunked"))
        else:
            headers.append((b"content-length", str(self._arrival.length).encode()))
        try:
            await self._ask_and_pass_on(target_of(self._plan, self._arrival, match.segments), headers, extra)
        finally:
            if self._piping is not None:
                self._piping.cancel()

    async def _ask_and_pass_on(self, target: bytes, headers: Headers, extra: Headers) -> None:
        lease, connection = await self._answered(target, headers)
        sent = False
        try:
            await self._pass_on(connection, extra)
            sent = self._piping is None or self._uploaded
        except (BadGatewayError, GatewayTimeoutError) as error:
            lease.judge(well=False)
            if self.started:
                raise BrokenOffError(error.message) from None
            raise
        finally:
            connection.finish(sent=sent)
            lease.release()

    # -- to the upstream -------------------------------------------------------------------------------------------------

    async def _answered(self, target: bytes, headers: Headers) -> "tuple[Lease, Connection]":
        """A connection whose answer has begun, at the first target where that succeeds."""
        retries = self._plan.service.retries
        idempotent = self._arrival.method in retries.methods
        keyed = retries.idempotency_key and b"idempotency-key" in self._arrival.found
        again = self._whole and (idempotent or keyed)
        left = retries.attempts
        lease = await self._cluster.lease(())
        tried: list[str] = []
        while True:
            tried.append(lease.instance.address)
            connection: Connection | None = None
            failure: BadGatewayError | GatewayTimeoutError | None = None
            try:
                connection = await self._attempt(lease, target, headers, again=again)
                well = connection.status < 500
                worth = again and connection.status in retries.statuses
            except (BadGatewayError, GatewayTimeoutError) as error:
                failure, well = error, False
                worth = again or isinstance(error, UnreachableError)
            except asyncio.CancelledError:  # most often the time limit has passed
                lease.judge(well=False)
                lease.release()
                raise
            except BaseException:
                lease.release()
                raise
            lease.judge(well=well)
            following = await self._following(tried) if worth and left else None
            if following is None:
                if connection is not None:
                    return lease, connection
                lease.release()
                assert failure is not None
                raise failure
            left -= 1
            self._cluster.retried()
            if connection is not None:
                connection.finish()
            lease.release()
            lease = following

    async def _following(self, tried: list[str]) -> "Lease | None":
        with suppress(NoTargetError, CircuitOpenError):
            return await self._cluster.lease(tried)
        return None

    async def _attempt(self, lease: "Lease", target: bytes, headers: Headers, *, again: bool) -> "Connection":
        """A connection to the leased target whose answer has begun."""
        service = self._plan.service
        host = self._arrival.host.encode() if service.preserve_host else lease.host
        head = request_head(self._arrival.method, target, host, headers)
        connection = lease.pool.idle() or await lease.pool.connect(self._timeouts.connect)
        try:
            await self._ask(connection, head)
        except BadGatewayError:
            connection.abort()
            # the upstream may close a connection that rests just when it is used again (RFC 9112, 9.3.1)
            if not (again and connection.used and not connection.answered):
                raise
            connection = await lease.pool.connect(self._timeouts.connect)
            try:
                await self._ask(connection, head)
            except BaseException:
                connection.abort()
                raise
        except BaseException:
            connection.abort()
            raise
        return connection

    async def _ask(self, connection: "Connection", head: bytes) -> None:
        """Send the request and wait until its answer begins."""
        bodyless = self._arrival.method == "HEAD"
        if self._whole:
            connection.begin(head + self._body if self._body else head, bodyless=bodyless)
            await connection.head(self._timeouts.read)
            return
        connection.begin(head + self._framed(self._body), bodyless=bodyless)
        loop = asyncio.get_running_loop()
        self._moved = loop.time()
        self._piping = asyncio.create_task(self._pipe(connection))
        while True:
            try:
                await connection.head(self._timeouts.read)
                return
            except GatewayTimeoutError:
                if self._uploaded or loop.time() - self._moved >= self._timeouts.read:
                    raise

    async def _take_body(self) -> None:
        """Read the first piece of the body, or all of it where it is to be changed or may have to be sent again."""
        plan, arrival = self._plan, self._arrival
        retries = plan.service.retries
        limit = plan.most_request
        if limit is not None and arrival.length is not None and arrival.length > limit:
            raise TooLargeError(f"the body is {arrival.length} bytes; at most {limit} are accepted")
        changed = plan.request_body if plan.request_body is not None and is_json(arrival.found) else None
        if changed is not None and is_coded(arrival.found):
            raise UnsupportedMediaTypeError("a JSON body in a content coding is not accepted here; send it as it is")
        keyed = retries.idempotency_key and b"idempotency-key" in arrival.found
        kept = arrival.method in retries.methods or keyed
        held = changed.max_bytes if changed is not None else retries.body_bytes if kept and retries.attempts else 0
        pieces: list[bytes] = []
        while True:
            piece, self._whole = await self._piece()
            pieces.append(piece)
            if self._whole or self._size > held or (changed is None and (arrival.length is None or arrival.length > held)):
                break
        self._body = b"".join(pieces)
        if changed is not None:
            if self._size > changed.max_bytes or not self._whole:
                raise TooLargeError(f"the body is larger than {changed.max_bytes} bytes, which are read to change it")
            try:
                self._body = changed.apply(self._body)
            except ValueError:
                raise ValidationError("the body is no JSON object", field="body") from None

    async def _piece(self) -> tuple[bytes, bool]:
        """The next piece of the request's body, and whether it is the last."""
        message = await self._receive()
        if message["type"] != "http.request":
            raise ClientGoneError
        data: bytes = message.get("body", b"")
        self._size += len(data)
        limit = self._plan.most_request
        if limit is not None and self._size > limit:
            raise TooLargeError(f"the body is larger than {limit} bytes")
        return data, not message.get("more_body", False)

    async def _pipe(self, connection: "Connection") -> None:
        """Send the rest of the body as it comes, then watch whether the client stays."""
        try:
            last = False
            while not last:
                data, last = await self._piece()
                self._moved = asyncio.get_running_loop().time()
                if data:
                    await connection.write(self._framed(data), self._timeouts.write)
            if self._arrival.chunked:
                await connection.write(b"0\r\n\r\n", self._timeouts.write)
            self._uploaded = True
            await self._watch(connection)
        except Exception as error:
            connection.fail(error)

    #: Whether the whole body went to the upstream.
    _uploaded = False

    def _framed(self, data: bytes) -> bytes:
        if not self._arrival.chunked:
            return data
        return b"%x\r\n%s\r\n" % (len(data), data) if data else b""

    async def _watch(self, connection: "Connection") -> None:
        while (await self._receive())["type"] != "http.disconnect":
            continue
        connection.fail(ClientGoneError())

    # -- to the client ---------------------------------------------------------------------------------------------------

    async def _pass_on(self, connection: "Connection", extra: Headers) -> None:
        plan = self._plan
        status, most = connection.status, plan.most_answer
        changed = self._changer(connection)
        headers = response_headers(connection.headers, length=changed is None and status not in (204, 304))
        if plan.answer_headers is not None:
            headers = plan.answer_headers.apply(headers)
        if plan.security:
            present = {name for name, _ in headers}
            headers += [pair for pair in plan.security if pair[0] not in present]
        headers = _beside(headers, extra, cors=plan.cors is not None)
        if most is not None and self._arrival.method != "HEAD" and int(dict(headers).get(b"content-length", b"0")) > most:
            raise BadGatewayError(f"the upstream's answer is larger than {most} bytes")
        if changed is not None:
            body = await self._changed(connection, changed, changed.max_bytes if most is None else min(most, changed.max_bytes))
            headers.append((b"content-length", str(len(body)).encode()))
            await self._start(status, headers)
            await self._send({"type": "http.response.body", "body": body})
            return
        data = await connection.read(self._timeouts.read) if connection.complete else b""
        if most is not None and len(data) > most:
            raise BadGatewayError(f"the upstream's answer is larger than {most} bytes")
        await self._start(status, headers)
        if connection.complete:
            await self._send({"type": "http.response.body", "body": data})
            return
        await self._stream(connection, most)

    async def _start(self, status: int, headers: Headers) -> None:
        self.status = status
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def _stream(self, connection: "Connection", most: int | None) -> None:
        """Pass pieces on as they come. `send` waits while the client is slow, and then so does the upstream."""
        passed = 0
        while True:
            data = await connection.read(self._timeouts.read)
            passed += len(data)
            if most is not None and passed > most:
                raise BadGatewayError(f"the upstream's answer is larger than {most} bytes")
            done = connection.complete and not connection.holding
            await self._send({"type": "http.response.body", "body": data, "more_body": not done})
            if done:
                return
            if self._piping is None:  # a client that leaves is noticed where the answer takes longer
                self._piping = asyncio.create_task(self._watch(connection))
                self._uploaded = True

    def _changer(self, connection: "Connection") -> JsonChanger | None:
        """What changes the body of the answer, if anything does: a whole JSON document."""
        changer = self._plan.answer_body
        if changer is None or self._arrival.method == "HEAD" or connection.status in (204, 206, 304):
            return None
        found = dict(connection.headers)
        if not is_json(found):
            return None
        if is_coded(found):
            raise BadGatewayError("the upstream's answer is in a content coding that was not asked for, and can't be changed")
        return changer

    async def _changed(self, connection: "Connection", changer: JsonChanger, most: int) -> bytes:
        """The whole body of the answer, changed as declared."""
        body = bytearray()
        while data := await connection.read(self._timeouts.read):
            body += data
            if len(body) > most:
                raise BadGatewayError(f"the upstream's answer is larger than {most} bytes, which are read to change it")
        try:
            return changer.apply(bytes(body))
        except ValueError:
            return bytes(body)  # an array, or no JSON at all: there is nothing to change in it


def target_of(plan: Plan, arrival: Arrival, segments: int) -> bytes:
    """What the upstream is asked for: path and query, changed as the definition says."""
    path = arrival.target
    if plan.route.strip_prefix:
        path = b"/" + b"".join(_SLASHES.sub(b"/", path).split(b"/", segments + 1)[segments + 1 :])
    query = arrival.query if plan.query is None else plan.query.apply(arrival.parameters())
    path = plan.service.path.encode() + path
    return path + b"?" + query if query else path


def _beside(headers: Headers, extra: Headers, *, cors: bool) -> Headers:
    """The upstream's headers and the gateway's. What the gateway says of itself, the upstream doesn't say too."""
    replaced = {name for name, _ in extra if name not in _SEVERAL}
    kept = [pair for pair in headers if pair[0] not in replaced]
    if cors:
        kept = [pair for pair in kept if not pair[0].startswith(b"access-control-")]
    return kept + extra
