"""The hub of a server process: reads the log once for all its clients, and hands each message to those who want it.

Topics and connections belong to the event loop; the thread only reads the database.
"""

import asyncio
import logging
import threading
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from brickwork.errors import BrickworkError
from brickwork.realtime.log import Log, Message
from brickwork.realtime.presence import Presence
from brickwork.realtime.tickets import Tickets

if TYPE_CHECKING:
    from brickwork.data import Database
    from brickwork.realtime.settings import RealtimeSettings

log = logging.getLogger("brickwork.realtime")
CHANNEL = "brickwork_realtime"
Key = tuple[str, str]


class Listener(Protocol):
    """A connection, as the hub sees it."""

    def offer(self, message: Message) -> None:
        """Take a message; send it with the next `flush`."""
        ...

    def flush(self) -> None:
        """Send what was offered."""
        ...


class Hub:
    """One a process, from `start` to `stop`."""

    def __init__(
        self, database: "Database", log_: Log, presence: Presence, tickets: Tickets, settings: "RealtimeSettings"
    ) -> None:
        self._database = database
        self._log = log_
        self._presence = presence
        self._tickets = tickets
        self._settings = settings
        self._listeners: defaultdict[Key, set[Listener]] = defaultdict(set)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        #: The last message that was handed out here.
        self.seen = 0

    # -- in the event loop -----------------------------------------------------------------------------------------------

    def attach(self) -> None:
        """Hand messages out in the running loop, from now on."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()

    def subscribe(self, key: Key, listener: Listener) -> None:
        """Messages of a topic go to `listener`."""
        self._listeners[key].add(listener)

    def unsubscribe(self, key: Key, listener: Listener) -> None:
        """They no longer do."""
        listeners = self._listeners.get(key)
        if listeners is not None:
            listeners.discard(listener)
            if not listeners:
                del self._listeners[key]

    def hand_out(self, messages: Sequence[Message]) -> None:
        """Give messages to their listeners; each connection is written to once."""
        touched: set[Listener] = set()
        for message in messages:
            for listener in self._listeners.get((message.tenant, message.topic), ()):
                listener.offer(message)
                touched.add(listener)
        for listener in touched:
            listener.flush()

    # -- in threads --------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Read from the present end of the log on."""
        self.seen = self._log.head()[0]
        for name, function in (("realtime-listen", self._listen), ("realtime-read", self._read), ("realtime-keep", self._keep)):
            thread = threading.Thread(target=function, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Read no more."""
        self._stop.set()
        self._wake.set()
        for thread in self._threads:
            thread.join()

    def wake(self) -> None:
        """Something was committed in this process."""
        if self._listeners:
            self._wake.set()

    def present(self) -> int:
        """The number from which on a new listener gets messages. While a hub has no listener it neither numbers nor reads, which
        would cost each commit about as much as the commit; so the first one brings it up to date."""
        if not self._listeners:
            while self._log.number():
                pass
            self.seen = max(self.seen, self._log.head()[0])
        return self.seen

    def _read(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(self._settings.poll)
            self._wake.clear()
            if not self._listeners:
                continue
            try:
                while self._log.number():
                    pass
                while messages := self._log.since(self.seen):
                    self.seen = messages[-1].seq
                    if self._loop is not None:
                        self._loop.call_soon_threadsafe(self.hand_out, messages)
            except BrickworkError as error:
                log.warning("messages wait: %s", error.message)
                self._stop.wait(1.0)
            except RuntimeError:
                return  # the loop is closed
            except Exception:
                log.exception("the hub failed, it tries again")
                self._stop.wait(1.0)

    def _listen(self) -> None:
        listener = self._database.backend.listen(CHANNEL)
        while not self._stop.is_set():
            try:
                if listener.wait(0.5):
                    self._wake.set()
            except BrickworkError:
                self._stop.wait(1.0)
        listener.close()
        listener.wait(0)

    def _keep(self) -> None:
        """Presence and upkeep, three times in a presence's lifetime."""
        while not self._stop.wait(self._settings.presence_seconds / 3):
            try:
                self._presence.renew()
                if self._presence.sweep():
                    self._wake.set()
                while self._log.number():
                    pass
                self._log.trim(self._settings.history_seconds)
                self._tickets.expire()
            except BrickworkError as error:
                log.warning("presence was not renewed: %s", error.message)
            except Exception:
                log.exception("upkeep failed, it tries again")
