"""What jobs publish."""

from uuid import UUID

from brickwork.messaging.event import Event


class JobRequested(Event, name="job.requested"):
    """A run is due. It goes to the job's own handler only."""

    run: UUID
    job: str


class JobProgressed(Event, name="job.progressed", key="run"):
    """A run tells how far it is, at most twice a second; or it ended."""

    run: UUID
    job: str
    status: str
    done: int | None = None
    total: int | None = None
    note: str | None = None
