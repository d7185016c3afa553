"""Calls to a provider, which may be slow, broken or hostile: to the origins that the settings imply and nowhere else, without
redirects, with one deadline for the whole exchange and a bound on its bytes (OWASP, SSRF prevention)."""

import ssl

from brickwork.errors import MissingDependencyError
from brickwork.federation.provider import Provider, origin_of
from brickwork.federation.settings import FederationSettings, is_safe_url

try:
    import httpcore2
    import httpx2
except ImportError:
    raise MissingDependencyError("httpx2", "oauth") from None

from brickwork.kernel.outbound import AROUND, FAILURES, Network


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
        network = Network()
        try:
            with (
                network.exchange(self._settings.timeout, self._settings.answer_bytes + AROUND),
                httpcore2.ConnectionPool(ssl_context=self._tls, network_backend=network) as pool,
            ):
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
