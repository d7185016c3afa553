"""Calls to a provider, which may be slow, broken or hostile: to the origins that the settings imply and nowhere else, without
redirects, with one deadline for the whole exchange and a bound on its bytes (OWASP, SSRF prevention)."""

import ssl
from collections.abc import Iterable
from time import monotonic
from typing import TYPE_CHECKING, Any

from brickwork.errors import MissingDependencyError
from brickwork.federation.provider import Provider, origin_of
from brickwork.federation.settings import FederationSettings, is_safe_url

try:
    import httpcore2
    import httpx2
except ImportError:
    raise MissingDependencyError("httpx2", "oauth") from None

if TYPE_CHECKING:
    from httpcore2 import SOCKET_OPTION

FAILURES = (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError)
#: Bytes of headers and TLS records that come on top of an answer.
_AROUND = 65_536


class Outbound(httpx2.BaseTransport):
    """The transport of an HTTP client that talks to one provider."""

    def __init__(self, provider: Provider, settings: FederationSettings) -> None:
        self._origins = provider.origins
        self._settings = settings
        self._tls = ssl.create_default_context()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        if not is_safe_url(str(url)) or origin_of(str(url)) not in self._origins:
            raise httpx2.UnsupportedProtocol(f"{origin_of(str(url))} is not one of the provider's origins")
        request.headers["accept-encoding"] = "identity"  # what is packed has no bound
        network = _Network(monotonic() + self._settings.timeout, self._settings.answer_bytes + _AROUND)
        try:
            with httpcore2.ConnectionPool(ssl_context=self._tls, network_backend=network) as pool:
                answer = pool.request(
                    request.method,
                    httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                    headers=request.headers.raw,
                    content=request.read(),
                )
        except FAILURES as error:
            raise httpx2.TransportError(f"{type(error).__name__}: {error}"[:200]) from None
        if len(answer.content) > self._settings.answer_bytes:
            raise httpx2.TransportError(f"the answer is larger than {self._settings.answer_bytes} bytes")
        headers = httpx2.Headers(answer.headers)
        if headers.get("content-encoding", "identity") != "identity":
            raise httpx2.TransportError("the answer is packed, which was not asked for")
        return httpx2.Response(answer.status, headers=headers, content=answer.content)


class _Network(httpcore2.NetworkBackend):
    """Connections that share a deadline."""

    def __init__(self, deadline: float, most: int) -> None:
        self._plain = httpcore2.SyncBackend()
        self._deadline = deadline
        self._most = most

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: "Iterable[SOCKET_OPTION] | None" = None,
    ) -> httpcore2.NetworkStream:
        left = _left(self._deadline)
        return _Stream(self._plain.connect_tcp(host, port, left, local_address, socket_options), self._deadline, self._most)


class _Stream(httpcore2.NetworkStream):
    """A connection that ends when its time or its bytes are used up."""

    def __init__(self, plain: httpcore2.NetworkStream, deadline: float, most: int) -> None:
        self._plain = plain
        self._deadline = deadline
        self._most = most

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._plain.read(max_bytes, _left(self._deadline))
        self._most -= len(data)
        if self._most < 0:
            raise httpcore2.ReadError("the answer is too large")
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._plain.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._plain.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        secured = self._plain.start_tls(ssl_context, server_hostname, _left(self._deadline))
        return _Stream(secured, self._deadline, self._most)

    def get_extra_info(self, info: str) -> Any:
        return self._plain.get_extra_info(info)


def _left(deadline: float) -> float:
    left = deadline - monotonic()
    if left <= 0:
        raise httpcore2.ReadTimeout("the answer did not come in time")
    return left
