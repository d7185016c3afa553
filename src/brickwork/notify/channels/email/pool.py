"""Connections to a mail server that are kept for the next message, up to so many at a time."""

import socket
import ssl
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock
from time import monotonic

from brickwork.notify.channels.email.connection import Connection
from brickwork.notify.channels.email.settings import EmailSettings
from brickwork.notify.channels.errors import TemporaryFailure


class Pool:
    """See the module. For any number of threads; a connection is one thread's at a time."""

    def __init__(self, settings: EmailSettings) -> None:
        self._settings = settings
        self._tls = None
        if settings.security != "none":
            self._tls = ssl.create_default_context()
            if settings.ca_file is not None:
                self._tls.load_verify_locations(settings.ca_file)
        self._hostname = settings.hostname or socket.getfqdn()
        self._idle: deque[Connection] = deque()
        self._slots = BoundedSemaphore(settings.connections)
        self._lock = Lock()
        self._closed = False

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection that works, as far as can be told. Raises `TemporaryFailure`."""
        if not self._slots.acquire(timeout=self._settings.timeout):
            raise TemporaryFailure("all connections to the mail server are in use")
        try:
            made = self._kept() or self._new()
            try:
                yield made
            except BaseException:
                made.close()  # it may be in the middle of something
                raise
            self._keep(made)
        finally:
            self._slots.release()

    def close(self) -> None:
        """End the connections; those in use end when they are given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, deque()
        for connection in idle:
            connection.end()

    def _new(self) -> Connection:
        if self._closed:
            raise TemporaryFailure("the channel is closed")
        made = Connection(self._settings, self._tls, self._hostname)
        made.open()
        return made

    def _kept(self) -> Connection | None:
        """The one that was used last, so that those which aren't needed grow old."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                found = self._idle.pop()
            rested = monotonic() - found.used
            if rested < self._settings.idle and (rested < self._settings.check_after or found.lives()):
                return found
            found.end()

    def _keep(self, connection: Connection) -> None:
        if connection.broken is not None:
            return
        with self._lock:
            if not self._closed and connection.room > 0:
                self._idle.append(connection)
                return
        connection.end()
