"""What the channels over HTTP share: their settings, addresses that are URLs, the reading of refusals, many messages at once."""

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit, urlunsplit

from pydantic import AfterValidator, Field, IPvAnyNetwork

from brickwork.errors import ValidationError
from brickwork.kernel.addresses import AddressGuard, AddressRefusedError
from brickwork.kernel.component import ComponentSettings
from brickwork.notify.channels.errors import PermanentFailure, ProviderUnavailable, SendError, TemporaryFailure, Throttled
from brickwork.notify.channels.port import Outgoing, Receipt, Taken

if TYPE_CHECKING:
    from brickwork.kernel.outbound import Answer, Caller

_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
_PRINTABLE = re.compile(r"[!-~]+\Z")
#: The longest URL that is taken for an endpoint.
_LONGEST = 2048
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def _secure(url: str) -> str:
    parts = urlsplit(url)
    if not _PRINTABLE.match(url) or not parts.hostname or parts.username is not None:
        raise ValueError("takes a URL without a user or password")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError("takes an https URL (http on a loopback address only)")
    return url


#: The URL of a provider that is trusted with a password.
SecureUrl = Annotated[str, AfterValidator(_secure)]


class HttpSettings(ComponentSettings):
    """What every channel over HTTP takes."""

    #: Seconds for one exchange: name, connection, TLS, request and answer.
    timeout: float = Field(default=15, gt=0, le=300)
    #: Most bytes that are read of an answer.
    answer_bytes: int = Field(default=65_536, ge=1024)
    #: Connections at a time.
    connections: int = Field(default=8, ge=1, le=256)


class EndpointSettings(HttpSettings):
    """What a channel takes whose addresses are URLs of others."""

    #: Networks inside which endpoints may be although they aren't public, such as ["10.1.0.0/16"]. Everything that can be
    #: reached there can then be called by whoever may register an endpoint.
    allowed_networks: list[IPvAnyNetwork] = []
    #: Whether an endpoint may do without TLS.
    allow_http: bool = False


def caller(settings: HttpSettings) -> "Caller":
    """A client by these settings."""
    from brickwork.kernel.outbound import Caller

    guard = AddressGuard(settings.allowed_networks) if isinstance(settings, EndpointSettings) else None
    return Caller(timeout=settings.timeout, answer_bytes=settings.answer_bytes, guard=guard, connections=settings.connections)


def check_url(url: str, settings: EndpointSettings, *, field: str = "address") -> str:
    """The normal form of an endpoint's URL. What a name resolves to is checked when it is called, an address right away."""
    schemes = ("https", "http") if settings.allow_http else ("https",)
    if len(url) > _LONGEST:
        raise ValidationError(f"a URL has at most {_LONGEST} characters", field=field)
    if _UNSAFE.search(url):  # some of which `urlsplit` would drop without a word
        raise ValidationError("a URL must not hold spaces, control characters or \\", field=field)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host = host if host.isascii() else _ascii(host)
    except (ValueError, UnicodeError):
        raise ValidationError("is no URL", field=field) from None
    if parts.scheme not in schemes or not host:
        raise ValidationError(f"takes a URL that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}", field=field)
    if parts.username is not None or parts.password is not None:
        raise ValidationError("a URL must not hold a user or password", field=field)
    if not _PRINTABLE.match(parts.path + parts.query + host):
        raise ValidationError("a URL takes printable ASCII; percent-encode the rest", field=field)
    _check_literal(host, settings)
    place = f"[{host}]" if ":" in host else host
    if port is not None and port != {"https": 443, "http": 80}[parts.scheme]:
        place = f"{place}:{port}"
    return urlunsplit((parts.scheme, place, parts.path or "/", parts.query, ""))


def _ascii(host: str) -> str:
    """A name in another script as DNS has it (IDNA 2008; the standard library's codec leads "ß" elsewhere)."""
    import idna

    return idna.encode(host, uts46=True).decode("ascii")


def _check_literal(host: str, settings: EndpointSettings) -> None:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return
    if not AddressGuard(settings.allowed_networks).passes(address):
        raise AddressRefusedError("the host's address is not a public one; addresses inside a network are not called")


def call(
    client: "Caller", method: str, url: str, headers: dict[str, str], content: bytes, what: str, *, provider: bool = False
) -> "Answer":
    """The answer of `what` ("the push service"); where there is none, or the address is refused, the `SendError` for that. Where
    `what` is a provider for all addresses, another one may serve while it can't be reached."""
    from brickwork.kernel.outbound import CallError

    try:
        return client.call(method, url, headers, content)
    except CallError as error:
        failure = ProviderUnavailable if provider and not error.sent else TemporaryFailure
        raise failure(f"{what}: {error.message}", uncertain=error.sent) from None
    except AddressRefusedError as error:
        raise PermanentFailure(f"{what}: {error.message}", provider_code=error.code) from None


def refusal(answer: "Answer", now: datetime, what: str) -> SendError:
    """What a status that is no success means, where nothing says more: 429 and 503 may name a time, 5xx and 408 pass."""
    message, code = f"{what} answered {answer.status}", str(answer.status)
    wait = retry_after(answer.headers.get("retry-after"), now)
    if answer.status == 429 or (answer.status == 503 and wait is not None):
        return Throttled(message, retry_after=wait, provider_code=code)
    if answer.status >= 500 or answer.status in (408, 425):
        return TemporaryFailure(message, provider_code=code)
    if 300 <= answer.status < 400:
        return PermanentFailure(f"{message}; redirects are not followed", provider_code=code)
    return PermanentFailure(message, provider_code=code)


def retry_after(text: str | None, now: datetime) -> float | None:
    """The seconds that a Retry-After header names, as a number or a date (RFC 9110, section 10.2.3); at most a day."""
    if text is None:
        return None
    if text.strip().isdecimal() and text.isascii():
        seconds = float(text)
    else:
        try:
            then = parsedate_to_datetime(text)
            seconds = (then if then.tzinfo else then.replace(tzinfo=now.tzinfo)).timestamp() - now.timestamp()
        except (ValueError, OverflowError):
            return None
    return min(max(seconds, 0.0), 86_400.0)


def send_each(
    send: Callable[[Outgoing], Receipt], messages: Sequence[Outgoing], threads: int, taken: Taken
) -> list[Receipt | Exception]:
    """`send` for each message, in several threads, with what it returned or raised in the messages' order."""

    def outcome(message: Outgoing) -> Receipt | Exception:
        try:
            receipt = send(message)
        except Exception as error:
            return error
        taken(message, receipt)
        return receipt

    if len(messages) < 2 or threads < 2:
        return [outcome(message) for message in messages]
    with ThreadPoolExecutor(min(threads, len(messages)), thread_name_prefix="notify") as pool:
        return list(pool.map(outcome, messages))
