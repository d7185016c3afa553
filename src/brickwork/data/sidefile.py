"""A SQLite file beside the database, for what embedded backends share between the processes of one machine and may lose."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from brickwork.errors import UnavailableError


class SideFile:
    """Connections for whoever works at the same time, in WAL mode without fsync. `schema` is a script of
    `CREATE … IF NOT EXISTS`."""

    def __init__(self, path: Path, schema: str, *, patience: float = 5.0) -> None:
        self._path = path
        self._schema = schema
        self._patience = patience
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._closed = False

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection in autocommit mode. Raises `UnavailableError`."""
        with self.told():
            connection = self._taken()
            try:
                yield connection
            finally:
                self._give_back(connection)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A block that no other thread or process writes beside. Raises `UnavailableError`."""
        with self.reading() as connection:
            self._patiently(lambda: connection.execute("BEGIN IMMEDIATE"))
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def told(self) -> Iterator[None]:
        """A block whose SQLite errors are told as `UnavailableError`."""
        try:
            yield
        except sqlite3.Error as error:
            raise UnavailableError(f"{self._path} can't be used: {error}") from None

    def close(self) -> None:
        """Close the connections, those in use when they are given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _taken(self) -> sqlite3.Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._open()

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    def _patiently(self, function: Callable[[], object]) -> None:
        """Until it succeeds. SQLite's own busy handler sleeps long, and doesn't wait for a change of the journal mode at all."""
        deadline, pause = monotonic() + self._patience, 0.0001
        while True:
            try:
                function()
                return
            except sqlite3.OperationalError as error:
                if not error.sqlite_errorname.startswith("SQLITE_BUSY") or monotonic() > deadline:
                    raise
            sleep(pause)
            pause = min(pause * 1.2, 0.005)

    def _open(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UnavailableError(f"{self._path.parent} can't be used: {error.strerror}") from None
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=self._patience)
        try:
            self._patiently(lambda: connection.execute("PRAGMA journal_mode = wal"))
            connection.execute("PRAGMA synchronous = off")
            self._patiently(lambda: connection.executescript(self._schema))
        except BaseException:
            connection.close()
            raise
        return connection
