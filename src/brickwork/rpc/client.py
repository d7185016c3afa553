"""Calling exposed services: a channel that carries context, credential and deadline, and the base of generated clients."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from copy import copy
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import grpc

from brickwork.errors import SettingsError
from brickwork.rpc import deadline
from brickwork.rpc.deadline import DeadlineExceededError
from brickwork.rpc.failure import raised
from brickwork.rpc.methods import Method, describe
from brickwork.rpc.transport import is_loopback, pem

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

T = TypeVar("T")
R = TypeVar("R", bound="Remote")
#: An API key or token, or what gives the one for a tenant (None outside of any).
Token = str | Callable[[str | None], str]


class Channel:
    """A connection to a server, for any number of threads. `target` is "host:port".

    With `platform`, calls carry on its current context: tenant, correlation id, locale and trace; a `token` that belongs to
    another tenant is then refused by the server. `authority` is a PEM file of the authority that signed the server's certificate;
    `certificate` and `key` are the caller's own, for mutual TLS. Without `authority` only the loopback is called. `timeout` is in
    seconds; while a call is served here, no call takes longer than that has left.
    """

    def __init__(
        self,
        target: str,
        *,
        token: Token | None = None,
        platform: "Platform | None" = None,
        authority: Path | str | None = None,
        certificate: Path | str | None = None,
        key: Path | str | None = None,
        timeout: float = 10.0,
        max_message_bytes: int = 4_000_000,
    ) -> None:
        self.timeout = timeout
        self._token = token
        self._platform = platform
        self._calls: dict[str, Any] = {}
        size = ("grpc.max_send_message_length", max_message_bytes), ("grpc.max_receive_message_length", max_message_bytes)
        if authority is not None:
            own = (pem(key, "key"), pem(certificate, "certificate")) if key and certificate else (None, None)
            credentials = grpc.ssl_channel_credentials(pem(authority, "authority"), *own)
            self._channel = grpc.secure_channel(target, credentials, options=size)
        elif is_loopback(target.rpartition(":")[0]):
            self._channel = grpc.insecure_channel(target, options=size)
        else:
            raise SettingsError(f"{target} is not the loopback, and tokens must not cross a network in the clear; give authority")

    def on_behalf_of(self, token: str) -> "Channel":
        """The same connection for the user whose session's or access token this is."""
        other = copy(self)
        other._token = token
        return other

    def call(self, method: Method, raw: bytes, timeout: float | None) -> bytes:
        """The answer to one request. Raises what the other side raised, and `UnavailableError`, `DeadlineExceededError`."""
        left = self._left(timeout)
        with self._span(method):
            try:
                answer: bytes = self._made(method, self._channel.unary_unary)(raw, timeout=left, metadata=self._metadata())
            except grpc.RpcError as error:
                raise raised(error) from None
        return answer

    def stream(self, method: Method, raw: bytes, timeout: float | None) -> Iterator[bytes]:
        """The answers to one request, as they come; the timeout is for all of them."""
        running = self._made(method, self._channel.unary_stream)(raw, timeout=self._left(timeout), metadata=self._metadata())
        try:
            yield from running
        except grpc.RpcError as error:
            raise raised(error) from None
        finally:
            running.cancel()  # who stops early is not sent the rest

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def __enter__(self) -> "Channel":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _made(self, method: Method, make: Any) -> Any:
        made = self._calls.get(method.path)
        if made is None:
            made = self._calls[method.path] = make(method.path)
        return made

    def _left(self, timeout: float | None) -> float:
        left = self.timeout if timeout is None else timeout
        if (serving := deadline.current()) is not None:
            left = min(left, serving.left())
        if left <= 0:
            raise DeadlineExceededError("no time is left for the call")
        return left

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        carried: dict[str, str] = {}
        tenant = None
        if self._platform is not None:
            context = self._platform.current
            tenant = context.tenant
            carried = {**self._platform.tracing.headers(), "accept-language": context.locale}
            if tenant is not None:
                carried["x-brickwork-tenant"] = tenant
        if self._token is not None:
            carried["authorization"] = f"Bearer {self._token if isinstance(self._token, str) else self._token(tenant)}"
        return tuple(carried.items())

    def _span(self, method: Method) -> Any:
        if self._platform is None:
            return nullcontext()
        return self._platform.tracing.span(method.path[1:], method.told, kind="client")


class Remote:
    """Base of clients. A subclass declares the service's methods, marked with `@exposed`, whose annotations say what travels."""

    _service: ClassVar[str]
    _described: ClassVar[Mapping[str, Method] | None] = None
    _lock: ClassVar[Lock] = Lock()

    def __init_subclass__(cls, *, service: str, **more: Any) -> None:
        super().__init_subclass__(**more)
        cls._service = service

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._timeout: float | None = None
        self._methods = self._describe()

    def within(self: R, seconds: float) -> R:
        """The same client, whose calls take that long at most."""
        other = copy(self)
        other._timeout = seconds
        return other

    def _call(self, method: Callable[..., T], arguments: Mapping[str, Any], /) -> T:
        found = self._methods[method.__name__]
        result: T = found.result(self._channel.call(found, found.ask(arguments), self._timeout))
        return result

    def _stream(self, method: Callable[..., Iterator[T]], arguments: Mapping[str, Any], /) -> Iterator[T]:
        found = self._methods[method.__name__]
        for raw in self._channel.stream(found, found.ask(arguments), self._timeout):
            yield found.result(raw)

    @classmethod
    def _describe(cls) -> Mapping[str, Method]:
        """Once a class."""
        with cls._lock:
            if cls.__dict__.get("_described") is None:
                package, _, name = cls._service.rpartition(".")
                cls._described = describe(package, {name: cls})[1][name]
            assert cls._described is not None
            return cls._described
