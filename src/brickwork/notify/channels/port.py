"""The port of the channels: a transport that takes one message to one address, and knows nothing of tenants or databases."""

import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

import attrs

from brickwork.errors import ValidationError
from brickwork.kernel.component import Health

_ID = re.compile(r"[A-Za-z0-9_-]{1,128}\Z")


def _is_id(instance: object, attribute: "attrs.Attribute[str]", value: str) -> None:
    if not _ID.match(value):
        raise ValidationError("a delivery's id takes 1 to 128 of A-Z a-z 0-9 _ -", field="id")


@attrs.frozen(kw_only=True)
class Attachment:
    """A file that goes with an email."""

    name: str
    content: bytes = attrs.field(repr=False)
    #: Such as "application/pdf".
    media_type: str
    #: The Content-ID of an inline image, to which the HTML refers as `cid:…`.
    inline_id: str | None = None


@attrs.frozen(kw_only=True)
class Outgoing:
    """One message to one address, ready to send."""

    #: The delivery's id, the same over all attempts: Message-ID, webhook-id and the like derive from it.
    id: str = attrs.field(validator=_is_id)
    #: Email address, E.164 number, endpoint URL or subscription as JSON.
    address: str
    subject: str = ""
    text: str = ""
    html: str | None = None
    attachments: tuple[Attachment, ...] = ()
    #: What a channel has besides, such as List-Unsubscribe.
    headers: Mapping[str, str] = MappingProxyType({})
    #: Structured payload for push and webhooks; what JSON knows.
    data: Mapping[str, Any] = MappingProxyType({})
    #: Signing secrets of the endpoint (webhook), newest first.
    secrets: tuple[str, ...] = attrs.field(default=(), repr=False)
    #: "very-low", "low", "normal" or "high" (RFC 8030, section 5.3).
    urgency: str = "normal"
    #: Seconds after which nobody wants it any more; None leaves it to the channel.
    ttl: int | None = None
    #: Who it is from, where that isn't the channel's default.
    sender: str | None = None


@attrs.frozen(kw_only=True)
class Receipt:
    """The other side has taken a message over, which doesn't mean that it was delivered."""

    #: The other side's name for it, by which later reports are matched.
    provider_id: str | None = None
    detail: str = ""
    #: Messages that it counts as, such as the segments of an SMS.
    parts: int = 1


#: Is told of a message that the other side has taken.
Taken = Callable[[Outgoing, Receipt], None]


def untold(message: Outgoing, receipt: Receipt) -> None:
    """A `Taken` for callers who wait for all."""


class Channel(Protocol):
    """A transport. Its methods may be called from any number of threads.

    A message may arrive twice and never silently not at all: between the other side's word and our record of it lies a moment
    in which a process can die. Ids that stay the same let the other side, or its user, see that it is the same message.
    """

    #: "email", "sms", "push", "webhook", …
    kind: str

    def check(self, address: str) -> str:
        """The normal form of an address; `ValidationError` where it is none."""
        ...

    def send(self, message: Outgoing) -> Receipt:
        """Hand one message over. Raises `SendError` where it wasn't taken, `ValidationError` where it can't be sent as it is.
        It ends after the time that the channel's settings give it, whatever the other side does."""
        ...

    def send_many(self, messages: Sequence[Outgoing], taken: Taken = untold) -> Sequence[Receipt | Exception]:
        """Hand many over, for each what `send` would have returned or raised, in the same order. It uses connections again
        and several at once; one message's failure is no other's. `taken` is called for each message that was taken, at once
        and from whatever thread. It raises nothing itself."""
        ...

    def health(self) -> Health:
        """Whether the other side can be used, as far as that can be known without sending anything."""
        ...

    def close(self) -> None:
        """Let go of connections. It may be called twice."""
        ...


def send_in_turn(send: Callable[[Outgoing], Receipt], messages: Sequence[Outgoing], taken: Taken) -> list[Receipt | Exception]:
    """`send_many` for a channel to which many are no more than one after the other."""
    outcomes: list[Receipt | Exception] = []
    for message in messages:
        try:
            receipt = send(message)
        except Exception as error:
            outcomes.append(error)
        else:
            taken(message, receipt)
            outcomes.append(receipt)
    return outcomes
