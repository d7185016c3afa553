"""The beginning of a transaction on PostgreSQL, sent with its first statement in one round trip (psycopg's pipeline mode).

Nothing is lost by waiting: until its first statement a transaction on PostgreSQL holds no snapshot and no lock.
"""

import select
from contextlib import nullcontext
from typing import Any

import psycopg

from brickwork.errors import UnavailableError

#: Connections whose transaction has begun for brickwork and not yet for the server, with what the server is to be told.
_ATTRIBUTE = "_brickwork_opening"
Opening = tuple[str, list[str]]


class OpeningCursor(psycopg.Cursor[Any]):
    """A cursor that sends what was postponed before its own statement, in the same round trip."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> "OpeningCursor":
        opening = _taken(self.connection)
        if opening is None:
            return super().execute(query, params, **options)
        with nullcontext() if self.connection.pgconn.pipeline_status else self.connection.pipeline():
            _open(self.connection, opening)
            super().execute(query, params, **options)
        return self

    def executemany(self, query: Any, params_seq: Any, **options: Any) -> None:
        _open_now(self.connection)
        super().executemany(query, params_seq, **options)


class OpeningServerCursor(psycopg.ServerCursor[Any]):
    """The same for rows that are streamed, in a round trip of its own."""

    def execute(self, query: Any, params: Any = None, **options: Any) -> "OpeningServerCursor":
        _open_now(self.connection)
        super().execute(query, params, **options)
        return self


def equip(connection: Any, _: Any) -> None:
    """A listener for a pool's `connect`: cursors of both kinds send what was postponed."""
    connection.cursor_factory = OpeningCursor
    connection.server_cursor_factory = OpeningServerCursor


def postpone(connection: Any, begin: str, values: list[str]) -> None:
    """Begin with `begin` and these settings (tenant, and stamp if it writes) when the first statement comes. Raises
    `UnavailableError` if the server has hung up."""
    if _hung_up(connection):
        raise UnavailableError("the database cannot be reached")
    setattr(connection, _ATTRIBUTE, (begin, values))


def _hung_up(connection: Any) -> bool:
    """An idle connection has nothing to say but farewell. (A rare notice costs a connection, no more.)"""
    socket = connection.pgconn.socket
    if not hasattr(select, "poll"):  # on Windows, where `select` takes any socket
        return bool(select.select([socket], [], [], 0)[0])
    poll = select.poll()  # `select` refuses file descriptors above 1023, which a server of many clients has
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))


def drop(connection: Any, *_: Any) -> None:
    """Postpone nothing any more; also a listener for a pool's `checkin`."""
    if connection is not None:
        setattr(connection, _ATTRIBUTE, None)


def _taken(connection: Any) -> Opening | None:
    opening: Opening | None = getattr(connection, _ATTRIBUTE, None)
    if opening is not None:
        drop(connection)
    return opening


def _open_now(connection: Any) -> None:
    opening = _taken(connection)
    if opening is not None:
        with connection.pipeline():
            _open(connection, opening)


def _open(connection: Any, opening: Opening) -> None:
    begin, values = opening
    cursor = psycopg.Cursor(connection)
    cursor.execute(begin)
    names = ("tenant", "stamp")[: len(values)]
    pairs = [text for name, value in zip(names, values, strict=True) for text in (f"brickwork.{name}", value)]
    cursor.execute(f"SELECT {', '.join('set_config(%s, %s, true)' for _ in names)}", pairs)
