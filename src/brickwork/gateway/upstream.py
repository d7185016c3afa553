"""Connections to upstreams: HTTP/1.1 (RFC 9112) over asyncio, parsed by httptools, with back-pressure in both directions.

A connection carries one exchange at a time. What an upstream may not do (two lengths, a transfer coding that was not asked for,
an answer that nobody waits for, headers without end, an end before the end) fails the exchange and closes the connection.
"""

import asyncio
import ssl
from collections import deque
from time import monotonic
from typing import Any

import httptools

from brickwork.errors import DefinitionError
from brickwork.gateway.definition import Service, Tls
from brickwork.gateway.discovery.port import Instance
from brickwork.gateway.errors import BadGatewayError, GatewayTimeoutError, NoTargetError, UnreachableError

#: Bytes of an answer that are held for a slow client before the upstream has to wait.
HELD = 256 * 1024
#: Largest head of an answer, in bytes, with the interim answers before it.
LARGEST_HEAD = 64 * 1024
Headers = list[tuple[bytes, bytes]]


class Connection(asyncio.Protocol):
    """One connection. After `begin`, `head` and then `read` give the answer; `finish` ends the exchange in any case."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._parser: Any = None
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._writable = True
        self._lost = False
        self.idle_since = 0.0
        #: Whether it served an exchange before.
        self.used = False
        self._bodyless = self._complete = self._untilclose = self._keep = self._paused = False
        self._headed = True
        self._error: Exception | None = None
        self._seen = self._held = 0
        self._pieces: deque[bytes] = deque()
        self._headers: Headers = []
        self.status = 0

    # -- an exchange ---------------------------------------------------------------------------------------------------

    def begin(self, request: bytes, *, bodyless: bool) -> None:
        """Send the head of a request, and what of its body is there; `bodyless` where the answer has no body (to HEAD)."""
        if self._parser is None or self._bodyless:  # after an answer to HEAD it waits for a body that never comes
            self._parser = httptools.HttpResponseParser(self)
        self._bodyless = bodyless
        self._complete = self._untilclose = self._keep = self._headed = False
        self._error = None
        self._seen = self._held = self.status = 0
        self._headers = []
        self._transport.write(request)

    async def write(self, data: bytes, timeout: float) -> None:
        """Send a piece of the body; raises `GatewayTimeoutError` if the upstream doesn't take what was sent before."""
        if self._lost:
            return  # the answer, or its absence, tells
        self._transport.write(data)
        if not self._writable:
            self._writer = self._loop.create_future()
            await self._within(self._writer, timeout)

    async def head(self, timeout: float) -> None:
        """Wait for `status` and `headers` (names in lower case), however many interim answers come before; `timeout` is for all
        of it, so that an upstream can't hold the gateway by sending a byte now and then."""
        until = self._loop.time() + timeout
        while not self._headed:
            await self._more(until - self._loop.time())

    async def read(self, timeout: float) -> bytes:
        """What has come of the body, at least a byte; b"" at its end."""
        while not self._pieces:
            if self._complete:
                return b""
            await self._more(timeout)
        data = self._pieces.popleft() if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._held = 0
        self._resume()
        return data

    @property
    def headers(self) -> Headers:
        """The answer's, once `head` has returned."""
        return self._headers

    @property
    def complete(self) -> bool:
        """Whether nothing more than what is held will come."""
        return self._complete

    @property
    def holding(self) -> bool:
        """Whether there is something to read at once."""
        return bool(self._pieces)

    @property
    def answered(self) -> bool:
        """Whether anything of an answer has come."""
        return self._seen > 0

    def finish(self, *, sent: bool = True) -> None:
        """End the exchange; the connection is kept where the answer was complete and the request `sent`."""
        self._pieces.clear()
        self._resume()
        if self._complete and self._keep and sent and not self._lost and self._error is None:
            self.used = True
            self._pool._keep(self)
        else:
            self.abort()

    def fail(self, error: Exception) -> None:
        """Close, and let who waits for the answer get `error`."""
        self._error = self._error or error
        self._transport.abort()
        self._wake()

    def abort(self) -> None:
        """Close at once."""
        if not self._lost:
            self._transport.abort()

    @property
    def usable(self) -> bool:
        return not self._lost and not self._transport.is_closing()

    # -- waiting -------------------------------------------------------------------------------------------------------

    async def _more(self, timeout: float) -> None:
        if self._error is not None:
            raise self._error
        self._reader = self._loop.create_future()
        await self._within(self._reader, timeout)
        if self._error is not None and not self._pieces:
            raise self._error

    async def _within(self, waiter: "asyncio.Future[None]", timeout: float) -> None:
        timer = self._loop.call_later(timeout, _expire, waiter, timeout)
        try:
            await waiter
        finally:
            timer.cancel()

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    # -- asyncio.Protocol ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if (self._headed and self._complete) or self._parser is None:
            self._keep = False  # an answer that nobody waits for
            self._transport.abort()
            return
        self._seen += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.fail(BadGatewayError("the upstream changed the protocol, which nobody had asked for"))
        except httptools.HttpParserError as error:
            if not self._complete:
                self.fail(BadGatewayError(f"the upstream's answer is no HTTP: {error}"))
            self._keep = False
        if not self._headed and self._seen > LARGEST_HEAD:
            self.fail(BadGatewayError(f"the head of the upstream's answer is larger than {LARGEST_HEAD} bytes"))
        if self._held > HELD and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        self._pool._lost(self)
        if self._untilclose and error is None and self._error is None:
            self._complete = True
        if not self._complete:
            self._error = self._error or BadGatewayError("the upstream closed the connection before its answer was complete")
        self._wake()
        self.resume_writing()

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        if self._writer is not None and not self._writer.done():
            self._writer.set_result(None)

    # -- httptools -----------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._complete:
            self._keep = False  # a second answer

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._headed:  # trailers are dropped (RFC 9110, 6.5.1)
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._complete or 100 <= status < 200:
            if not self._complete:
                self._headers.clear()
            return
        if self._parser.get_http_version() not in ("1.1", "1.0") or not 200 <= status < 600:
            self.fail(BadGatewayError("the upstream's answer is not HTTP/1.1"))
            return
        length = None
        for name, value in self._headers:
            if name == b"content-length":
                length = value
            elif name == b"transfer-encoding":
                length = value
                if value.lower() != b"chunked":
                    self.fail(BadGatewayError("the upstream's answer has a transfer coding that nobody asked for"))
                    return
        self.status = status
        self._headed = True
        self._keep = self._parser.should_keep_alive()
        if self._bodyless:
            self._complete = True
        elif length is None and status not in (204, 304):
            self._untilclose = True

    def on_body(self, data: bytes) -> None:
        if self._bodyless or self._complete:
            self._keep = False
            return
        self._pieces.append(data)
        self._held += len(data)

    def on_message_complete(self) -> None:
        if self._headed:
            self._complete = True


