"""Writing what is owed: one row for each event and subscription, in the transaction that published the event."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs
from sqlalchemy import bindparam, insert, literal_column

from brickwork.data.port import Bound
from brickwork.data.prepared import Prepared
from brickwork.errors import TooLargeError
from brickwork.kernel.ids import uuid7
from brickwork.messaging.catalogue import Catalogue
from brickwork.messaging.envelope import CloudEvent, wrap
from brickwork.messaging.event import Event
from brickwork.messaging.handler import Subscription
from brickwork.messaging.handover import HandOver
from brickwork.messaging.models import DeliveryRow
from brickwork.messaging.port import Parcel
from brickwork.messaging.settings import MessagingSettings

if TYPE_CHECKING:
    from brickwork.data import Database, Transaction

_table: Any = DeliveryRow.__table__
_COLUMNS = ("tenant_id", "subscription", "queue", "ordering", "event_id", "event", "due_at", "taken", "failures")
_VALUES: dict[str, Any] = {name: bindparam(name, type_=_table.c[name].type) for name in _COLUMNS}
_INSERT = Prepared(insert(_table).values(_VALUES).returning(_table.c.id))
#: An empty history tells that somebody named the time.
_INSERT_LATER = Prepared(insert(_table).values({**_VALUES, "history": literal_column("'[]'")}).returning(_table.c.id))
Row = dict[str, Any]


@attrs.frozen
class Owed:
    """A delivery that is stored with a transaction, by `statement`."""

    row: Row
    statement: Bound

    def parcel(self) -> Parcel:
        """The delivery as it travels, after the commit."""
        row = self.row
        return Parcel(self.statement.numbers[0], row["tenant_id"], row["subscription"], row["queue"], row["event"])


class Outbox:
    """Turns published events into deliveries. Events that nobody handles are not stored."""

    def __init__(self, database: "Database", catalogue: Catalogue, settings: MessagingSettings, handover: HandOver) -> None:
        self._database = database
        self._catalogue = catalogue
        self._settings = settings
        self._handover = handover

    def write(self, transaction: "Transaction", cause: CloudEvent | None) -> None:
        """Store what the events of `transaction` owe."""
        rows: list[Row] = []
        now = self._database.clock.now()
        for event in transaction.events:
            if isinstance(event, Event) and (wanting := self._catalogue.wanting(event.event_name)):
                rows += self._rows(transaction, event, wanting, now, now, cause)
        if keys := {f"{row['tenant_id']}/{row['ordering']}" for row in rows if row["ordering"] is not None}:
            # ids must grow in the order of commits within a key
            self._database.backend.serialize(transaction.connection, sorted(keys))
        self._insert(transaction, rows, now)

    def owe(
        self, transaction: "Transaction", wanted: Subscription, event: Event, due: datetime | None, cause: CloudEvent | None
    ) -> None:
        """Store what one subscription is owed, not before `due`."""
        now = self._database.clock.now()
        rows = self._rows(transaction, event, (wanted,), now, due or now, cause)
        if due is not None and due > now:
            insert_rows(transaction, rows, _INSERT_LATER)
        else:
            self._insert(transaction, rows, now)

    def committed(self, transaction: "Transaction") -> bool:
        """Hand over what `transaction` stored as taken; whether there is something left for the relays."""
        parcels = [owed.parcel() for owed in transaction.owes if owed.row["taken"]]
        if parcels:
            self._handover.add(parcels)
        return len(parcels) < len(transaction.owes)

    def _insert(self, transaction: "Transaction", rows: list[Row], now: datetime) -> None:
        """As `insert_rows`, with those taken that this process hands over itself."""
        direct = len(transaction.owes)
        for row in rows:
            wanted = self._catalogue.subscriptions[row["subscription"]]
            if self._handover.admits(wanted, direct):
                row.update(taken=True, due_at=now + timedelta(seconds=self._settings.lease(wanted)))
                direct += 1
        insert_rows(transaction, rows)

    def _rows(
        self,
        transaction: "Transaction",
        event: Event,
        wanting: tuple[Subscription, ...],
        now: datetime,
        due: datetime,
        cause: CloudEvent | None,
    ) -> list[Row]:
        id = uuid7()
        text = wrap(event, id, transaction.context, now, str(cause.id) if cause else None, self._settings.source)
        if len(text) > self._settings.max_event_bytes:
            raise TooLargeError(
                f"event {event.event_name} has {len(text)} bytes, more than messaging.max_event_bytes "
                f"({self._settings.max_event_bytes}); store the content and publish where it is"
            )
        key = event.ordering_key()
        return [delivery(transaction.tenant, wanted, key, id, text, due) for wanted in wanting]


def delivery(tenant: str, wanted: Subscription, key: str | None, id: Any, text: str, due: datetime) -> Row:
    """The row of a new delivery."""
    return {
        "tenant_id": tenant,
        "subscription": wanted.name,
        "queue": wanted.queue,
        "ordering": key[:200] if wanted.ordered and key is not None else None,
        "event_id": id,
        "event": text,
        "due_at": due,
        "taken": False,
        "failures": 0,
    }


def insert_rows(transaction: "Transaction", rows: list[Row], statement: Prepared = _INSERT) -> None:
    """Store deliveries, at the commit and in its round trip."""
    for row in rows:
        values = {name: row[name] for name in _COLUMNS if name != "tenant_id"}
        bound = statement.bound(transaction, values)
        transaction.last.append(bound)
        transaction.owes.append(Owed(row, bound))
