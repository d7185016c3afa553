"""The broker that needs no server: parcels go from the database into a queue of this process, and a worker takes them."""

import queue
import threading
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dramatiq import Broker, Consumer, Message, MessageProxy

from brickwork.kernel.component import ComponentSettings, Health
from brickwork.messaging.port import Parcel, Unreadable

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

#: Parcels that wait in the process beside those in work, so that threads don't wait for the database.
AHEAD = 16
ACTOR = "brickwork.deliver"


class SqlBroker:
    """See the module. Several processes share the work, since each takes from the database what it has room for."""

    local = True

    def __init__(self, platform: "Platform", settings: ComponentSettings) -> None:
        self.window: int = platform.settings.messaging.threads + AHEAD
        self._queues: defaultdict[str, queue.SimpleQueue[Message[Any]]] = defaultdict(queue.SimpleQueue)
        self._held: defaultdict[str, set[int]] = defaultdict(set)
        self._lock = threading.Lock()

    def setup(self, queues: Sequence[str]) -> list[str]:
        return []

    def send(self, parcels: Sequence[Parcel]) -> None:
        for parcel in parcels:
            with self._lock:
                self._held[parcel.queue].add(parcel.id)
            self._queues[parcel.queue].put(
                Message(queue_name=parcel.queue, actor_name=ACTOR, args=parcel.arguments(), kwargs={}, options={})
            )

    def transport(self, unreadable: Unreadable) -> Broker:
        return _Transport(self)

    def depth(self, queue: str) -> int:
        return len(self._held[queue])

    def health(self) -> Health:
        return Health(True, "in the database")

    def close(self) -> None:
        """There is nothing to close: what is still queued here is owed by the database."""

    def _done(self, queue: str, id: int) -> None:
        with self._lock:
            self._held[queue].discard(id)


class _Transport(Broker):
    def __init__(self, owner: SqlBroker) -> None:
        super().__init__(middleware=[])
        self._owner = owner
        self.queues = set[str]()

    def declare_queue(self, queue_name: str) -> None:
        if queue_name not in self.queues:
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def get_declared_queues(self) -> set[str]:
        return set(self.queues)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 1000) -> Consumer:
        return _Consumer(self._owner, queue_name, timeout / 1000)


class _Consumer(Consumer):
    def __init__(self, owner: SqlBroker, name: str, timeout: float) -> None:
        self._owner = owner
        self._name = name
        self._timeout = timeout

    def __next__(self) -> MessageProxy | None:
        try:
            return MessageProxy(self._owner._queues[self._name].get(timeout=self._timeout))
        except queue.Empty:
            return None

    def ack(self, message: MessageProxy) -> None:
        self._owner._done(self._name, message.args[0])

    def nack(self, message: MessageProxy) -> None:
        self._owner._done(self._name, message.args[0])

    def requeue(self, messages: Any) -> None:
        for message in messages:
            self._owner._done(self._name, message.args[0])
