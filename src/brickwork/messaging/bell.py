"""Waking relays: in this process at once, in others by the database's own signals, many commits in one."""

import logging
import threading
from typing import TYPE_CHECKING

from brickwork.errors import BrickworkError

if TYPE_CHECKING:
    from brickwork.data import Database

log = logging.getLogger("brickwork.messaging")

CHANNEL = "brickwork_messages"
#: Seconds between two signals: many commits a second need no signal each.
SPACING = 0.005


class Bell:
    """Rung after a commit that owes deliveries; relays wait for it."""

    def __init__(self, database: "Database") -> None:
        self._database = database
        self._heard = threading.Event()
        self._due = threading.Event()
        self._closed = threading.Event()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def ring(self) -> None:
        """Wake every relay. The signal to other processes leaves from a thread, so that a commit doesn't wait for it."""
        self._heard.set()
        if not self._database.embedded and not self._due.is_set():
            self._due.set()
            self._run("bell-ring", self._forward)

    def wait(self, timeout: float) -> bool:
        """Whether it rang within `timeout` seconds, since the last wait."""
        rang = self._heard.wait(timeout)
        self._heard.clear()
        return rang

    def listen(self) -> None:
        """Hear also what other processes ring, from now on."""
        self._run("bell-listen", self._listen)

    def close(self) -> None:
        """Send what is still to be sent and stop."""
        self._closed.set()
        self._due.set()
        self._heard.set()
        for thread in self._threads:
            thread.join()

    def _run(self, name: str, function: object) -> None:
        with self._lock:
            if any(thread.name == name for thread in self._threads) or self._closed.is_set():
                return
            thread = threading.Thread(target=function, name=name, daemon=True)  # type: ignore[arg-type]
            self._threads.append(thread)
            thread.start()

    def _forward(self) -> None:
        while True:
            self._due.wait()
            closing = self._closed.is_set()
            self._due.clear()
            try:
                self._database.backend.signal(self._database.engines, CHANNEL)
            except Exception as error:
                log.warning("other processes were not woken, they look by themselves: %s", error)
            if closing:
                return
            self._closed.wait(SPACING)

    def _listen(self) -> None:
        listener = self._database.backend.listen(CHANNEL)
        while not self._closed.is_set():
            try:
                if listener.wait(0.5):
                    self._heard.set()
            except BrickworkError:
                self._heard.set()  # a relay that looks finds out for itself
                self._closed.wait(1.0)
        listener.close()
        listener.wait(0)
