"""Embedded circuits: a SQLite file beside the database (or in the data folder), for the processes of one machine."""

from collections.abc import Mapping
from time import time
from typing import TYPE_CHECKING

from brickwork.data.sidefile import SideFile
from brickwork.gateway.circuit import CLOSED, Circuit
from brickwork.kernel.component import ComponentSettings, Health

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

_SCHEMA = "CREATE TABLE IF NOT EXISTS circuit (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"


class EmbeddedBreakers:
    """See the module."""

    def __init__(self, platform: "Platform", settings: ComponentSettings) -> None:
        self._file = SideFile(platform.database.beside("circuits.db"), _SCHEMA)

    def read(self, key: str) -> tuple[Circuit, float]:
        with self._file.reading() as connection:
            row = connection.execute("SELECT value FROM circuit WHERE key = ?", (key,)).fetchone()
        return (Circuit.decode(row[0]) if row else CLOSED), time()

    def swap(self, key: str, seen: Circuit, new: Circuit) -> bool:
        with self._file.writing() as connection:
            row = connection.execute("SELECT value FROM circuit WHERE key = ?", (key,)).fetchone()
            if (row[0] if row else CLOSED.encode()) != seen.encode():
                return False
            if new == CLOSED:
                connection.execute("DELETE FROM circuit WHERE key = ?", (key,))
            else:
                connection.execute("INSERT OR REPLACE INTO circuit VALUES (?, ?)", (key, new.encode()))
        return True

    def troubled(self) -> tuple[Mapping[str, Circuit], float]:
        with self._file.reading() as connection:
            rows = connection.execute("SELECT key, value FROM circuit").fetchall()
        return {key: Circuit.decode(value) for key, value in rows}, time()

    def health(self) -> Health:
        self.read("")
        return Health(True, "embedded")

    def close(self) -> None:
        self._file.close()
