"""Events that commit with the data, and handlers whose effects happen once."""

from brickwork.messaging.dead import DeadLetter, DeadLettersGrew
from brickwork.messaging.envelope import CloudEvent, UnreadableMessageError
from brickwork.messaging.event import Event, UnknownVersionError
from brickwork.messaging.handler import Retry, Subscription, handles
from brickwork.messaging.port import MessageBroker, Parcel
from brickwork.messaging.service import Messaging

__all__ = [
    "CloudEvent",
    "DeadLetter",
    "DeadLettersGrew",
    "Event",
    "MessageBroker",
    "Messaging",
    "Parcel",
    "Retry",
    "Subscription",
    "UnknownVersionError",
    "UnreadableMessageError",
    "handles",
]
