"""What a job is: a function that takes the platform and its run."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import attrs
from pydantic import BaseModel
from sqlalchemy import update

from brickwork.errors import BrickworkError
from brickwork.jobs.events import JobProgressed
from brickwork.jobs.models import RunRow
from brickwork.messaging.handler import Retry

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

_run: Any = RunRow.__table__
F = TypeVar("F", bound=Callable[..., Any])
_MARK = "__brickwork_job__"
#: Time between two progress reports that are stored.
SPACING = timedelta(seconds=0.5)


class JobCancelledError(BrickworkError):
    """Somebody asked for the run to end; it ends at its next report or check."""

    code = "job_cancelled"
    status = 409


@attrs.frozen(kw_only=True)
class Job:
    """A function that can be run later."""

    name: str = attrs.field(validator=attrs.validators.matches_re(r"[A-Za-z0-9_.:-]{1,100}\Z"))
    function: Callable[..., Any]
    queue: str
    retry: Retry
    timeout: float
    concurrency: int | None


def job(
    *,
    name: str | None = None,
    queue: str = "default",
    retry: Retry | None = None,
    timeout: float = 3600.0,
    concurrency: int | None = None,
) -> Callable[[F], F]:
    """Makes `function(platform, run, **arguments)` a job. No transaction is open while it runs; after a crash it runs again, so
    let it do its work in transactions that can be repeated. Options are those of `brickwork.messaging.handles`."""

    def mark(function: F) -> F:
        named = name or f"{function.__module__}.{function.__qualname__}".replace("<locals>.", "")
        made = Job(
            name=named, function=function, queue=queue, retry=retry or Retry(attempts=3), timeout=timeout, concurrency=concurrency
        )
        setattr(function, _MARK, made)
        return function

    return mark


def jobs_of(source: object) -> list[Job]:
    """The job of a decorated function, or those of a module."""
    own = getattr(source, _MARK, None)
    if own is not None:
        return [own]
    return [getattr(value, _MARK) for value in getattr(source, "__dict__", {}).values() if hasattr(value, _MARK)]


class RunState(BaseModel):
    """A run as a reader sees it. `done` of `total` is what it reported last."""

    id: UUID
    job: str
    arguments: dict[str, Any]
    schedule_id: UUID | None
    due_at: datetime
    status: str
    asked_by: str
    attempts: int
    started_at: datetime | None
    ended_at: datetime | None
    done: int | None
    total: int | None
    note: str | None
    error: str | None
    cancel_asked: bool


class Run:
    """A run, from inside: it reports how far it is, and learns whether it should stop."""

    def __init__(self, platform: "Platform", id: UUID, job: str, due_at: datetime, attempt: int) -> None:
        self.id = id
        self.job = job
        #: The time it was meant for.
        self.due_at = due_at
        #: 1 for the first attempt.
        self.attempt = attempt
        self._platform = platform
        self._told: datetime | None = None

    def progress(self, done: int, total: int | None = None, note: str | None = None) -> None:
        """Report; raises `JobCancelledError` if the run was cancelled. Reports that come too fast are left out."""
        now = self._platform.clock.now()
        if self._told is not None and now - self._told < SPACING and done != total:
            return
        self._told = now
        with self._platform.database.begin(self._platform.current) as transaction:
            mine = (_run.c.tenant_id == transaction.tenant, _run.c.id == self.id)
            values = {"done": done, "total": total, "note": note}
            asked = transaction.execute(update(_run).where(*mine).values(values).returning(_run.c.cancel_asked)).scalar_one()
            transaction.publish(JobProgressed(run=self.id, job=self.job, status="running", done=done, total=total, note=note))
        if asked:
            raise JobCancelledError(f"run {self.id} of {self.job} was cancelled")

    def check(self) -> None:
        """Raise `JobCancelledError` if the run was cancelled."""
        if self._platform.jobs.get(self.id).cancel_asked:
            raise JobCancelledError(f"run {self.id} of {self.job} was cancelled")
