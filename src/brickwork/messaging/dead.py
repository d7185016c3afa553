"""Dead letters: events that a handler could not handle, at rest with all that went wrong, until somebody decides."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from pydantic import BaseModel
from pydantic import ValidationError as PydanticError
from sqlalchemy import delete, func, insert, select, update

from brickwork.data.pagination import Page, cut, decode_cursor, encode_cursor
from brickwork.errors import ConflictError, NotFoundError, Problem, ValidationError
from brickwork.kernel.context import SYSTEM_TENANT, Context
from brickwork.kernel.ids import uuid7
from brickwork.messaging.bell import Bell
from brickwork.messaging.catalogue import Catalogue
from brickwork.messaging.envelope import CloudEvent, UnreadableMessageError
from brickwork.messaging.event import Event
from brickwork.messaging.models import DeadLetterRow
from brickwork.messaging.outbox import delivery, insert_rows
from brickwork.messaging.settings import MessagingSettings

if TYPE_CHECKING:
    from brickwork.data import Database, Transaction

_table: Any = DeadLetterRow.__table__


class DeadLettersGrew(Event, name="message.dead-letters-grew"):
    """The dead letters of a handler reached `messaging.dead_letter_alarm`, or doubled since."""

    subscription: str
    resting: int


class DeadLetter(BaseModel):
    """A dead letter as a reader sees it. `event` is the CloudEvent, or the raw text where it could not be read."""

    id: UUID
    subscription: str
    event_name: str
    event: dict[str, Any] | str
    error: str
    history: list[dict[str, Any]]
    died_at: datetime
    status: str
    decided_at: datetime | None
    decided_by: str | None
    reason: str | None


class DeadLetters:
    """The dead letters of the context's tenant: `platform.messaging.dead`."""

    def __init__(
        self, database: "Database", catalogue: Catalogue, settings: MessagingSettings, bell: Bell, require: Callable[[str], None]
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._settings = settings
        self._bell = bell
        self._require = require

    def list(
        self,
        *,
        subscription: str | None = None,
        event: str | None = None,
        status: str = "resting",
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[DeadLetter]:
        """The oldest first, at most `limit` (1 to 500) a page."""
        self._require("messaging.read")
        limit = cut(limit, 500)
        with self._database.transaction(readonly=True) as transaction:
            statement = self._matching(transaction, subscription, event, status)
            if cursor:
                statement = statement.where(_table.c.id > UUID(str(decode_cursor(cursor, "dead")[0])))
            rows = transaction.execute(statement.order_by(_table.c.id).limit(limit + 1)).all()
        following = encode_cursor("dead", [str(rows[limit - 1].id)]) if len(rows) > limit else None
        return Page([_letter(row) for row in rows[:limit]], following)

    def get(self, id: UUID) -> DeadLetter:
        """One dead letter; raises `NotFoundError`."""
        self._require("messaging.read")
        with self._database.transaction(readonly=True) as transaction:
            return _letter(self._row(transaction, id))

    def edit(self, id: UUID, data: dict[str, Any]) -> DeadLetter:
        """Replace the event's data, so that a replay may succeed; `ValidationError` if it doesn't fit the event's class."""
        self._require("messaging.write")
        with self._database.transaction() as transaction:
            row = self._row(transaction, id, lock=True)
            cloud = CloudEvent.parse(row.event)
            if (kind := self._catalogue.events.get(cloud.type)) is not None:
                _check(kind, data, cloud.eventversion)
            text = orjson.dumps({**orjson.loads(row.event), "data": data}, default=str).decode()
            mine = (_table.c.tenant_id == transaction.tenant, _table.c.id == id)
            transaction.execute(update(_table).where(*mine).values(event=text))
            return _letter(self._row(transaction, id))

    def replay(self, ids: Sequence[UUID] | None = None, *, subscription: str | None = None, event: str | None = None) -> int:
        """Owe resting letters to their handlers again: those of `ids`, or all that fit the filter; how many."""
        self._require("messaging.write")
        if ids is None and subscription is None and event is None:
            raise ValidationError("say what to replay: ids, a subscription or an event name")
        total = 0
        while True:
            with self._database.transaction() as transaction:
                rows = self._resting(transaction, ids, subscription, event)
                now = self._database.clock.now()
                owed = [self._owed(transaction, row, now) for row in rows]
                if owed:
                    insert_rows(transaction, owed)
                    self._decide(transaction, [row.id for row in rows], "replayed", None)
            total += len(rows)
            if len(rows) < 500:
                break
        if total:
            self._bell.ring()
        elif ids:
            raise NotFoundError("none of these dead letters is resting here")
        return total

    def discard(
        self, ids: Sequence[UUID] | None = None, *, reason: str, subscription: str | None = None, event: str | None = None
    ) -> int:
        """Give up resting letters, with a reason for the trail; how many."""
        self._require("messaging.write")
        if not reason.strip():
            raise ValidationError("discarding takes a reason; it goes into the audit trail", field="reason")
        if ids is None and subscription is None and event is None:
            raise ValidationError("say what to discard: ids, a subscription or an event name")
        total = 0
        while True:
            with self._database.transaction() as transaction:
                rows = self._resting(transaction, ids, subscription, event)
                self._decide(transaction, [row.id for row in rows], "discarded", reason)
            total += len(rows)
            if len(rows) < 500:
                return total

    def counts(self) -> dict[str, int]:
        """How many rest, by subscription."""
        self._require("messaging.read")
        with self._database.transaction(readonly=True) as transaction:
            counted = select(_table.c.subscription, func.count()).where(_table.c.status == "resting")
            if not transaction.scope.system:
                counted = counted.where(_table.c.tenant_id == transaction.tenant)
            rows = transaction.execute(counted.group_by(_table.c.subscription)).all()
            counts: Any = rows
            return {name: int(count) for name, count in counts}

    def expire(self) -> int:
        """Forget decided letters older than `messaging.dead_letter_days`, of every tenant."""
        limit = self._database.clock.now() - timedelta(days=self._settings.dead_letter_days)
        with self._database.begin(Context(system=True)) as transaction:
            old = delete(_table).where(_table.c.status != "resting", _table.c.decided_at < limit)
            return int(transaction.execute(old).rowcount)

    # -- for the consumer ----------------------------------------------------------------------------------------------

    def bury(self, transaction: "Transaction", row: Any, history: Sequence[dict[str, Any]], now: datetime) -> None:
        """Lay a delivery to rest, in the transaction that ends it."""
        try:
            name = CloudEvent.parse(row.event).type
        except UnreadableMessageError:
            name = "?"
        self._insert(transaction, row, name, history, now)
        resting = select(func.count()).select_from(_table)
        resting = resting.where(
            _table.c.tenant_id == row.tenant_id, _table.c.subscription == row.subscription, _table.c.status == "resting"
        )
        count = int(transaction.execute(resting).scalar_one())
        alarm = self._settings.dead_letter_alarm
        if count % alarm == 0 and (count // alarm) & (count // alarm - 1) == 0:
            transaction.publish(DeadLettersGrew(subscription=row.subscription, resting=count))

    def unreadable(self, queue: str, raw: bytes) -> None:
        """Lay to rest what a broker brought and what is no message. It belongs to no tenant, so to the system's."""
        with self._database.begin(Context(system=True)) as transaction:
            now = self._database.clock.now()
            history = [{"at": now.isoformat(), "error": "unreadable_message: not one of ours", "traceback": ""}]
            values = {"subscription": "?", "queue": queue, "ordering": None, "event_id": None, "tenant_id": SYSTEM_TENANT}
            row = _Raw(**values, event=raw[:100_000].decode("utf-8", "replace"))
            self._insert(transaction, row, "?", history, now)

    def _insert(self, transaction: "Transaction", row: Any, name: str, history: Sequence[dict[str, Any]], now: datetime) -> None:
        values = {
            "id": uuid7(),
            **{key: getattr(row, key) for key in ("tenant_id", "subscription", "queue", "ordering", "event_id", "event")},
            "event_name": name,
            "error": history[-1]["error"] if history else "?",
            "history": list(history),
            "died_at": now,
            "status": "resting",
        }
        transaction.execute(insert(_table), values)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _matching(self, transaction: "Transaction", subscription: str | None, event: str | None, status: str) -> Any:
        statement = select(_table).where(_table.c.tenant_id == transaction.tenant, _table.c.status == status)
        for column, value in ((_table.c.subscription, subscription), (_table.c.event_name, event)):
            if value is not None:
                statement = statement.where(column == value)
        return statement

    def _resting(
        self, transaction: "Transaction", ids: Sequence[UUID] | None, subscription: str | None, event: str | None
    ) -> Sequence[Any]:
        statement = self._matching(transaction, subscription, event, "resting")
        if ids is not None:
            statement = statement.where(_table.c.id.in_(list(ids)[:10_000]))
        return transaction.execute(statement.order_by(_table.c.id).limit(500).with_for_update()).all()

    def _row(self, transaction: "Transaction", id: UUID, *, lock: bool = False) -> Any:
        statement = select(_table).where(_table.c.tenant_id == transaction.tenant, _table.c.id == id)
        row = transaction.execute(statement.with_for_update() if lock else statement).one_or_none()
        if row is None:
            raise NotFoundError(f"there is no dead letter {id}")
        if lock and row.status != "resting":
            raise ConflictError(f"dead letter {id} was {row.status}; only resting ones can be changed")
        return row

    def _owed(self, transaction: "Transaction", row: Any, now: datetime) -> dict[str, Any]:
        wanted = self._catalogue.subscriptions.get(row.subscription)
        if wanted is None:
            raise NotFoundError(f"no handler {row.subscription!r} is installed; it can only be discarded")
        return delivery(transaction.tenant, wanted, row.ordering, row.event_id, row.event, now)

    def _decide(self, transaction: "Transaction", ids: Sequence[UUID], status: str, reason: str | None) -> None:
        if not ids:
            return
        mine = (_table.c.tenant_id == transaction.tenant, _table.c.id.in_(ids))
        values = {
            "status": status,
            "decided_at": self._database.clock.now(),
            "decided_by": transaction.context.actor,
            "reason": reason,
        }
        transaction.execute(update(_table).where(*mine).values(values))


class _Raw:
    """The values of a row that never was one."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


def _letter(row: Any) -> DeadLetter:
    try:
        event: dict[str, Any] | str = orjson.loads(row.event)
    except orjson.JSONDecodeError:
        event = row.event
    names = [name for name in DeadLetter.model_fields if name != "event"]
    return DeadLetter(event=event if isinstance(event, dict) else row.event, **{name: getattr(row, name) for name in names})


def _check(kind: type[Event], data: dict[str, Any], version: int) -> None:
    """Raise `ValidationError` unless `data` is that of an event."""
    try:
        kind.read(data, version)
    except PydanticError as error:
        faults = error.errors(include_url=False, include_input=False)
        problems = [Problem(fault["msg"], ".".join(("data", *map(str, fault["loc"])))) for fault in faults]
        raise ValidationError(f"the data does not fit {kind.event_name} {kind.event_version}", problems=problems) from None
