"""The `[realtime]` section."""

from pydantic import Field

from brickwork.kernel.component import ComponentSettings


class RealtimeSettings(ComponentSettings):
    #: Tell of every change of an entity on its topics.
    entity_topics: bool = True
    #: Seconds for which messages are kept for clients that come back.
    history_seconds: float = Field(default=300.0, gt=0)
    #: Seconds after which the guests of a killed server process count as gone.
    presence_seconds: float = Field(default=15.0, gt=0)
    #: Bytes that may wait for a slow client before it is dropped.
    max_waiting_bytes: int = Field(default=1_000_000, ge=10_000)
    #: Requests a second that a client may send, and how many at once.
    max_requests: int = Field(default=20, ge=1)
    #: Topics of one connection.
    max_topics: int = Field(default=100, ge=1)
    #: Seconds between looks at the log where no signal comes.
    poll: float = Field(default=1.0, gt=0)
