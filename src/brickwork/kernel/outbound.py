"""HTTP calls to what is slow, broken or hostile: one deadline for the whole exchange, a bound on its bytes, no redirects, no
proxy, and no address but checked ones where somebody else chose it."""

import ssl
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any

import attrs

from brickwork.errors import MissingDependencyError, UnavailableError
from brickwork.kernel.addresses import AddressGuard

try:
    import httpcore2
except ImportError:
    raise MissingDependencyError("httpx2", "notify") from None

if TYPE_CHECKING:
    from httpcore2 import SOCKET_OPTION

FAILURES = (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError)
#: Failures from before anything of the request was written.
_EARLY = (httpcore2.ConnectError, httpcore2.ConnectTimeout, httpcore2.PoolTimeout)
#: Bytes of headers and TLS records that come on top of an answer.
AROUND = 65_536


@attrs.frozen
class Answer:
    """What the other side said. `whole` is False where the body was larger than wanted or broke off."""

    status: int
    #: By their names in small letters.
    headers: Mapping[str, str]
    content: bytes
    whole: bool


class CallError(UnavailableError):
    """There was no answer. `sent` is True where the request may have arrived all the same."""

    code = "call_failed"

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message, sent=sent)
        self.sent = sent


class Caller:
    """An HTTP client with connections that are kept for the next call; for any number of threads.

    `timeout` is the seconds for a whole exchange, `answer_bytes` the most that is read of an answer's body.
    """

    def __init__(
        self,
        *,
        timeout: float,
        answer_bytes: int = 65_536,
        guard: AddressGuard | None = None,
        connections: int = 10,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._timeout = timeout
        self._answer_bytes = answer_bytes
        self._network = Network(guard)
        self._pool = httpcore2.ConnectionPool(
            ssl_context=tls or ssl.create_default_context(),
            network_backend=self._network,
            max_connections=connections,
            keepalive_expiry=15,
        )

    def call(self, method: str, url: str, headers: Mapping[str, str], content: bytes = b"") -> Answer:
        """The answer to a request, whatever its status. Raises `CallError` where none came, `AddressRefusedError` where none
        was asked for. The URL is not in the message: it may hold a secret."""
        given: list[tuple[bytes | str, bytes | str]] = [*headers.items(), ("accept-encoding", "identity")]  # packed has no bound
        wait = {"extensions": {"timeout": {"pool": self._timeout}}}
        try:
            with (
                self._network.exchange(self._timeout, self._answer_bytes + AROUND),
                self._pool.stream(method, url, headers=given, content=content, **wait) as answer,
            ):
                fields = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
                return Answer(answer.status, fields, *self._body(answer))
        except FAILURES as error:
            reason = f": {error}" if isinstance(error, httpcore2.TimeoutException) and str(error) else ""
            raise CallError(f"no answer ({type(error).__name__}{reason})", sent=not isinstance(error, _EARLY)) from None

    def close(self) -> None:
        """Let go of the connections."""
        self._pool.close()

    def _body(self, answer: httpcore2.Response) -> tuple[bytes, bool]:
        """The status has told what became of the request; a body that doesn't end, or not well, changes nothing of that."""
        content = bytearray()
        try:
            for chunk in answer.iter_stream():
                content += chunk
                if len(content) > self._answer_bytes:
                    return bytes(content[: self._answer_bytes]), False
        except FAILURES:
            return bytes(content), False
        return bytes(content), True


class _Exchange(threading.local):
    """The exchange that a thread is in: when it must be over (a reading of `monotonic`), and the bytes it may still read."""

    deadline = 0.0
    most = 0


class Network(httpcore2.NetworkBackend):
    """Connections that go by the deadline and the bound of the exchange they are used in. With a guard they lead to addresses
    that it lets pass, and to nothing else."""

    def __init__(self, guard: AddressGuard | None = None) -> None:
        self._plain = httpcore2.SyncBackend()
        self._guard = guard
        self._exchange = _Exchange()

    @contextmanager
    def exchange(self, seconds: float, most: int) -> Iterator[None]:
        """A block in which this thread's connections are used for one exchange of so many seconds and bytes."""
        self._exchange.deadline, self._exchange.most = monotonic() + seconds, most
        yield

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: "Iterable[SOCKET_OPTION] | None" = None,
    ) -> httpcore2.NetworkStream:
        failure: Exception = httpcore2.ConnectError("the host has no address")
        for address in self._addresses(host, port):
            left = _left(self._exchange, httpcore2.ConnectTimeout)
            try:
                plain = self._plain.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
            else:
                return _Stream(plain, self._exchange)
        raise failure

    def _addresses(self, host: str, port: int) -> list[str]:
        if self._guard is None:
            return [host]
        try:
            return self._guard.resolve(host, port, _left(self._exchange, httpcore2.ConnectTimeout))
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(str(error)) from None
        except OSError:
            raise httpcore2.ConnectError("the host's name can't be resolved") from None


class _Stream(httpcore2.NetworkStream):
    """A connection that is of no use once the time or the bytes of its exchange are used up."""

    def __init__(self, plain: httpcore2.NetworkStream, exchange: _Exchange) -> None:
        self._plain = plain
        self._exchange = exchange

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._plain.read(max_bytes, _left(self._exchange, httpcore2.ReadTimeout))
        self._exchange.most -= len(data)
        if self._exchange.most < 0:
            raise httpcore2.ReadError("the answer is too large")
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._plain.write(buffer, _left(self._exchange, httpcore2.WriteTimeout))

    def close(self) -> None:
        self._plain.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        left = _left(self._exchange, httpcore2.ConnectTimeout)
        return _Stream(self._plain.start_tls(ssl_context, server_hostname, left), self._exchange)

    def get_extra_info(self, info: str) -> Any:
        return self._plain.get_extra_info(info)


def _left(exchange: _Exchange, error: type[httpcore2.TimeoutException]) -> float:
    left = exchange.deadline - monotonic()
    if left <= 0:
        raise error("the answer did not come in time")
    return left
