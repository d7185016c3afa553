"""Connections that one caller keeps to itself, an event loop for instance: taking one from a pool and giving it back costs
about as much as the look-up of a row on an embedded database."""

from sqlalchemy import Connection

from brickwork.data.port import Engines


class Lane:
    """A reader and a writer, opened on first use. Not for several threads at a time."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines
        self._kept: dict[bool, Connection] = {}
        self._taken: set[Connection] = set()

    def take(self, *, readonly: bool) -> Connection | None:
        """The reader or the writer; None where a transaction further out has it."""
        connection = self._kept.get(readonly)
        if connection is None or connection.closed:
            connection = (self._engines.read if readonly else self._engines.write).connect()
            self._kept[readonly] = connection
        if connection in self._taken:
            return None
        self._taken.add(connection)
        return connection

    def give_back(self, connection: Connection) -> bool:
        """Whether `connection` is the lane's own. One that is not fit for a next transaction is closed."""
        if connection not in self._taken:
            return False
        self._taken.discard(connection)
        if connection.invalidated or connection.in_transaction():
            connection.close()
        return True

    def close(self) -> None:
        """Close what was opened."""
        for connection in self._kept.values():
            connection.close()
        for engine in {self._engines.read, self._engines.write}:
            engine.dispose()
