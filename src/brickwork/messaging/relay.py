"""The relay: takes what is due from the database, in batches, and hands it to the broker."""

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any

from sqlalchemy import Integer, and_, case, cast, delete, func, literal, or_, select, update

from brickwork.errors import BrickworkError, UnavailableError
from brickwork.kernel.clock import Watch
from brickwork.kernel.context import Context
from brickwork.messaging.bell import Bell
from brickwork.messaging.catalogue import Catalogue
from brickwork.messaging.dead import DeadLetters
from brickwork.messaging.handler import Subscription
from brickwork.messaging.handover import give_back
from brickwork.messaging.mend import mend
from brickwork.messaging.models import DeliveryRow
from brickwork.messaging.pace import LINGER, Pace
from brickwork.messaging.port import MessageBroker, Parcel
from brickwork.messaging.settings import MessagingSettings

if TYPE_CHECKING:
    from brickwork.data import Database, Transaction

log = logging.getLogger("brickwork.messaging")

_table: Any = DeliveryRow.__table__
_earlier: Any = _table.alias("earlier")
#: Deliveries taken in one transaction.
BATCH = 100
#: Seconds more that a relay lies back for each time that it was woken and found nothing (another is at work), and at most.
YIELD, MOST_YIELD = 0.01, 0.05
#: Seconds between two looks at all that is due, however long ago, and by which the looks between reach back.
LOOK_BACK = 3.0
#: A delivery that went missing with its process this often is dead-lettered, even if its handler asks for fewer attempts.
LOSSES = 5
#: Seconds for which a process holds what it took for itself; each process renews what it holds three times in a lease.
LEASE = 15.0


