"""Messaging as a product sees it: `platform.messaging`."""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from brickwork.errors import NotFoundError
from brickwork.kernel.component import Health
from brickwork.kernel.context import Context
from brickwork.messaging.bell import Bell
from brickwork.messaging.catalogue import Catalogue
from brickwork.messaging.consumer import Consumer
from brickwork.messaging.dead import DeadLetters, DeadLettersGrew
from brickwork.messaging.envelope import CloudEvent
from brickwork.messaging.event import Event
from brickwork.messaging.handler import subscriptions_of
from brickwork.messaging.handover import HandOver
from brickwork.messaging.meters import Meters
from brickwork.messaging.models import DeliveryRow
from brickwork.messaging.outbox import Outbox
from brickwork.messaging.port import MessageBroker
from brickwork.messaging.relay import BATCH, Relay
from brickwork.messaging.settings import MessagingSettings

if TYPE_CHECKING:
    from brickwork.data import Transaction
    from brickwork.kernel.platform import Platform
    from brickwork.messaging.worker import Worker

_table: Any = DeliveryRow.__table__


class Messaging:
    """Events and their handlers. Publish with `transaction.publish(event)`."""

    def __init__(self, platform: "Platform", settings: MessagingSettings) -> None:
        self.settings = settings
        self.catalogue = Catalogue()
        self._platform = platform
        self._database = platform.database
        self._cause: ContextVar[CloudEvent | None] = ContextVar("brickwork_cause", default=None)
        self.bell = Bell(platform.database)
        self.dead = DeadLetters(platform.database, self.catalogue, settings, self.bell, platform.require)
        self._meters = Meters(platform.metrics, platform.database)
        self.consumer = Consumer(platform, self.catalogue, self.dead, self.bell, self._cause, self._meters)
        straight = settings.handover and settings.backend != "sql"
        self.handover = HandOver(platform.database, lambda: self.broker, self.bell, wanted=straight)
        self._outbox = Outbox(platform.database, self.catalogue, settings, self.handover)
        self._broker: MessageBroker | None = None
        self._worker: Worker | None = None
        self.catalogue.add_event(DeadLettersGrew)
        for events in platform.plugins.hook.brickwork_events():
            for event in events:
                self.catalogue.add_event(event)
        for sources in platform.plugins.hook.brickwork_handlers():
            self.subscribe(*sources)

    def subscribe(self, *sources: object) -> None:
        """Add handlers: functions decorated with `@handles`, or modules of them. Those of plugins are there already."""
        for source in sources:
            self.catalogue.add(subscriptions_of(source))

    @property
    def broker(self) -> MessageBroker:
        """The broker that settings name, made on first use."""
        if self._broker is None:
            self._broker = self._platform.backend("messaging", self.settings.backend)
        return self._broker

    @property
    def cause(self) -> CloudEvent | None:
        """The event that is being handled here and now."""
        return self._cause.get()

    def send(self, subscription: str, event: Event, *, at: datetime | None = None) -> None:
        """Owe `event` to one handler, by its name, in the current transaction; not before `at`. Raises `NotFoundError`."""
        wanted = self.catalogue.subscriptions.get(subscription)
        if wanted is None:
            raise NotFoundError(f"there is no handler {subscription!r}")
        with self._database.transaction() as transaction:
            self._outbox.owe(transaction, wanted, event, at, self._cause.get())

    @property
    def handles_here(self) -> bool:
        """Whether this process handles events once it is started."""
        inside = self.settings.in_server
        return self._database.embedded if inside is None else inside

    def queues(self) -> list[str]:
        """The queues that handlers use."""
        return sorted({subscription.queue for subscription in self.catalogue.subscriptions.values()})

    def worker(self, queues: Sequence[str] | None = None, *, threads: int | None = None) -> "Worker":
        """A worker for this process, not started yet."""
        from brickwork.messaging.worker import Worker

        return Worker(self, queues, threads)

    def relay(self, queues: Sequence[str], held: Callable[[], list[int]] = list, *, broker: MessageBroker | None = None) -> Relay:
        """A relay for `queues` to `broker` (the settings' by default), not started yet; `held` tells the deliveries that are in
        this process."""
        return Relay(self._database, self.catalogue, broker or self.broker, self.bell, self.dead, self.settings, queues, held)

    def drain(self, *, most: int = 10_000) -> int:
        """Handle what is due, here and now, in the caller's thread; how many handlers succeeded. For tests and scripts: what
        failed and is to be tried later stays for later."""
        from brickwork.messaging.backends.sql import SqlBroker

        # straight from the database, whatever broker the settings name
        relay = self.relay([], broker=SqlBroker(self._platform, self.settings))
        relay.mend()
        done = handled = 0
        while handled < most:
            parcels = [parcel for queue in self.queues() for parcel in relay.take(queue, BATCH)]
            if not parcels:
                return done
            for parcel in parcels:
                done += self.consumer.handle(parcel)
                handled += 1
        return done

    def measure(self) -> None:
        """Bring the gauges up to date."""
        self._meters.measure()

    def backlog(self) -> dict[str, int]:
        """How many events wait for each handler, over all tenants; names without a handler here are of other products."""
        with self._database.begin(Context(system=True), readonly=True) as transaction:
            counted = select(_table.c.subscription, func.count()).group_by(_table.c.subscription)
            rows: Any = transaction.execute(counted).all()
            return {name: int(count) for name, count in rows}

    # -- life ----------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Handle events in this process too, where settings or an embedded database say so."""
        if self.handles_here and self.queues():
            self._worker = self.worker()
            self._worker.start()

    def health(self) -> Health:
        """The broker's, once it was used."""
        return Health(True, "not used yet") if self._broker is None else self._broker.health()

    def close(self) -> None:
        if self._worker is not None:
            self._worker.stop()
        self.handover.close()
        self.bell.close()
        if self._broker is not None:
            self._broker.close()

    # -- the moments of a transaction ----------------------------------------------------------------------------------

    def _before_commit(self, transaction: "Transaction") -> None:
        self._outbox.write(transaction, self._cause.get())

    def _after_commit(self, transaction: "Transaction") -> None:
        if self._outbox.committed(transaction):
            self.bell.ring()
