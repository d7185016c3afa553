"""What of the quotas is used, kept in the database too: written down every few seconds, and looked up where the store that
counts has forgotten it, as a Redis that began anew has."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs
from sqlalchemy import case, delete, select

from brickwork.errors import BrickworkError
from brickwork.kernel.context import SYSTEM_TENANT, Context
from brickwork.limits.admission import Counted
from brickwork.limits.models import UsageRow

if TYPE_CHECKING:
    from brickwork.data.database import Database

log = logging.getLogger("brickwork.limits")
_table: Any = UsageRow.__table__
#: Rounds of writing between two in which old rows are removed.
_CLEANING = 500
#: Rows that one statement writes.
_CHUNK = 1000


@attrs.frozen
class Use:
    """What a holder ("tenant", "user:…", "service:…", "key:…") has used of a quota in a window."""

    quota: str
    holder: str
    window: str
    used: int
    ends_at: datetime


class Usage:
    """See the module. `seconds` lie between two rounds of writing; rows are kept for `days` after their window is over."""

    def __init__(self, database: "Database", now: Callable[[], datetime], *, seconds: float, days: int) -> None:
        self._database = database
        self._now = now
        self._seconds = seconds
        self._kept = timedelta(days=days)
        self._fresh: dict[Counted, int] = {}
        self._leaving: dict[Counted, int] = {}
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._rounds = 0

    def note(self, counted: Counted, used: int) -> None:
        """Remember how much is used, to be written down in the next round."""
        with self._lock:
            if used > self._fresh.get(counted, -1):
                self._fresh[counted] = used

    def recall(self, tenant: str, counted: Sequence[Counted]) -> list[int]:
        """What is known to be used: the most of what this process saw and what is written down."""
        with self._lock:  # before the database is read: what is written in between is found there
            seen = [max(self._fresh.get(one, 0), self._leaving.get(one, 0)) for one in counted]
        context = Context(system=True) if tenant == SYSTEM_TENANT else Context(tenant=tenant)
        wanted = select(_table.c.quota, _table.c.holder, _table.c.window_label, _table.c.used).where(
            _table.c.tenant_id == tenant,
            _table.c.quota.in_({one.quota for one in counted}),
            _table.c.holder.in_({one.holder for one in counted}),
            _table.c.window_label.in_({one.window.label for one in counted}),
        )
        with self._database.begin(context, readonly=True) as transaction:
            rows: Any = transaction.execute(wanted)
            stored = {(row.quota, row.holder, row.window_label): int(row.used) for row in rows}
        places = [(one.quota, one.holder, one.window.label) for one in counted]
        return [max(known, stored.get(place, 0)) for known, place in zip(seen, places, strict=True)]

    def list(self, tenant: str, now: datetime) -> list[Use]:
        """What is written down of the present windows, the most used first; at most 500."""
        with self._database.transaction(readonly=True) as transaction:
            wanted = select(_table).where(_table.c.tenant_id == tenant, _table.c.ends_at > now)
            rows: Any = transaction.execute(wanted.order_by(_table.c.used.desc(), _table.c.quota, _table.c.holder).limit(500))
            return [Use(row.quota, row.holder, row.window_label, int(row.used), row.ends_at) for row in rows]

    def write(self) -> None:
        """Write down what was noted since the last time."""
        with self._writing:
            with self._lock:
                leaving, self._fresh = self._fresh, {}
                self._leaving = leaving
            try:
                self._store([_row(counted, used) for counted, used in sorted(leaving.items(), key=_order)])
            except BaseException:
                for counted, used in leaving.items():
                    self.note(counted, used)
                raise
            finally:
                self._leaving = {}

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="limits-usage", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write down the rest."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._round()

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            self._round()

    def _round(self) -> None:
        try:
            self.write()
            self._rounds += 1
            if self._rounds % _CLEANING == 0:
                self._clean()
        except BrickworkError as error:  # it is written in the next round
            log.warning("the use of quotas is not written down now: %s", error.message)

    def _store(self, rows: Sequence[Mapping[str, Any]]) -> None:
        if not rows:
            return
        with self._database.begin(Context(actor="system", system=True)) as transaction:
            statement = _upsert(transaction.connection.dialect.name)
            for start in range(0, len(rows), _CHUNK):
                transaction.execute(statement, list(rows[start : start + _CHUNK]))

    def _clean(self) -> None:
        with self._database.begin(Context(actor="system", system=True)) as transaction:
            transaction.execute(delete(_table).where(_table.c.ends_at < self._now() - self._kept))


def _row(counted: Counted, used: int) -> dict[str, Any]:
    window = counted.window
    return {"tenant_id": counted.tenant, "quota": counted.quota, "holder": counted.holder[:250], "window_label": window.label,
            "used": used, "ends_at": window.ends}  # fmt: skip


def _order(item: tuple[Counted, int]) -> tuple[str, ...]:
    """One order for all processes, so that none waits for another in a circle."""
    counted = item[0]
    return counted.tenant, counted.quota, counted.holder, counted.window.label


def _upsert(dialect: str) -> Any:
    insert: Any
    if dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import insert
    else:
        from sqlalchemy.dialects.sqlite import insert
    statement = insert(_table)
    more = statement.excluded.used
    used = case((more > _table.c.used, more), else_=_table.c.used)
    return statement.on_conflict_do_update(index_elements=_table.primary_key.columns, set_={"used": used})
