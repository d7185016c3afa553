"""The `[messaging]` section."""

from typing import TYPE_CHECKING

from pydantic import Field

from brickwork.kernel.component import ComponentSettings

if TYPE_CHECKING:
    from brickwork.messaging.handler import Subscription


class MessagingSettings(ComponentSettings):
    #: "sql" needs no server; "redis" and "rabbitmq" come with plugins.
    backend: str = "sql"
    #: The `source` attribute of events, a URI reference.
    source: str = "/brickwork"
    #: Threads that run handlers in a worker process.
    threads: int = Field(default=4, ge=1, le=256)
    #: Run handlers in the process that serves HTTP. None: where the database is embedded.
    in_server: bool | None = None
    #: Seconds after which an event that was handed to the broker, and of which nothing was heard, is handed over again.
    #: A handler's own timeout is added.
    redelivery: float = Field(default=60.0, gt=0)
    #: Messages (of one or more events) in one queue of the broker up to which more are handed over; the rest waits in the
    #: database.
    window: int = Field(default=200, ge=1)
    #: Whether the process that publishes hands events to a broker that is a server; else all of them go by the workers' relays.
    handover: bool = True
    #: Seconds between looks at the database where no signal comes.
    poll: float = Field(default=1.0, gt=0)
    #: Dead letters of a tenant and subscription at which `message.dead_letters_grew` is published (again at each doubling).
    dead_letter_alarm: int = Field(default=10, ge=1)
    #: Days that decided dead letters are kept.
    dead_letter_days: int = Field(default=90, ge=1)
    #: Largest event in bytes of JSON.
    max_event_bytes: int = Field(default=1_048_576, ge=1024)

    def lease(self, wanting: "Subscription") -> float:
        """Seconds after which a delivery to it that a broker carries is taken for lost."""
        return self.redelivery + wanting.timeout
