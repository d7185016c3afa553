"""The embedded cache: entries in a SQLite file, versions of tags in memory that the processes of a machine share.

A version is read without a system call, so what a process remembers is checked on each use and never behind. Both files
belong to one run of the machine (a crash may lose some of their pages) and are made anew after a restart.
"""

import mmap
import os
import secrets
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

from brickwork.cache.port import SLOTS, Look, Versions, changed, changing, version
from brickwork.data.sidefile import SideFile
from brickwork.errors import UnavailableError
from brickwork.kernel.component import ComponentSettings, Health

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry (key TEXT PRIMARY KEY, value BLOB NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entry_until ON entry (until);
CREATE TABLE IF NOT EXISTS lease (key TEXT PRIMARY KEY, token TEXT NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
"""
_KEEP = "INSERT INTO entry VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value, until = excluded.until"
_LEASE = """
INSERT INTO lease VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET token = excluded.token, until = excluded.until
WHERE lease.until <= ?
"""
#: One in so many writes removes what is over.
_SWEEP = 256


class EmbeddedStore:
    """See the module."""

    spans_machines = False
    strict_memory = True

    def __init__(self, platform: "Platform", settings: ComponentSettings) -> None:
        folder = platform.database.beside("cache") / _boot()
        self._file = SideFile(folder / "entries.db", _SCHEMA)
        self._writes = 0
        self._fault = ""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for other in folder.parent.iterdir():
                if other != folder:
                    shutil.rmtree(other, ignore_errors=True)
            self._map = _shared(folder / "versions", SLOTS * 8)
        except OSError as error:  # a read-only disk: the platform works without a cache
            self._fault = f"{folder} can't be used: {error.strerror}"
            self._map = mmap.mmap(-1, SLOTS * 8)
        self._words = memoryview(self._map).cast("q")

    def look(self, key: str, slots: Sequence[int]) -> Look:
        self._check()
        versions = self._versions(slots)
        with self._file.reading() as connection:
            row = connection.execute("SELECT value FROM entry WHERE key = ? AND until > ?", (key, time())).fetchone()
        return Look(row[0] if row else None, versions)

    def keep(self, key: str, entry: bytes, seconds: float) -> None:
        now = time()
        self._writes += 1
        with self._file.writing() as connection:
            connection.execute(_KEEP, (key, entry, now + seconds))
            if self._writes % _SWEEP == 0:
                connection.execute("DELETE FROM entry WHERE until <= ?", (now,))
                connection.execute("DELETE FROM lease WHERE until <= ?", (now,))

    def lease(self, key: str, seconds: float) -> str | None:
        token, now = secrets.token_hex(8), time()
        with self._file.writing() as connection:
            got = connection.execute(_LEASE, (key, token, now + seconds, now)).rowcount
        return token if got else None

    def release(self, key: str, lease: str) -> None:
        with self._file.writing() as connection:
            connection.execute("DELETE FROM lease WHERE key = ? AND token = ?", (key, lease))

    def announce(self, slots: Sequence[int]) -> None:
        self._check()
        word = changing(time())
        for slot in slots:
            self._words[slot] = word

    def change(self, slots: Sequence[int]) -> None:
        self._check()
        word = changed()
        for slot in slots:
            self._words[slot] = word

    def remembered(self, slots: Sequence[int]) -> Versions | None:
        return None if self._fault else self._versions(slots)

    def _versions(self, slots: Sequence[int]) -> Versions:
        words = self._words
        now = time()
        return tuple([version(words[slot], now) for slot in slots])

    def _check(self) -> None:
        if self._fault:
            raise UnavailableError(self._fault)

    def health(self) -> Health:
        self._check()
        with self._file.reading() as connection:
            connection.execute("SELECT 1 FROM entry LIMIT 1")
        return Health(True, "embedded")

    def close(self) -> None:
        self._file.close()
        with suppress(BufferError):
            self._words.release()
            self._map.close()


def _shared(path: Path, size: int) -> mmap.mmap:
    """Memory that processes share through a file; new pages are zero."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if os.fstat(descriptor).st_size < size:
            os.ftruncate(descriptor, size)
        return mmap.mmap(descriptor, size)
    finally:
        os.close(descriptor)


def _boot() -> str:
    """What names the present run of the machine, where it tells."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return "machine"
