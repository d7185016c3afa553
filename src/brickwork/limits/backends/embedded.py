"""Embedded limits: a SQLite file beside the database (or in the data folder), for the processes of one machine."""

from collections.abc import Sequence
from sqlite3 import Connection
from time import time
from typing import TYPE_CHECKING

from brickwork.data.sidefile import SideFile
from brickwork.kernel.component import ComponentSettings, Health
from brickwork.limits.decide import decide
from brickwork.limits.port import Count, Pace, Taken

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

#: `even` is when the key is no longer ahead, `until` when the count may be forgotten.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS pace (key TEXT PRIMARY KEY, even REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS pace_even ON pace (even);
CREATE TABLE IF NOT EXISTS tally (key TEXT PRIMARY KEY, used INTEGER NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tally_until ON tally (until);
"""
_PACE = "INSERT INTO pace VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET even = excluded.even"
_TALLY = "INSERT INTO tally VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET used = excluded.used, until = excluded.until"
_MEND = "UPDATE pace SET even = ? WHERE key = ?"
#: Times count from here, the beginning of 2026, so that a double holds them to nanoseconds.
_EPOCH = 1_767_225_600
#: One in so many calls removes what no longer counts.
_SWEEP = 1000


class EmbeddedLimits:
    """See the module."""

    def __init__(self, platform: "Platform", settings: ComponentSettings) -> None:
        self._file = SideFile(platform.database.beside("limits.db"), _SCHEMA)
        self._calls = 0

    def advance(self, key: str, step: float, most: float) -> tuple[bool, float]:
        taken = self.take([Pace(key, step, most)], [])
        return taken.all, taken.ahead[0]

    def take(self, paces: Sequence[Pace], counts: Sequence[Count]) -> Taken:
        with self._file.writing() as connection:
            now = time() - _EPOCH
            self._sweep(connection, now)
            ahead = [_ahead(connection, pace, now) for pace in paces]
            used = [_used(connection, count, now) for count in counts]
            taken = decide(paces, counts, ahead, used)
            if taken.all:
                for pace, further in zip(paces, taken.ahead, strict=True):
                    if pace.step:
                        connection.execute(_PACE, (pace.key, now + further))
                for count, total in zip(counts, taken.used, strict=True):
                    if count.cost:
                        connection.execute(_TALLY, (count.key, total, now + count.ttl))
            return taken

    def reset(self, key: str) -> None:
        with self._file.writing() as connection:
            connection.execute("DELETE FROM pace WHERE key = ?", (key,))

    def health(self) -> Health:
        with self._file.reading() as connection:
            connection.execute("SELECT 1 FROM pace LIMIT 1")
        return Health(True, "embedded")

    def close(self) -> None:
        self._file.close()

    def _sweep(self, connection: Connection, now: float) -> None:
        self._calls += 1
        if self._calls % _SWEEP == 0:
            connection.execute("DELETE FROM pace WHERE even <= ?", (now,))
            connection.execute("DELETE FROM tally WHERE until <= ?", (now,))


def _ahead(connection: Connection, pace: Pace, now: float) -> float:
    row = connection.execute("SELECT even FROM pace WHERE key = ?", (pace.key,)).fetchone()
    ahead = max(0.0, float(row[0]) - now) if row else 0.0
    if ahead > pace.most:  # no key is further ahead than its limit admits, unless the clock was set back since
        ahead = pace.most
        connection.execute(_MEND, (now + ahead, pace.key))
    return ahead


def _used(connection: Connection, count: Count, now: float) -> int | None:
    row = connection.execute("SELECT used FROM tally WHERE key = ? AND until > ?", (count.key, now)).fetchone()
    return int(row[0]) if row else count.floor
