"""Embedded rate limits: a SQLite file beside the database (or in the data folder), for the processes of one machine."""

from time import time
from typing import TYPE_CHECKING

from brickwork.data.sidefile import SideFile
from brickwork.kernel.component import ComponentSettings, Health

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

#: `even` is when the key is no longer ahead.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS pace (key TEXT PRIMARY KEY, even REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS pace_even ON pace (even);
"""
_ADVANCE = """
INSERT INTO pace SELECT :key, :now + :step WHERE :step <= :most
ON CONFLICT (key) DO UPDATE SET even = max(even, :now) + :step WHERE max(even, :now) + :step - :now <= :most
RETURNING even
"""
#: No key is ahead by more than its limit admits, unless the clock was set back since.
_MEND = "UPDATE pace SET even = :now + :most WHERE key = :key AND even > :now + :most"
#: One in so many calls removes keys that are not ahead.
_SWEEP = 1000


class EmbeddedLimits:
    """See the module."""

    def __init__(self, platform: "Platform", settings: ComponentSettings) -> None:
        self._file = SideFile(platform.database.beside("limits.db"), _SCHEMA)
        self._calls = 0

    def advance(self, key: str, step: float, most: float) -> tuple[bool, float]:
        self._calls += 1
        with self._file.writing() as connection:
            now = time()
            if self._calls % _SWEEP == 0:
                connection.execute("DELETE FROM pace WHERE even <= ?", (now,))
            connection.execute(_MEND, {"key": key, "now": now, "most": most})
            row = connection.execute(_ADVANCE, {"key": key, "now": now, "step": step, "most": most}).fetchone()
            if row is not None:
                return True, float(row[0]) - now
            row = connection.execute("SELECT even FROM pace WHERE key = ?", (key,)).fetchone()
            return False, max(0.0, float(row[0]) - now) if row else 0.0

    def reset(self, key: str) -> None:
        with self._file.writing() as connection:
            connection.execute("DELETE FROM pace WHERE key = ?", (key,))

    def health(self) -> Health:
        with self._file.reading() as connection:
            connection.execute("SELECT 1 FROM pace LIMIT 1")
        return Health(True, "embedded")

    def close(self) -> None:
        self._file.close()
