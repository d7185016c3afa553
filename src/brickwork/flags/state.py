"""What flags are at the moment, held in memory and replaced whole when somebody changed one, in whatever process."""

import logging
import threading
from collections.abc import Mapping
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING, Any

import attrs
from pydantic import ValidationError as PydanticError
from sqlalchemy import func, select

from brickwork.errors import BrickworkError, UnavailableError
from brickwork.flags.decide import Compiled
from brickwork.flags.flag import Flag
from brickwork.flags.models import FlagRow, OverrideRow
from brickwork.flags.settings import FlagsSettings
from brickwork.kernel.context import Context

if TYPE_CHECKING:
    from brickwork.data import Database, Transaction

log = logging.getLogger("brickwork.flags")

CHANNEL = "brickwork_flags"
#: Seconds between two looks, where the database signals every commit.
SPACING = 0.05


@attrs.frozen
class Override:
    """What a tenant is served instead of what the rules say."""

    variant: str
    reason: str
    until: datetime | None


@attrs.frozen
class State:
    """Flags by key, and overrides by tenant and key. `mark` changes with every change."""

    mark: tuple[int, ...]
    flags: dict[str, Compiled]
    overrides: dict[str, dict[str, Override]]


class Watch:
    """Loads the state on first use, and again when it changed: at once in this process, within a tenth of a second in others."""

    def __init__(self, database: "Database", settings: FlagsSettings, declared: Mapping[str, Flag]) -> None:
        self._database = database
        self._settings = settings
        self._declared = declared
        self._state: State | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def state(self) -> State:
        """The present state; while it was never loaded and can't be, what code declares."""
        return self._state or self._begin()

    def refresh(self) -> None:
        """Load the state if it changed."""
        with self._lock:
            known = self._state
            with self._database.begin(Context(system=True), readonly=True) as transaction:
                mark = _mark(transaction)
                if known is None or known.mark != mark:
                    self._state = self._load(transaction, mark)

    def changed(self) -> None:
        """A transaction of this process has changed something."""
        try:
            self.refresh()
            self._database.backend.signal(self._database.engines, CHANNEL)
        except BrickworkError as error:
            log.warning("a change of flags is heard of later: %s", error.message)

    def close(self) -> None:
        """Stop looking."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()

    def _begin(self) -> State:
        try:
            self.refresh()
        except UnavailableError as error:  # the thread goes on trying
            log.warning("flags are as code declares them: %s", error.message)
            self._state = self._state or State((), self._as_declared(), {})
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="flags", daemon=True)
                self._thread.start()
        assert self._state is not None
        return self._state

    def _run(self) -> None:
        listener = self._database.backend.listen(CHANNEL)
        looked = monotonic()
        while not self._closed.wait(SPACING):
            try:
                heard = listener.wait(min(self._settings.refresh, 0.5))
                if heard or monotonic() - looked >= self._settings.refresh:
                    self.refresh()
                    looked = monotonic()
            except BrickworkError as error:
                log.warning("flags stay as they were: %s", error.message)
                self._closed.wait(1.0)
        listener.close()
        listener.wait(0)

    def _as_declared(self) -> dict[str, Compiled]:
        return {key: Compiled(flag) for key, flag in self._declared.items()}

    def _load(self, transaction: "Transaction", mark: tuple[int, ...]) -> State:
        flags = self._as_declared()
        stored: Any = transaction.execute(select(FlagRow.key, FlagRow.definition))
        for key, definition in stored:
            if not definition:
                continue
            try:
                flags[key] = Compiled(Flag.model_validate(definition))
            except PydanticError as error:  # of a newer version of brickwork, or written past it
                log.error("flag %s can't be read and stays as code declares it: %s", key, error.errors()[0]["msg"])
        overrides: dict[str, dict[str, Override]] = {}
        rows = select(OverrideRow.tenant_id, OverrideRow.key, OverrideRow.variant, OverrideRow.reason, OverrideRow.until)
        for row in transaction.execute(rows.where(OverrideRow.variant.is_not(None))):
            overrides.setdefault(row.tenant_id, {})[row.key] = Override(str(row.variant), row.reason, row.until)
        return State(mark, flags, overrides)


def _mark(transaction: "Transaction") -> tuple[int, ...]:
    """Rows are never removed and their versions only grow, so sums tell every change."""
    found: list[int] = []
    for table in (FlagRow, OverrideRow):
        sums = select(func.count(), func.coalesce(func.sum(table.version), 0)).select_from(table)
        found += map(int, transaction.execute(sums).one())
    return tuple(found)


def cycle(flags: Mapping[str, Flag], start: str) -> list[str]:
    """A chain of prerequisites that leads from `start` back to it, or nothing."""
    path: list[str] = []
    seen = set[str]()

    def leads_back(key: str) -> bool:
        path.append(key)
        for needed in flags[key].prerequisites if key in flags else ():
            if needed == start:
                path.append(start)
                return True
            if needed not in seen:
                seen.add(needed)
                if leads_back(needed):
                    return True
        path.pop()
        return False

    return path if leads_back(start) else []