def _expire(waiter: "asyncio.Future[None]", timeout: float) -> None:
    if not waiter.done():
        waiter.set_exception(GatewayTimeoutError(f"the upstream did not go on within {timeout:.3g} s"))


class Pool:
    """The connections to one instance, at `most` so many. Those that rest longer than `keepalive` seconds are closed. `name` is
    expected in its certificate; by default the name by which it was found."""

    def __init__(
        self, instance: Instance, context: ssl.SSLContext | None, name: str | None, *, keepalive: float, most: int
    ) -> None:
        self._instance = instance
        self.context = context
        self.name = name or instance.name or instance.host
        self._keepalive = keepalive
        self._most = most
        self._idle: deque[Connection] = deque()
        self._open: set[Connection] = set()
        self._connecting = 0
        self._pruning: asyncio.TimerHandle | None = None

    def idle(self) -> Connection | None:
        """A connection that rests, the latest first, since it is the least likely to be closed by the other side."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable and monotonic() - connection.idle_since < self._keepalive:
                return connection
            connection.abort()
        return None

    async def connect(self, timeout: float) -> Connection:
        """A new connection; raises `UnreachableError`, or `NoTargetError` where there are too many already."""
        if len(self._open) + self._connecting >= self._most:
            raise NoTargetError(f"the service has {self._most} connections to each target already")
        self._connecting += 1
        try:
            async with asyncio.timeout(timeout):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: Connection(self),
                    self._instance.host,
                    self._instance.port,
                    ssl=self.context,
                    server_hostname=self.name if self.context else None,
                )
        except ssl.SSLError as error:
            raise UnreachableError(f"the upstream's certificate or TLS is not acceptable: {error.reason or error}") from None
        except TimeoutError:
            raise UnreachableError(f"the upstream could not be connected within {timeout:g} s") from None
        except OSError as error:
            raise UnreachableError(f"the upstream can't be connected: {error.strerror or type(error).__name__}") from None
        finally:
            self._connecting -= 1
        self._open.add(connection)
        return connection

    def close(self) -> None:
        """Close what rests; exchanges under way end by themselves."""
        if self._pruning is not None:
            self._pruning.cancel()
        self._keepalive = 0.0
        while self._idle:
            self._idle.pop().abort()

    def _keep(self, connection: Connection) -> None:
        connection.idle_since = monotonic()
        if not self._keepalive:
            connection.abort()
            return
        self._idle.append(connection)
        if self._pruning is None:
            self._pruning = asyncio.get_running_loop().call_later(self._keepalive, self._prune)

    def _lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if connection.used and connection in self._idle:
            self._idle.remove(connection)

    def _prune(self) -> None:
        now = monotonic()
        while self._idle and now - self._idle[0].idle_since >= self._keepalive:
            self._idle.popleft().abort()
        left = self._idle[0].idle_since + self._keepalive - now if self._idle else None
        self._pruning = None if left is None else asyncio.get_running_loop().call_later(left, self._prune)


def tls_context(service: Service) -> ssl.SSLContext | None:
    """How a service's TLS is spoken, if it is; raises `DefinitionError` where a file can't be read."""
    if service.protocol == "http":
        return None
    tls = service.tls or Tls()
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        if not tls.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if tls.client_cert:
            context.load_cert_chain(tls.client_cert, tls.client_key)
    except OSError as error:  # ssl.SSLError is one
        told = f"service {service.name}: a file of tls can't be read: {error.strerror or error}"
        raise DefinitionError(told, field="tls") from None
    return context
