"""`platform.notify.inbox`: messages inside the product, with what was seen, read and put away; live over realtime."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import attrs
from pydantic import BaseModel
from sqlalchemy import func, select, update

from brickwork.data.pagination import Page, cut, decode_cursor, encode_cursor
from brickwork.errors import NotFoundError, UnauthenticatedError, ValidationError
from brickwork.kernel.component import Health
from brickwork.notify.channels.port import Outgoing, Receipt, Taken, send_in_turn, untold
from brickwork.notify.models import DeliveryRow, InboxRow

if TYPE_CHECKING:
    from brickwork.data import Transaction
    from brickwork.kernel.platform import Platform

_table: Any = InboxRow.__table__
_delivery: Any = DeliveryRow.__table__
_Conditions = list[Any]
Which = Literal["all", "unread", "archived"]
#: Topics of realtime: "inbox:user:…".
TOPIC = "inbox"


class InboxMessage(BaseModel):
    """A message as its reader sees it."""

    id: UUID
    category: str
    subject: str
    body: str
    data: dict[str, Any]
    created_at: datetime
    seen_at: datetime | None
    read_at: datetime | None
    archived_at: datetime | None


@attrs.frozen
class Counts:
    """Messages that were not put away: those that were never shown, and those that were never opened."""

    unseen: int
    unread: int


class Inbox:
    """The inboxes of a tenant. A person reads its own; product code may name another's `ref`."""

    def __init__(self, platform: "Platform") -> None:
        self._platform = platform
        if "realtime" in platform.components:
            platform.realtime.authorize(TOPIC, lambda platform, topic: topic == f"{TOPIC}:{_own(platform)}")

    def list(
        self, ref: str | None = None, *, which: Which = "all", category: str | None = None, limit: int = 50,
        cursor: str | None = None,
    ) -> Page[InboxMessage]:  # fmt: skip
        """The newest messages first, at most `limit` (1 to 200); "all" are those that were not put away."""
        cut(limit, 200)
        with self._platform.transaction(readonly=True) as transaction:
            wanted = select(_table).where(*self._of(transaction, ref), *_which(which))
            if category is not None:
                wanted = wanted.where(_table.c.category == category)
            if cursor is not None:
                wanted = wanted.where(_table.c.id < UUID(str(decode_cursor(cursor, "inbox")[0])))
            rows = transaction.execute(wanted.order_by(_table.c.id.desc()).limit(limit + 1)).all()
        messages = [InboxMessage.model_validate(dict(row._mapping)) for row in rows[:limit]]
        return Page(messages, encode_cursor("inbox", [str(messages[-1].id)]) if len(rows) > limit else None)

    def counts(self, ref: str | None = None) -> Counts:
        """How many wait to be seen and to be read, in one query."""
        with self._platform.transaction(readonly=True) as transaction:
            return self._counts(transaction, ref or _own(self._platform))

    def mark(self, ids: Sequence[UUID] | None, *, seen: bool = False, read: bool | None = None, archived: bool | None = None,
             ref: str | None = None) -> Counts:  # fmt: skip
        """Note that messages (None: all that were not put away) were shown, opened or put away; `False` takes the latter two
        back. Returns what is left. Raises `NotFoundError` if none of them is the reader's."""
        if ids is not None and len(ids) > 500:
            raise ValidationError("at most 500 messages are marked at once", field="ids")
        now, values = self._platform.clock.now(), dict[str, Any]()
        if seen or read or archived:
            values["seen_at"] = func.coalesce(_table.c.seen_at, now)
        if read is not None:
            values["read_at"] = func.coalesce(_table.c.read_at, now) if read else None
        if archived is not None:
            values["archived_at"] = func.coalesce(_table.c.archived_at, now) if archived else None
        if not values:
            raise ValidationError("say what is to be marked: seen, read or archived")
        with self._platform.transaction() as transaction:
            mine = self._of(transaction, ref)
            mine.append(_table.c.archived_at.is_(None) if ids is None else _table.c.id.in_(ids))
            changed = transaction.execute(update(_table).where(*mine).values(values).returning(_table.c.id)).scalars().all()
            if ids and not changed:
                raise NotFoundError("there is no such message in this inbox", field="ids")
            self._seen(transaction, changed, now)
            counts = self._counts(transaction, ref or _own(self._platform))
            self._tell(ref or _own(self._platform), {"event": "marked", **attrs.asdict(counts)})
            return counts

    # -- for the channel -----------------------------------------------------------------------------------------------

    def put(self, message: Outgoing) -> None:
        """Store a message; the same one again changes nothing."""
        with self._platform.transaction() as transaction:
            id = UUID(message.id)
            if transaction.session.get(InboxRow, (transaction.tenant, id)) is not None:
                return
            row = InboxRow(id=id, ref=message.address, message_id=UUID(str(message.data["message"])),
                           category=str(message.data["category"]), subject=message.subject, body=message.text,
                           data=dict(message.data["data"]), created_at=self._platform.clock.now())  # fmt: skip
            transaction.session.add(row)
            transaction.flush()
            told = InboxMessage.model_validate(row, from_attributes=True).model_dump(mode="json")
            counts = self._counts(transaction, message.address)
            self._tell(message.address, {"event": "arrived", "message": told, **attrs.asdict(counts)})

    # -- inside --------------------------------------------------------------------------------------------------------

    def _of(self, transaction: "Transaction", ref: str | None) -> "_Conditions":
        own = _own(self._platform)
        if ref is not None and ref != own:
            self._platform.require("notify.recipients.read")
        return [_table.c.tenant_id == transaction.tenant, _table.c.ref == (ref or own)]

    def _counts(self, transaction: "Transaction", ref: str) -> Counts:
        unseen = func.count().filter(_table.c.seen_at.is_(None))
        wanted = select(unseen, func.count()).where(
            _table.c.tenant_id == transaction.tenant,
            _table.c.ref == ref,
            _table.c.archived_at.is_(None),
            _table.c.read_at.is_(None),
        )
        row: Any = transaction.execute(wanted).one()
        return Counts(int(row[0]), int(row[1]))

    def _seen(self, transaction: "Transaction", ids: Sequence[UUID], now: datetime) -> None:
        """A message that was shown needs no other channel; its delivery has the id of the inbox's row."""
        seen = update(_delivery).where(
            _delivery.c.tenant_id == transaction.tenant, _delivery.c.id.in_(ids), _delivery.c.seen_at.is_(None)
        )
        transaction.execute(seen.values(seen_at=now))

    def _tell(self, ref: str, data: dict[str, Any]) -> None:
        if "realtime" in self._platform.components:
            self._platform.realtime.publish(f"{TOPIC}:{ref}"[:200], data)


class InboxChannel:
    """The inbox as a channel. A repeated attempt stores nothing twice."""

    kind = "inbox"

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    def check(self, address: str) -> str:
        """A recipient's reference."""
        if not (0 < len(address) <= 200 and address.isprintable()):
            raise ValidationError("a recipient's reference takes 1 to 200 printable characters", field="address")
        return address

    def send(self, message: Outgoing) -> Receipt:
        """Put a message into its inbox."""
        self._inbox.put(message)
        return Receipt()

    def send_many(self, messages: Sequence[Outgoing], taken: Taken = untold) -> Sequence[Receipt | Exception]:
        """Put each into its inbox."""
        return send_in_turn(self.send, messages, taken)

    def health(self) -> Health:
        return Health(True)

    def close(self) -> None:
        """There is nothing to let go of."""


def _own(platform: "Platform") -> str:
    actor = platform.current.actor.partition(" via ")[0]
    if actor == "anonymous":
        raise UnauthenticatedError("an inbox is somebody's; sign in")
    return actor


def _which(which: Which) -> list[Any]:
    if which == "archived":
        return [_table.c.archived_at.is_not(None)]
    return [_table.c.archived_at.is_(None), *([_table.c.read_at.is_(None)] if which == "unread" else [])]
