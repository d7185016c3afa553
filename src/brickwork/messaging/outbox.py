"""Writing what is owed: one row for each event and subscription, in the transaction that published the event."""

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import bindparam, insert

from brickwork.data.prepared import Prepared
from brickwork.errors import TooLargeError
from brickwork.kernel.ids import uuid7
from brickwork.messaging.catalogue import Catalogue
from brickwork.messaging.envelope import CloudEvent, wrap
from brickwork.messaging.event import Event
from brickwork.messaging.handler import Subscription
from brickwork.messaging.models import DeliveryRow
from brickwork.messaging.settings import MessagingSettings

if TYPE_CHECKING:
    from brickwork.data import Database, Transaction
    from brickwork.kernel.tracing import Tracing

_table: Any = DeliveryRow.__table__
_COLUMNS = ("tenant_id", "subscription", "queue", "ordering", "event_id", "event", "due_at", "taken", "failures")
_INSERT = Prepared(insert(_table).values({name: bindparam(name, type_=_table.c[name].type) for name in _COLUMNS}))


class Outbox:
    """Turns published events into deliveries. Events that nobody handles are not stored."""

    def __init__(self, database: "Database", catalogue: Catalogue, settings: MessagingSettings, tracing: "Tracing") -> None:
        self._database = database
        self._tracing = tracing
        self._catalogue = catalogue
        self._settings = settings

    def write(self, transaction: "Transaction", cause: CloudEvent | None) -> None:
        """Store what the events of `transaction` owe."""
        rows: list[dict[str, Any]] = []
        now = self._database.clock.now()
        for event in transaction.events:
            if isinstance(event, Event) and (wanting := self._catalogue.wanting(event.event_name)):
                rows += self._rows(transaction, event, wanting, now, now, cause)
        if keys := {f"{row['tenant_id']}/{row['ordering']}" for row in rows if row["ordering"] is not None}:
            # ids must grow in the order of commits within a key
            self._database.backend.serialize(transaction.connection, sorted(keys))
        insert_rows(transaction, rows)

    def owe(
        self, transaction: "Transaction", wanted: Subscription, event: Event, due: datetime | None, cause: CloudEvent | None
    ) -> None:
        """Store what one subscription is owed, not before `due`."""
        now = self._database.clock.now()
        insert_rows(transaction, self._rows(transaction, event, (wanted,), now, due or now, cause))

    def _rows(
        self,
        transaction: "Transaction",
        event: Event,
        wanting: tuple[Subscription, ...],
        now: datetime,
        due: datetime,
        cause: CloudEvent | None,
    ) -> list[dict[str, Any]]:
        id = uuid7()
        causation = str(cause.id) if cause else None
        trace = self._trace(event, id) if self._tracing.on else None
        text = wrap(event, id, transaction.context, now, causation, self._settings.source, trace)
        if len(text) > self._settings.max_event_bytes:
            raise TooLargeError(
                f"event {event.event_name} has {len(text)} bytes, more than messaging.max_event_bytes "
                f"({self._settings.max_event_bytes}); store the content and publish where it is"
            )
        key = event.ordering_key()
        return [delivery(transaction.tenant, wanted, key, id, text, due) for wanted in wanting]

    def _trace(self, event: Event, id: UUID) -> dict[str, str]:
        """What leads from the handlers' spans back to this one (OpenTelemetry's messaging conventions, "Producer spans")."""
        attributes = span_attributes(event.event_name, str(id), "send")
        with self._tracing.span(f"send {event.event_name}", attributes, kind="producer"):
            return self._tracing.carrier()


def span_attributes(event_name: str, id: str, operation: str) -> dict[str, str]:
    """What producers' and consumers' spans have in common; `operation` is "send" or "process"."""
    return {
        "messaging.system": "brickwork",
        "messaging.destination.name": event_name,
        "messaging.message.id": id,
        "messaging.operation.type": operation,
        "messaging.operation.name": operation,
    }


def delivery(tenant: str, wanted: Subscription, key: str | None, id: Any, text: str, due: datetime) -> dict[str, Any]:
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


def insert_rows(transaction: "Transaction", rows: list[dict[str, Any]]) -> None:
    """Store deliveries, at the commit and in its round trip."""
    transaction.owes = transaction.owes or bool(rows)
    for row in rows:
        values = {name: row[name] for name in _COLUMNS if name != "tenant_id"}
        transaction.last.append(partial(_INSERT.send, parameters=values))
