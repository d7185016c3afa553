"""What flags are at the moment, held in memory and replaced whole when somebody changed one, in whatever process."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import attrs
from pydantic import ValidationError as PydanticError
from sqlalchemy import func, select

from brickwork.data import watch as data
from brickwork.flags.decide import Compiled
from brickwork.flags.flag import Flag
from brickwork.flags.models import FlagRow, OverrideRow
from brickwork.flags.settings import FlagsSettings

if TYPE_CHECKING:
    from brickwork.data import Database, Transaction

log = logging.getLogger("brickwork.flags")

CHANNEL = "brickwork_flags"


@attrs.frozen
class Override:
    """What a tenant is served instead of what the rules say."""

    variant: str
    reason: str
    until: datetime | None


@attrs.frozen
class State:
    """Flags by key, and overrides by tenant and key."""

    flags: dict[str, Compiled]
    overrides: dict[str, dict[str, Override]]


class Watch:
    """The present state, loaded on first use and kept up to date."""

    def __init__(self, database: "Database", settings: FlagsSettings, declared: Mapping[str, Flag]) -> None:
        self._declared = declared
        self._watch = data.Watch(database, CHANNEL, refresh=settings.refresh, mark=_mark, load=self._load, without=self._without)
        self.refresh = self._watch.refresh
        self.changed = self._watch.changed
        self.close = self._watch.close

    @property
    def state(self) -> State:
        """The present state; while it was never loaded and can't be, what code declares."""
        return self._watch.value

    def _without(self) -> State:
        return State(self._as_declared(), {})

    def _as_declared(self) -> dict[str, Compiled]:
        return {key: Compiled(flag) for key, flag in self._declared.items()}

    def _load(self, transaction: "Transaction") -> State:
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
        return State(flags, overrides)


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
