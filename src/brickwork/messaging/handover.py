"""Handing over from the process that published: what was just committed goes to the broker without a look at the database.

A relay would have to find the row, mark it as taken and read it back, which costs more than carrying it. So where the broker is
a server and is known to be there, the row is stored as taken, with a lease, and a thread here sends it after the commit. What
it can't send it gives back; what is lost with the process comes to a relay when its lease ends, as anything that a broker loses.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING, Any

from sqlalchemy import update

from brickwork.errors import BrickworkError
from brickwork.kernel.context import Context
from brickwork.messaging.bell import Bell
from brickwork.messaging.handler import Subscription
from brickwork.messaging.models import DeliveryRow
from brickwork.messaging.pace import Pace
from brickwork.messaging.port import MessageBroker, Parcel

if TYPE_CHECKING:
    from brickwork.data import Database

log = logging.getLogger("brickwork.messaging")

_table: Any = DeliveryRow.__table__
#: Parcels that may wait here for the broker; what is published beyond them is left to the relays.
MOST = 500
#: Parcels sent at once.
BATCH = 100
#: Seconds between two looks at how deep a queue is that is in use, and the least and most between two at one that is closed.
LOOK, PAUSE, MOST_PAUSE = 0.2, 0.5, 30.0


class HandOver:
    """One a process; its thread and the connection to the broker come with the first use. Where it isn't `wanted`, it admits
    nothing."""

    def __init__(self, database: "Database", broker: Callable[[], MessageBroker], bell: Bell, *, wanted: bool) -> None:
        self._database = database
        self._broker = broker
        self._bell = bell
        self._parcels: deque[Parcel] = deque()
        #: Queues that are known to take more, and for the others when to look again and how long to wait after that.
        self._open: dict[str, float] = {}
        self._shut: dict[str, tuple[float, float]] = {}
        self._asked = set[str]()
        self._woken = threading.Event()
        self._closed = not wanted
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def admits(self, wanted: Subscription, before: int) -> bool:
        """Whether a new delivery, due at once, may go this way; `before` are those that its transaction already has.

        Order and limits are the relays' matter, since they know what else is on its way. The first deliveries to a queue go
        by a relay too: only when the broker has answered does any come this way.
        """
        if wanted.ordered or wanted.concurrency is not None or self._closed:
            return False
        if wanted.queue in self._open:
            return len(self._parcels) + before < MOST
        if monotonic() >= self._shut.get(wanted.queue, (0.0, 0.0))[0]:
            self._asked.add(wanted.queue)
            self._wake()
        return False

    def add(self, parcels: Sequence[Parcel]) -> None:
        """Send these, which were committed as taken."""
        self._parcels.extend(parcels)
        self._wake()

    def close(self) -> None:
        """Send what waits, admit nothing more."""
        self._closed = True
        self._open.clear()
        if self._thread is not None:
            self._woken.set()
            self._thread.join()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="handover", daemon=True)
                    self._thread.start()
        self._woken.set()

    def _run(self) -> None:
        pace = Pace()
        while not self._closed or self._parcels:
            self._woken.wait()
            self._woken.clear()
            try:
                self._look()
                while self._parcels:
                    sent = self._send()
                    pace.moved(sent)
                    if not self._closed and sent < BATCH // 2:
                        pace.linger()
                    self._look()  # it may go on like this for long, and the queue fill up
            except BrickworkError as error:
                log.warning("events are left to the relays for now: %s", error.message)
            except Exception:
                log.exception("handing over failed, events are left to the relays for now")

    def _look(self) -> None:
        """Find out which queues are there and take more."""
        now = monotonic()
        for queue in {*self._asked, *(queue for queue, looked in list(self._open.items()) if now - looked > LOOK)}:
            self._asked.discard(queue)
            try:
                broker = self._broker()
                room = not broker.local and broker.depth(queue) < broker.window
            except BrickworkError:
                room = False
            if room and not self._closed:
                self._open[queue] = monotonic()
                self._shut.pop(queue, None)
            else:
                self._close_queue(queue)

    def _close_queue(self, queue: str) -> None:
        self._open.pop(queue, None)
        pause = min(max(PAUSE, 2 * self._shut.get(queue, (0.0, 0.0))[1]), MOST_PAUSE)
        self._shut[queue] = (monotonic() + pause, pause)

    def _send(self) -> int:
        batch = [self._parcels.popleft() for _ in range(min(BATCH, len(self._parcels)))]
        batch.sort(key=lambda parcel: parcel.queue)
        try:
            self._broker().send(batch)
        except BaseException:
            for queue in list(self._open):
                self._close_queue(queue)
            rest = [self._parcels.popleft() for _ in range(len(self._parcels))]
            give_back(self._database, [parcel.id for parcel in (*batch, *rest)], self._database.clock.now())
            self._bell.ring()
            raise
        return len(batch)


def give_back(database: "Database", ids: Sequence[int], now: datetime) -> None:
    """Make deliveries due that were taken and could not be handed over. Where the database is away too, their leases end."""
    with database.begin(Context(system=True)) as transaction:
        values = {"due_at": now, "taken": False}
        transaction.execute(update(_table).where(_table.c.id.in_(ids), _table.c.taken).values(values))
