"""Embedded locks: a SQLite file beside the database (or in the data folder), for the processes of one machine.

Times are those of the machine's monotonic clock, which all its processes share and nobody sets. It begins anew with the machine:
a permit from the future is of before that, and its holder is no more.
"""

from time import monotonic, time_ns
from typing import TYPE_CHECKING

from brickwork.data.sidefile import SideFile
from brickwork.kernel.component import ComponentSettings, Health

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

_SCHEMA = """
CREATE TABLE IF NOT EXISTS permits (
    name TEXT, holder TEXT, since REAL NOT NULL, until REAL NOT NULL, PRIMARY KEY (name, holder)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS last_token (one INTEGER PRIMARY KEY CHECK (one = 1), token INTEGER NOT NULL);
"""
#: Never falls, though the clock does; a file that was lost begins above what it gave out.
_TOKEN = """
INSERT INTO last_token VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET token = max(token + 1, excluded.token) RETURNING token
"""


class EmbeddedLocks:
    """See the module."""

    def __init__(self, platform: "Platform", settings: ComponentSettings) -> None:
        self._file = SideFile(platform.database.beside("locks.db"), _SCHEMA)

    def take(self, name: str, holder: str, permits: int, seconds: float) -> int | None:
        with self._file.writing() as connection:
            now = monotonic()
            connection.execute("DELETE FROM permits WHERE name = ? AND (until <= ? OR since > ?)", (name, now, now))
            (count,) = connection.execute("SELECT count(*) FROM permits WHERE name = ?", (name,)).fetchone()
            if count >= permits:
                return None
            connection.execute("INSERT INTO permits VALUES (?, ?, ?, ?)", (name, holder, now, now + seconds))
            (token,) = connection.execute(_TOKEN, (time_ns() // 1000,)).fetchone()
            return int(token)

    def renew(self, name: str, holder: str, seconds: float) -> bool:
        with self._file.writing() as connection:
            now = monotonic()
            renewed = "UPDATE permits SET until = ? WHERE name = ? AND holder = ? AND until > ?"
            return connection.execute(renewed, (now + seconds, name, holder, now)).rowcount == 1

    def free(self, name: str, holder: str) -> bool:
        with self._file.writing() as connection:
            gone = "DELETE FROM permits WHERE name = ? AND holder = ? RETURNING until"
            row = connection.execute(gone, (name, holder)).fetchone()
            return row is not None and row[0] > monotonic()

    def held(self, name: str) -> int:
        with self._file.reading() as connection:
            now = monotonic()
            counted = "SELECT count(*) FROM permits WHERE name = ? AND until > ? AND since <= ?"
            return int(connection.execute(counted, (name, now, now)).fetchone()[0])

    def health(self) -> Health:
        self.held("")
        return Health(True, "embedded")

    def close(self) -> None:
        self._file.close()
