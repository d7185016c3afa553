"""The port of messaging: who carries a message from the database to a worker, over dramatiq.

The database owes each event to each subscription (`message_delivery`); a broker only carries. It may lose, repeat or reorder
what it was given: the rest is made good above it. So a backend promises little, and little can go wrong.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import attrs
from dramatiq import Broker

from brickwork.kernel.component import Health


@attrs.frozen
class Parcel:
    """One delivery, as it travels: `event` is a CloudEvent in JSON."""

    id: int
    tenant: str
    subscription: str
    queue: str
    event: str
    #: Whether it was handed over before, and failed or went missing; this is for `send` and doesn't travel.
    tried: bool = False

    def arguments(self) -> tuple[Any, ...]:
        """What goes into the dramatiq message."""
        return self.id, self.tenant, self.subscription, self.queue, self.event


#: What takes in bytes from a queue that are no message, so that they rest among the dead letters.
Unreadable = Callable[[str, bytes], None]


class MessageBroker(Protocol):
    """Carries parcels."""

    #: Whether parcels stay in the process that took them from the database: their lease is then short.
    local: bool
    #: The depth of a queue up to which it makes sense to hand over more: what comes then only waits twice.
    window: int

    def setup(self, queues: Sequence[str]) -> list[str]:
        """Declare what the queues need on the server, and say what, one line each. Idempotent; raises `UnavailableError`."""
        ...

    def send(self, parcels: Sequence[Parcel]) -> None:
        """Hand parcels over; returns when the server has them (publisher confirms). Raises `UnavailableError`; some of them
        may have been taken then."""
        ...

    def transport(self, unreadable: Unreadable) -> Broker:
        """dramatiq's broker for a worker to consume from; without delay queues, retries and result storage."""
        ...

    def depth(self, queue: str) -> int:
        """How many messages the queue holds that no worker has; of a local broker, the parcels that this process has.
        Raises `UnavailableError`."""
        ...

    def health(self) -> Health:
        """Whether the server answers."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
