"""The port of a channel: what carries one message to one address."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import attrs

from brickwork.kernel.component import Health


@attrs.frozen(kw_only=True)
class Attachment:
    """A file that goes with a message; with `inline_id` an image that the HTML shows as `cid:ID`."""

    name: str
    content: bytes = attrs.field(repr=False)
    media_type: str
    inline_id: str | None = None


@attrs.frozen(kw_only=True)
class Outgoing:
    """One message to one address, ready to send."""

    #: The delivery's id: the same at each attempt, so receivers can tell a repetition.
    id: str
    #: An email address, a number in E.164, a URL, or a push subscription as JSON.
    address: str
    subject: str = ""
    text: str = ""
    html: str | None = None
    attachments: tuple[Attachment, ...] = ()
    #: Further headers, such as List-Unsubscribe.
    headers: Mapping[str, str] = attrs.field(factory=dict)
    #: The payload of push messages and webhooks.
    data: Mapping[str, Any] = attrs.field(factory=dict)
    #: The endpoint's signing secrets, the newest first.
    secrets: tuple[str, ...] = attrs.field(default=(), repr=False)
    #: "very-low", "low", "normal" or "high" (RFC 8030, 5.3).
    urgency: str = "normal"
    #: Seconds for which it is worth delivering.
    ttl: int | None = None
    sender: str | None = None


@attrs.frozen(kw_only=True)
class Receipt:
    """What a provider answered that took a message. `parts` are what it bills, such as segments of an SMS."""

    provider_id: str | None = None
    detail: str = ""
    parts: int = 1


#: Called for each message that the other side has taken, at once and from whatever thread.
Taken = Callable[[Outgoing, Receipt], None]


def untold(message: Outgoing, receipt: Receipt) -> None:
    """A `Taken` for callers who wait for all."""


class Channel(Protocol):
    """Carries messages of one kind. Used by several threads at once."""

    #: "email", "sms", "push", "webhook", …
    kind: str

    def check(self, address: str) -> str:
        """The normal form of an address; raises `ValidationError`."""
        ...

    def send(self, message: Outgoing) -> Receipt:
        """Hand a message over, within the channel's own time limit. Raises a `SendError`."""
        ...

    def send_many(self, messages: Sequence[Outgoing], taken: Taken = untold) -> Sequence[Receipt | Exception]:
        """Hand many over, for each what `send` would have returned or raised, in the same order. It uses connections again and
        several at once; one message's failure is no other's. It raises nothing itself."""
        ...

    def health(self) -> Health:
        """Whether it can be used."""
        ...

    def close(self) -> None:
        """Let go of connections. Closing twice is harmless."""
        ...


def send_each(send: Callable[[Outgoing], Receipt], messages: Sequence[Outgoing], taken: Taken) -> list[Receipt | Exception]:
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
