"""Schedules: jobs that run again and again. `platform.jobs.schedules`."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import delete, insert, select, update

from brickwork.errors import NotFoundError, ValidationError
from brickwork.jobs.models import ScheduleRow
from brickwork.jobs.triggers import Misfire, Trigger, parse_trigger
from brickwork.kernel.ids import uuid7

if TYPE_CHECKING:
    from collections.abc import Sequence

    from brickwork.data import Database, Transaction
    from brickwork.jobs.service import Jobs

_schedule: Any = ScheduleRow.__table__


class Schedule(BaseModel):
    """A schedule as a reader sees it."""

    id: UUID
    name: str
    job: str
    arguments: dict[str, Any]
    trigger: Trigger
    misfire: Misfire
    next_at: datetime | None
    paused: bool


class Schedules:
    """The schedules of the context's tenant."""

    def __init__(self, database: "Database", jobs: "Jobs") -> None:
        self._database = database
        self._jobs = jobs

    def put(
        self,
        name: str,
        job: str,
        trigger: Trigger | Mapping[str, Any],
        *,
        arguments: Mapping[str, Any] | None = None,
        misfire: Misfire = "once",
    ) -> Schedule:
        """Make the schedule `name`, or change it: `put("nightly", "close-books", {"cron": "0 3 * * *", "zone": "UTC"})`.

        `misfire` says what happens to times that passed while no worker ran: "once" runs for the last of them, "skip" for none,
        "all" for each (the last 100).
        """
        self._jobs._platform.require("jobs.write")
        self._jobs._job(job)
        if misfire not in ("once", "skip", "all"):
            raise ValidationError("misfire takes once, skip or all", field="misfire")
        if not 0 < len(name) <= 120:
            raise ValidationError("a schedule's name takes 1 to 120 characters", field="name")
        parsed = trigger if isinstance(trigger, Trigger) else parse_trigger(trigger)
        now = self._database.clock.now()
        values = {
            "job": job,
            "arguments": dict(arguments or {}),
            "trigger": parsed.model_dump(mode="json", exclude_none=True),
            "misfire": misfire,
            "next_at": parsed.after(now),
            "paused": False,
        }
        with self._database.transaction() as transaction:
            mine = (_schedule.c.tenant_id == transaction.tenant, _schedule.c.name == name)
            if not transaction.execute(update(_schedule).where(*mine).values(values)).rowcount:
                transaction.execute(insert(_schedule), {"tenant_id": transaction.tenant, "id": uuid7(), "name": name, **values})
            return _read(self._row(transaction, name))

    def get(self, name: str) -> Schedule:
        """One schedule; raises `NotFoundError`."""
        self._jobs._platform.require("jobs.read")
        with self._database.transaction(readonly=True) as transaction:
            return _read(self._row(transaction, name))

    def list(self) -> "Sequence[Schedule]":
        """All of them, by name (at most 1,000)."""
        self._jobs._platform.require("jobs.read")
        with self._database.transaction(readonly=True) as transaction:
            statement = select(_schedule).where(_schedule.c.tenant_id == transaction.tenant)
            return [_read(row) for row in transaction.execute(statement.order_by(_schedule.c.name).limit(1000)).all()]

    def pause(self, name: str) -> Schedule:
        """Let it rest until `resume`."""
        return self._change(name, {"paused": True, "next_at": None})

    def resume(self, name: str) -> Schedule:
        """Let it go on with the next time from now."""
        return self._change(name, {"paused": False, "next_at": self.get(name).trigger.after(self._database.clock.now())})

    def remove(self, name: str) -> None:
        """End it; its runs stay in the history."""
        self._jobs._platform.require("jobs.write")
        with self._database.transaction() as transaction:
            self._row(transaction, name)
            mine = (_schedule.c.tenant_id == transaction.tenant, _schedule.c.name == name)
            transaction.execute(delete(_schedule).where(*mine))

    def _change(self, name: str, values: dict[str, Any]) -> Schedule:
        self._jobs._platform.require("jobs.write")
        with self._database.transaction() as transaction:
            self._row(transaction, name)
            mine = (_schedule.c.tenant_id == transaction.tenant, _schedule.c.name == name)
            transaction.execute(update(_schedule).where(*mine).values(values))
            return _read(self._row(transaction, name))

    def _row(self, transaction: "Transaction", name: str) -> Any:
        statement = select(_schedule).where(_schedule.c.tenant_id == transaction.tenant, _schedule.c.name == name)
        row = transaction.execute(statement).one_or_none()
        if row is None:
            raise NotFoundError(f"there is no schedule {name!r}")
        return row


def _read(row: Any) -> Schedule:
    names = ("id", "name", "job", "arguments", "misfire", "next_at", "paused")
    return Schedule(trigger=Trigger.model_validate(row.trigger), **{name: getattr(row, name) for name in names})
