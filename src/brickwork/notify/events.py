"""What notify publishes, and what it owes itself."""

from uuid import UUID

from brickwork.messaging.event import Event


class Deliver(Event, name="notify.deliver"):
    """Deliveries that are due, all of one channel."""

    channel: str
    deliveries: tuple[UUID, ...]


class Follow(Event, name="notify.follow"):
    """It is time to see whether a delivery was seen, and to go on along its route if not."""

    delivery: UUID


class NotificationFailed(Event, name="notify.failed", key="message"):
    """A message did not reach an address, and no attempt is left."""

    message: UUID
    delivery: UUID
    notification: str
    ref: str
    channel: str
    detail: str


class AddressSuppressed(Event, name="notify.address_suppressed"):
    """Nothing is sent to an address any more."""

    channel: str
    address: str
    reason: str


class EndpointDisabled(Event, name="notify.endpoint_disabled", key="endpoint"):
    """An endpoint stayed dead, and is told no more."""

    endpoint: UUID
    url: str
    reason: str
