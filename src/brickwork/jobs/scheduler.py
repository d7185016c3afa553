"""Firing schedules: any number of processes look, and for each time one of them fires.

The schedule's row is locked while its runs are asked for and its next time is set, in one transaction; a run is unique for its
schedule and time besides. So there is no leader to elect and none to lose.
"""

import logging
import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select, update

from brickwork.errors import BrickworkError
from brickwork.jobs.models import ScheduleRow
from brickwork.jobs.triggers import Trigger
from brickwork.kernel.clock import Watch
from brickwork.kernel.context import Context

if TYPE_CHECKING:
    from brickwork.data import Database
    from brickwork.jobs.service import Jobs

log = logging.getLogger("brickwork.jobs")

_schedule: Any = ScheduleRow.__table__
#: Missed times of a schedule with misfire "all" that are made up for.
MOST_MISSED = 100
#: Schedules whose times are brought back after the clock was set back.
MOST_MENDED = 10_000
#: Seconds between two rounds of forgetting old runs.
UPKEEP = 3600.0


class Scheduler:
    """Looks every `interval` seconds for schedules that are due."""

    def __init__(self, database: "Database", jobs: "Jobs", interval: float) -> None:
        self._database = database
        self._jobs = jobs
        self._interval = interval
        self._watch = Watch(database.clock)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Look from a thread, until `stop`."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="scheduler", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def fire(self, *, most: int = 100) -> int:
        """Ask for the runs of up to `most` schedules that are due; how many runs."""
        asked = 0
        if self._watch.set_back():
            self._mend()
        with self._database.begin(Context(system=True), readonly=True) as transaction:
            due = select(_schedule.c.tenant_id, _schedule.c.id).where(_schedule.c.next_at <= self._database.clock.now())
            rows = transaction.execute(due.order_by(_schedule.c.next_at).limit(most)).all()
        for row in rows:
            asked += self._fire(row.tenant_id, row.id)
        return asked

    def _mend(self) -> None:
        """After the clock was set back, and at the start, when it may have been: no interval is longer than it is. A time of day
        that comes a second time so doesn't fire again."""
        now = self._database.clock.now()
        every, next_at = _schedule.c.trigger["every"].as_float(), _schedule.c.next_at
        latest = bindparam("latest", type_=next_at.type)
        ahead = select(_schedule.c.id, every.label("every")).where(next_at > now, every.is_not(None)).limit(MOST_MENDED)
        earlier = update(_schedule).where(_schedule.c.id == bindparam("schedule"), next_at > latest).values(next_at=latest)
        with self._database.begin(Context(system=True, reason="the clock was set back")) as transaction:
            rows = transaction.execute(ahead).all()
            if rows:
                transaction.execute(earlier, [{"schedule": row.id, "latest": now + timedelta(seconds=row.every)} for row in rows])

    def _fire(self, tenant: str, id: Any) -> int:
        """Each in the context of its tenant, and in a transaction of its own: one that fails holds up no other."""
        platform = self._database._platform
        with platform.context(tenant=tenant, actor="system:scheduler"), self._database.transaction() as transaction:
            now = self._database.clock.now()
            mine = (_schedule.c.tenant_id == transaction.tenant, _schedule.c.id == id, _schedule.c.next_at <= now)
            row = transaction.execute(select(_schedule).where(*mine).with_for_update(skip_locked=True)).one_or_none()
            if row is None:
                return 0  # another process was quicker
            trigger = Trigger.model_validate(row.trigger)
            times, following = missed(trigger, row.next_at, now)
            late = {"once": times[-1:], "skip": [] if len(times) > 1 else times, "all": times}[row.misfire]
            job = self._jobs.known.get(row.job)
            if job is None:
                log.error("schedule %s of tenant %s: there is no job %s here", row.name, tenant, row.job)
                return 0
            for moment in late:
                self._jobs._ask(transaction, job, row.arguments, moment, row.id)
            transaction.execute(update(_schedule).where(*mine[:2]).values(next_at=following))
            return len(late)

    def _run(self) -> None:
        since, mended = UPKEEP, False
        while not self._stop.wait(self._interval):
            try:
                if not mended:
                    self._mend()
                    mended = True
                self.fire()
                since += self._interval
                if since >= UPKEEP:
                    since = 0.0
                    self._jobs.expire()
            except BrickworkError as error:
                log.warning("schedules wait: %s", error.message)
            except Exception:
                log.exception("the scheduler failed, it tries again")


def missed(trigger: Trigger, first: datetime, now: datetime) -> tuple[list[datetime], datetime | None]:
    """The times from `first` to `now` (the last 100, after a long outage), and the one that follows."""
    times, moment = [first], trigger.after(first, previous=first)
    if moment is not None and now - first > (step := moment - first) * MOST_MISSED:
        moment = trigger.after(now - step * MOST_MISSED, previous=first)
    while moment is not None and moment <= now:
        times.append(moment)
        moment = trigger.after(moment, previous=moment)
    return times[-MOST_MISSED:], moment