class Relay:
    """Moves deliveries of `queues` to the broker; several at once, in any number of processes, share the work. `held` tells
    the deliveries that wait or are handled in this process: they are not taken for lost, however long that lasts."""

    def __init__(
        self,
        database: "Database",
        catalogue: Catalogue,
        broker: MessageBroker,
        bell: Bell,
        dead: DeadLetters,
        settings: MessagingSettings,
        queues: Sequence[str],
        held: Callable[[], list[int]] = list,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._broker = broker
        self._bell = bell
        self._dead = dead
        self._settings = settings
        self._queues = queues
        self._held = held
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._floors: dict[str, datetime] = {}
        self._looked: dict[str, float] = {}
        self._watch = Watch(database.clock)

    def start(self) -> None:
        """Run in threads until `stop`."""
        self._bell.listen()
        for name, loop in (("relay", self._run), ("relay-renew", self._renew)):
            thread = threading.Thread(target=loop, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Take nothing more; what was taken is let go when it isn't renewed."""
        self._stop.set()
        self._bell.ring()
        for thread in self._threads:
            thread.join()

    def once(self) -> int:
        """Move what is due and has room; the number of parcels."""
        moved = 0
        for queue in self._queues:
            depth = self._broker.depth(queue)
            room = min(self._broker.window - depth, BATCH)
            if room > 0:
                parcels = self.take(queue, room, recent=True, waiting=depth > 0 and not self._broker.local)
                if parcels:
                    self._send(parcels)
                    moved += len(parcels)
        return moved

    def take(self, queue: str, most: int, *, recent: bool = False, waiting: bool = False) -> list[Parcel]:
        """Take up to `most` due deliveries of a queue, the longest due first, within the limits of their subscriptions.

        With `recent`, those that became due before what was taken last are looked for only now and then: on PostgreSQL what
        was handled stays in the index until a vacuum, and each look from the beginning would pass all of it. That is not for
        queues with a subscription that keeps an order: what waits for its predecessor became due long ago.

        With `waiting`, the broker holds messages for which no worker had time: what was not heard of is handed over again,
        but is not counted as lost, since it is most likely among them.
        """
        known = [s for s in self._catalogue.subscriptions.values() if s.queue == queue]
        if not known:
            return []
        if self._watch.set_back():
            self.mend()
        with self._database.begin(Context(system=True)) as transaction:
            limited = [s for s in known if s.concurrency is not None]
            rows: list[Any] = []
            if free := [s.name for s in known if s.concurrency is None]:
                looked = self._now()
                floor = self._floor(queue) if recent else None
                rows += self._claim(transaction, queue, free, most, known, floor=floor, waiting=waiting)
                if len(rows) < most and not any(s.ordered for s in known):  # there is nothing more that was due by now
                    self._floors[queue] = looked - timedelta(seconds=LOOK_BACK)
            for subscription in limited:
                if most > len(rows):
                    rows += self._claim_limited(transaction, subscription, most - len(rows), waiting=waiting)
            rows = [row for row in rows if not self._buried(transaction, row)]
        rows.sort(key=lambda row: int(row.id))
        return [Parcel(row.id, row.tenant_id, row.subscription, queue, row.event, row.failures > 0) for row in rows]

    def mend(self) -> None:
        """After the clock was set back, and at the start, when it may have been: let nothing wait until it has caught up."""
        self._floors.clear()
        for queue in self._queues or sorted({s.queue for s in self._catalogue.subscriptions.values()}):
            known = [s for s in self._catalogue.subscriptions.values() if s.queue == queue]
            with self._database.begin(Context(system=True)) as transaction:
                mend(transaction, queue, known, self._now(), self._lease)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _claim(
        self,
        transaction: "Transaction",
        queue: str,
        names: list[str],
        most: int,
        among: Sequence[Subscription],
        *,
        floor: datetime | None = None,
        waiting: bool = False,
    ) -> list[Any]:
        if most <= 0:
            return []
        now = self._database.clock.now()
        conditions = [_table.c.queue == queue, _table.c.due_at <= now, _table.c.subscription.in_(names)]
        if floor is not None:
            conditions.append(_table.c.due_at >= floor)
        if any(s.ordered for s in among):
            waits = select(_earlier.c.id).where(
                _earlier.c.tenant_id == _table.c.tenant_id,
                _earlier.c.subscription == _table.c.subscription,
                _earlier.c.ordering == _table.c.ordering,
                _earlier.c.id < _table.c.id,
            )
            conditions.append(or_(_table.c.ordering.is_(None), ~waits.exists()))
        picked = (
            select(_table.c.id)
            .where(and_(*conditions))
            .order_by(_table.c.due_at, _table.c.id)
            .limit(most)
            .with_for_update(skip_locked=True, of=_table)
            .cte("picked")
            .prefix_with("MATERIALIZED")
        )
        # one that is due although it was taken went missing with the process that had it
        lost = _table.c.failures if waiting else _table.c.failures + cast(_table.c.taken, Integer)
        statement = (
            update(_table)
            .where(_table.c.id.in_(select(picked.c.id)))
            .values(due_at=self._expiry(now, among), taken=True, failures=lost)
            .returning(*_table.c)
        )
        return list(transaction.execute(statement).all())

    def _floor(self, queue: str) -> datetime | None:
        """From where to look. What commits late, comes back or was passed over is found by a look at everything."""
        if monotonic() - self._looked.get(queue, 0.0) > LOOK_BACK:
            self._looked[queue] = monotonic()
            return None
        return self._floors.pop(queue, None)

    def _lease(self, subscription: Subscription) -> float:
        """Seconds after which a delivery to this is taken for lost."""
        return LEASE if self._broker.local else self._settings.lease(subscription)

    def _expiry(self, now: datetime, among: Sequence[Subscription]) -> Any:
        """When a delivery that is taken now counts as lost: a slow handler doesn't delay what others in its queue lost."""
        leases = {subscription.name: self._lease(subscription) for subscription in among}
        if len(set(leases.values())) == 1:
            return now + timedelta(seconds=next(iter(leases.values())))
        ends = {name: literal(now + timedelta(seconds=lease), _table.c.due_at.type) for name, lease in leases.items()}
        return case(ends, value=_table.c.subscription, else_=_table.c.due_at)

    def _claim_limited(self, transaction: "Transaction", subscription: Subscription, most: int, *, waiting: bool) -> list[Any]:
        # one relay at a time counts and takes
        self._database.backend.serialize(transaction.connection, [f"subscription/{subscription.name}"])
        counted = select(func.count()).select_from(_table)
        flying = (_table.c.queue == subscription.queue, _table.c.due_at > self._now(), _table.c.taken)
        counted = counted.where(*flying, _table.c.subscription == subscription.name)
        assert subscription.concurrency is not None
        most = min(most, subscription.concurrency - int(transaction.execute(counted).scalar_one()))
        return self._claim(transaction, subscription.queue, [subscription.name], most, [subscription], waiting=waiting)

    def _buried(self, transaction: "Transaction", row: Any) -> bool:
        """Whether a delivery went missing too often: then it is what ends the processes that handle it."""
        if row.failures < max(self._catalogue.subscriptions[row.subscription].retry.attempts, LOSSES):
            return False
        now = self._now()
        told = {"at": now.isoformat(), "error": "lost: the process that handled it ended, or the broker lost it", "traceback": ""}
        transaction.execute(delete(_table).where(_table.c.id == row.id))
        self._dead.bury(transaction, row, [*(row.history or []), told], now)
        return True

    def _send(self, parcels: list[Parcel]) -> None:
        try:
            self._broker.send(parcels)
        except UnavailableError:
            give_back(self._database, [parcel.id for parcel in parcels], self._now())
            raise

    def _now(self) -> Any:
        return self._database.clock.now()

    def _run(self) -> None:
        pause, empty, pace, mended = 0.0, 0, Pace(), False
        while not self._stop.is_set():
            try:
                if not mended:
                    self.mend()
                    mended = True
                moved = self.once()
                pause = 0.0
                if moved:
                    empty = 0
                    pace.moved(moved)
                    if moved < BATCH // 2:
                        self._stop.wait(pace.pause)
                else:
                    rang = self._bell.wait(self._settings.poll)
                    self._stop.wait(min(LINGER + YIELD * empty, MOST_YIELD))
                    empty = empty + 1 if rang else 0
            except BrickworkError as error:
                log.warning("the relay could not work, it tries again: %s", error.message)
                pause = min(max(pause * 2, 0.1), 5.0)
                self._stop.wait(pause)
            except Exception:
                log.exception("the relay failed, it tries again")
                self._stop.wait(1.0)

    def _renew(self) -> None:
        known = [s for s in self._catalogue.subscriptions.values() if s.queue in self._queues]
        lease = min(map(self._lease, known), default=LEASE)
        while not self._stop.wait(min(lease, self._settings.redelivery) / 3):
            if ids := self._held():
                try:
                    with self._database.begin(Context(system=True)) as transaction:
                        due = self._expiry(self._now(), known)
                        transaction.execute(update(_table).where(_table.c.id.in_(ids), _table.c.taken).values(due_at=due))
                except BrickworkError as error:
                    log.warning("leases were not renewed: %s", error.message)
