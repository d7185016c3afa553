"""A worker: a relay and dramatiq's threads, which take parcels from the broker and handle them."""

import logging
import os
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from dramatiq import Actor
from dramatiq import Worker as Threads

from brickwork.errors import ValidationError
from brickwork.messaging.backends.sql import ACTOR
from brickwork.messaging.port import Parcel
from brickwork.messaging.relay import Relay
from brickwork.messaging.watchdog import Watchdog

if TYPE_CHECKING:
    from brickwork.messaging.service import Messaging

log = logging.getLogger("brickwork.messaging")


class Worker:
    """Handles events in this process from `start` to `stop`. `queues` limits which; all that have handlers by default."""

    def __init__(self, messaging: "Messaging", queues: Sequence[str] | None = None, threads: int | None = None) -> None:
        known = messaging.queues()
        if unknown := set(queues or ()) - set(known):
            raise ValidationError(f"no handler uses the queue {', '.join(sorted(unknown))}; there are {', '.join(known)}")
        self.queues = list(queues) if queues else known
        self._messaging = messaging
        self._count = threads or messaging.settings.threads
        self._watchdog = Watchdog(self._hung)
        self._running: dict[int, None] = {}
        self._threads: Threads | None = None
        self._relay: Relay | None = None
        #: Called where a handler can't be interrupted; a process of `brickwork worker` ends itself there.
        self.on_hang: Callable[[], None] = lambda: None
        self.idle = threading.Event()

    def start(self) -> None:
        """Declare the queues, begin to consume and to relay. Raises `UnavailableError` where the broker can't be reached."""
        if not self.queues:
            return
        messaging = self._messaging
        messaging.broker.setup(self.queues)
        transport = messaging.broker.transport(messaging.dead.unreadable)
        Actor(self._deliver, broker=transport, actor_name=ACTOR, queue_name=self.queues[0], priority=0, options={})
        for queue in self.queues:
            transport.declare_queue(queue)
        self._watchdog.start()
        self._threads = Threads(transport, worker_threads=self._count, worker_timeout=200)
        self._threads.start()
        self._relay = messaging.relay(self.queues, self._held)
        self._relay.start()

    def stop(self, timeout: float = 600.0) -> None:
        """Take nothing more, let running handlers end (for up to `timeout` seconds), give back the rest."""
        if self._relay is None or self._threads is None:
            return
        self._relay.stop()
        self._threads.stop(int(timeout * 1000))
        self._threads.broker.close()
        self._watchdog.stop()
        self._relay = self._threads = None

    def _held(self) -> list[int]:
        """The deliveries that wait or are handled here."""
        assert self._threads is not None
        with self._threads.work_queue.mutex:
            waiting = [item.message.args[0] for item in self._threads.work_queue.queue]
        return waiting + list(self._running)  # in one step, as far as other threads can see

    def _deliver(self, id: int, tenant: str, subscription: str, queue: str, event: str) -> None:
        parcel = Parcel(id, tenant, subscription, queue, event)
        self._running[id] = None
        try:
            self._messaging.consumer.handle(parcel, lambda timeout: self._watchdog.begin(parcel, timeout), self._watchdog.end)
        finally:
            self._watchdog.end()
            self._running.pop(id, None)

    def _hung(self, parcel: Parcel) -> None:
        log.error("handler %s can't be interrupted", parcel.subscription)
        self._messaging.consumer.give_up(parcel)
        self.on_hang()


def end_process() -> None:
    """What `brickwork worker` does where a handler hangs for good: end at once, to be started anew."""
    os._exit(70)
