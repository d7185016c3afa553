"""HTTP to what settings name (a signing service, a timestamp authority) and to what certificates name (OCSP, CRLs, issuers). The
latter is the word of whoever made the certificate, so only public addresses are called, and networks that settings allow."""

from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_network
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from brickwork.errors import BrickworkError, MissingDependencyError, ValidationError
from brickwork.kernel.addresses import AddressGuard

#: `call(method, url, headers, content)` gives the content of a 200; what it raises says why there is none.
Call = Callable[[str, str, Mapping[str, str], bytes], bytes]
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_LONGEST = 2048


def _plain(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None or not url.isascii():
        raise ValueError("takes an http or https URL without a user or password")
    return url


def _secure(url: str) -> str:
    parts = urlsplit(_plain(url))
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise ValueError("takes an https URL (http on a loopback address only)")
    return url


#: A URL whose answers are signed, so that TLS is not needed to trust them.
PlainUrl = Annotated[str, AfterValidator(_plain)]
#: The URL of a service that is trusted with a secret.
SecureUrl = Annotated[str, AfterValidator(_secure)]


class HttpFailure(Exception):
    """There is no answer that can be used; the message says why, and holds no URL."""


class Http:
    """Calls to one kind of other side, with connections that are kept. For any number of threads."""

    def __init__(self, *, timeout: float, answer_bytes: int, guarded: Sequence[str] | None = None) -> None:
        """`guarded` are networks that may be called although they aren't public; None is for URLs out of settings. Raises
        `MissingDependencyError`."""
        try:
            from brickwork.kernel.outbound import Caller
        except MissingDependencyError:  # it names the extra that uses it most
            raise MissingDependencyError("httpx2", "sign") from None
        guard = None if guarded is None else AddressGuard([ip_network(one) for one in guarded])
        self._caller = Caller(timeout=timeout, answer_bytes=answer_bytes, guard=guard)

    def call(self, method: str, url: str, headers: Mapping[str, str], content: bytes = b"") -> bytes:
        """The content of a whole answer with status 200. Raises `HttpFailure`."""
        try:
            checked = _plain(url)
        except ValueError:
            raise HttpFailure("the URL is not one that is called") from None
        if len(checked) > _LONGEST:
            raise HttpFailure("the URL is too long")
        try:
            answer = self._caller.call(method, checked, headers, content)
        except BrickworkError as error:
            raise HttpFailure(error.message) from None
        except Exception as error:  # a URL that the client can't parse is none of its own errors
            raise HttpFailure(f"the call failed ({type(error).__name__})") from None
        if answer.status != 200:
            raise HttpFailure(f"the answer is {answer.status}")
        if not answer.whole:
            raise HttpFailure("the answer broke off or is too large")
        return answer.content

    def close(self) -> None:
        self._caller.close()


def check_network(text: str) -> str:
    """A network such as "10.1.0.0/16"; raises `ValidationError`."""
    try:
        return str(ip_network(text))
    except ValueError:
        raise ValidationError(f"{text!r} is no network such as 10.1.0.0/16", field="allowed_networks") from None
