"""Jobs as a product sees them: `platform.jobs`."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import delete, insert, select, update

from brickwork.data.pagination import Page, cut, decode_cursor, encode_cursor
from brickwork.errors import ConflictError, NotFoundError, ValidationError
from brickwork.jobs.component import JobsSettings
from brickwork.jobs.events import JobProgressed, JobRequested
from brickwork.jobs.job import Job, JobCancelledError, Run, RunState, jobs_of
from brickwork.jobs.models import RunRow
from brickwork.jobs.scheduler import Scheduler
from brickwork.jobs.schedules import Schedules
from brickwork.kernel.context import Context
from brickwork.kernel.ids import uuid7
from brickwork.messaging.handler import Subscription

if TYPE_CHECKING:
    from brickwork.data import Transaction
    from brickwork.kernel.platform import Platform
    from brickwork.kernel.tracing import Attributes

_run: Any = RunRow.__table__


class Jobs:
    """Work that is done later, in a worker."""

    def __init__(self, platform: "Platform", settings: JobsSettings) -> None:
        self._platform = platform
        self._database = platform.database
        self.settings = settings
        self.known: dict[str, Job] = {}
        self.schedules = Schedules(platform.database, self)
        self.scheduler = Scheduler(platform.database, self, settings.interval)
        platform.messaging.catalogue.add_event(JobProgressed)
        for sources in platform.plugins.hook.brickwork_jobs():
            self.add(*sources)

    def add(self, *sources: object) -> None:
        """Add jobs: functions decorated with `@job`, or modules of them. Those of plugins are there already."""
        for source in sources:
            found = jobs_of(source)
            if not found:
                raise ValidationError(f"{source!r} is no job; decorate it with @job()")
            for job in found:
                if self.known.setdefault(job.name, job) is not job:
                    raise ValidationError(f"two jobs are named {job.name!r}; give one another name=")
                self._platform.messaging.catalogue.add([self._subscription(job)])

    def enqueue(
        self, name: str, arguments: Mapping[str, Any] | None = None, *, at: datetime | None = None, delay: float | None = None
    ) -> UUID:
        """Ask for a run: now, `at` an aware time, or after `delay` seconds. It commits with the caller's transaction.
        `arguments` are JSON. Returns the run's id; raises `NotFoundError` if there is no such job."""
        if at is not None and (delay is not None or at.tzinfo is None):
            raise ValidationError("give an aware time or a delay, not both", field="at")
        now = self._database.clock.now()
        due = at or now + timedelta(seconds=delay or 0)
        with self._database.transaction() as transaction:
            return self._ask(transaction, self._job(name), dict(arguments or {}), max(due, now), None)

    def get(self, id: UUID) -> RunState:
        """The state of a run; raises `NotFoundError`."""
        self._platform.require("jobs.read")
        with self._database.transaction(readonly=True) as transaction:
            return _state(self._row(transaction, id))

    def list(
        self, *, job: str | None = None, status: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> Page[RunState]:
        """The newest runs first, at most `limit` (1 to 500) a page."""
        self._platform.require("jobs.read")
        limit = cut(limit, 500)
        with self._database.transaction(readonly=True) as transaction:
            statement = select(_run).where(_run.c.tenant_id == transaction.tenant)
            for column, value in ((_run.c.job, job), (_run.c.status, status)):
                if value is not None:
                    statement = statement.where(column == value)
            if cursor:
                statement = statement.where(_run.c.id < UUID(str(decode_cursor(cursor, "runs")[0])))
            rows = transaction.execute(statement.order_by(_run.c.id.desc()).limit(limit + 1)).all()
        following = encode_cursor("runs", [str(rows[limit - 1].id)]) if len(rows) > limit else None
        return Page([_state(row) for row in rows[:limit]], following)

    def cancel(self, id: UUID) -> RunState:
        """End a run: one that waits never begins, a running one is told at its next report or check. Raises `ConflictError`
        where it has ended."""
        self._platform.require("jobs.write")
        with self._database.transaction() as transaction:
            row = self._row(transaction, id, lock=True)
            if row.status not in ("waiting", "running"):
                raise ConflictError(f"run {id} is {row.status} already")
            now = self._database.clock.now()
            values: dict[str, Any] = {"cancel_asked": True}
            if row.status == "waiting":
                values |= {"status": "cancelled", "ended_at": now}
            self._set(transaction, id, values)
            return _state(self._row(transaction, id))

    def expire(self) -> int:
        """Forget ended runs older than `jobs.history_days`, of every tenant."""
        limit = self._database.clock.now() - timedelta(days=self.settings.history_days)
        with self._database.begin(Context(system=True)) as transaction:
            return int(transaction.execute(delete(_run).where(_run.c.ended_at < limit)).rowcount)

    # -- life ----------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Look for due schedules in this process, if it handles events."""
        if self._platform.messaging.handles_here:
            self.scheduler.start()

    def close(self) -> None:
        self.scheduler.stop()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _job(self, name: str) -> Job:
        if name not in self.known:
            raise NotFoundError(f"there is no job {name!r}; known are {', '.join(sorted(self.known)) or 'none'}")
        return self.known[name]

    def _ask(self, transaction: "Transaction", job: Job, arguments: dict[str, Any], due: datetime, schedule: UUID | None) -> UUID:
        id = uuid7()
        values = {
            "tenant_id": transaction.tenant,
            "id": id,
            "job": job.name,
            "arguments": arguments,
            "schedule_id": schedule,
            "due_at": due,
            "status": "waiting",
            "asked_by": transaction.context.actor,
            "attempts": 0,
            "cancel_asked": False,
        }
        transaction.execute(insert(_run), values)
        self._platform.messaging.send(_subscription_name(job.name), JobRequested(run=id, job=job.name), at=due)
        return id

    def _subscription(self, job: Job) -> Subscription:
        return Subscription(
            name=_subscription_name(job.name),
            pattern=f"(job {job.name})",
            function=self._handle,
            event=JobRequested,
            queue=job.queue,
            retry=job.retry,
            timeout=job.timeout,
            concurrency=job.concurrency,
            transactional=False,
        )

    def _handle(self, platform: "Platform", event: JobRequested) -> None:
        job = self._job(event.job)
        row = self._begin(event.run)
        if row is None:
            return
        run = Run(platform, row.id, row.job, row.due_at, row.attempts)
        try:
            attributes: Attributes = {"brickwork.job": job.name, "brickwork.run": str(run.id), "brickwork.attempt": run.attempt}
            with platform.tracing.span(f"job {job.name}", attributes):
                job.function(platform, run, **row.arguments)
        except JobCancelledError:
            self._end(run, "cancelled")
        except BaseException as error:
            last = run.attempt >= job.retry.attempts
            self._end(run, "failed" if last else "waiting", f"{type(error).__name__}: {error}"[:2000])
            raise
        else:
            self._end(run, "done")

    def _begin(self, id: UUID) -> Any:
        with self._database.transaction() as transaction:
            mine = (_run.c.tenant_id == transaction.tenant, _run.c.id == id, _run.c.status.in_(("waiting", "running")))
            values = {"status": "running", "started_at": self._database.clock.now(), "attempts": _run.c.attempts + 1}
            return transaction.execute(update(_run).where(*mine).values(values).returning(*_run.c)).one_or_none()

    def _end(self, run: Run, status: str, error: str | None = None) -> None:
        with self._database.transaction() as transaction:
            ended = None if status == "waiting" else self._database.clock.now()
            self._set(transaction, run.id, {"status": status, "ended_at": ended, "error": error})
            transaction.publish(JobProgressed(run=run.id, job=run.job, status=status))

    def _set(self, transaction: "Transaction", id: UUID, values: dict[str, Any]) -> None:
        mine = (_run.c.tenant_id == transaction.tenant, _run.c.id == id)
        transaction.execute(update(_run).where(*mine).values(values))

    def _row(self, transaction: "Transaction", id: UUID, *, lock: bool = False) -> Any:
        statement = select(_run).where(_run.c.tenant_id == transaction.tenant, _run.c.id == id)
        row = transaction.execute(statement.with_for_update() if lock else statement).one_or_none()
        if row is None:
            raise NotFoundError(f"there is no run {id}")
        return row


def _subscription_name(job: str) -> str:
    return f"job:{job}"


def _state(row: Any) -> RunState:
    return RunState(**{name: getattr(row, name) for name in RunState.model_fields})
