"""`platform.notify.history`: what was sent to whom, and how each delivery fared."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import delete, select, update

from brickwork.data.pagination import Page, cut, decode_cursor, encode_cursor
from brickwork.errors import NotFoundError
from brickwork.kernel.context import Context
from brickwork.notify.models import DeliveryRow, InboxRow, MessageRow, StepRow

if TYPE_CHECKING:
    from brickwork.data import Transaction
    from brickwork.kernel.platform import Platform

_message: Any = MessageRow.__table__
_delivery: Any = DeliveryRow.__table__
_step: Any = StepRow.__table__
_inbox: Any = InboxRow.__table__
#: Columns that tell a moment, and what it is called.
_MOMENTS = {"created_at": "queued", "sent_at": "sent", "delivered_at": "delivered", "seen_at": "opened", "clicked_at": "clicked"}


class Step(BaseModel):
    """A moment in the life of a delivery: "queued", "retried", "sent", "delivered", "opened", "clicked", "failed", "bounced"…"""

    at: datetime
    what: str
    detail: str = ""


class Delivery(BaseModel):
    """A message on its way to one address."""

    id: UUID
    channel: str
    address: str
    status: str
    attempts: int
    provider: str | None
    provider_id: str | None
    parts: int
    due_at: datetime
    timeline: list[Step]


class Message(BaseModel):
    """A notification to one recipient."""

    id: UUID
    notification: str
    category: str
    ref: str
    name: str
    key: str | None
    status: str
    due_at: datetime
    created_at: datetime
    deliveries: list[Delivery]


class History:
    """Reads and ends messages of the tenant."""

    def __init__(self, platform: "Platform", days: int) -> None:
        self._platform = platform
        self._days = days

    def get(self, message: UUID) -> Message:
        """A message with its deliveries and what happened to each; three queries. Raises `NotFoundError`."""
        self._platform.require("notify.history.read")
        with self._platform.transaction(readonly=True) as transaction:
            mine = (_message.c.tenant_id == transaction.tenant, _message.c.id == message)
            row = transaction.execute(select(_message).where(*mine)).one_or_none()
            if row is None:
                raise NotFoundError(f"there is no message {message}")
            return self._messages(transaction, [row])[0]

    def list(self, *, ref: str | None = None, limit: int = 50, cursor: str | None = None) -> Page[Message]:
        """The newest messages first, of everybody or of one recipient, at most `limit` (1 to 200) a page; three queries."""
        self._platform.require("notify.history.read")
        cut(limit, 200)
        with self._platform.transaction(readonly=True) as transaction:
            wanted = select(_message).where(_message.c.tenant_id == transaction.tenant)
            if ref is not None:
                wanted = wanted.where(_message.c.ref == ref)
            if cursor is not None:
                wanted = wanted.where(_message.c.id < UUID(str(decode_cursor(cursor, "messages")[0])))
            rows = transaction.execute(wanted.order_by(_message.c.id.desc()).limit(limit + 1)).all()
            items = self._messages(transaction, rows[:limit])
        return Page(items, encode_cursor("messages", [str(items[-1].id)]) if len(rows) > limit else None)

    def cancel(self, message: UUID) -> bool:
        """End what is not sent; see `Notify.cancel`."""
        with self._platform.transaction() as transaction:
            mine = (_message.c.tenant_id == transaction.tenant, _message.c.id == message)
            row = transaction.execute(select(_message.c.status).where(*mine).with_for_update()).one_or_none()
            if row is None:
                raise NotFoundError(f"there is no message {message}")
            open_ones = (_delivery.c.tenant_id == transaction.tenant, _delivery.c.message_id == message,
                         _delivery.c.status == "queued")  # fmt: skip
            now = self._platform.clock.now()
            ended = transaction.execute(update(_delivery).where(*open_ones).values(status="cancelled", failed_at=now)).rowcount
            was_open = row.status in ("active", "gathering", "gathered")
            if was_open:
                transaction.execute(update(_message).where(*mine).values(status="cancelled", digest_key=None))
            return bool(ended) or row.status == "gathered"

    def expire(self) -> int:
        """Forget messages older than `notify.history_days`, of every tenant, with all that belongs to them."""
        limit = self._platform.clock.now() - timedelta(days=self._days)
        old = select(_message.c.id).where(_message.c.created_at < limit).scalar_subquery()
        deliveries = select(_delivery.c.id).where(_delivery.c.message_id.in_(old)).scalar_subquery()
        with self._platform.database.begin(Context(system=True)) as transaction:
            transaction.execute(delete(_step).where(_step.c.delivery_id.in_(deliveries)))
            transaction.execute(delete(_inbox).where(_inbox.c.message_id.in_(old)))
            transaction.execute(delete(_delivery).where(_delivery.c.message_id.in_(old)))
            return int(transaction.execute(delete(_message).where(_message.c.created_at < limit)).rowcount)

    def _messages(self, transaction: "Transaction", rows: Sequence[Any]) -> Sequence[Message]:
        ids = [row.id for row in rows]
        wanted = select(_delivery).where(_delivery.c.tenant_id == transaction.tenant, _delivery.c.message_id.in_(ids))
        deliveries = transaction.execute(wanted.order_by(_delivery.c.id)).all()
        noted = select(_step).where(
            _step.c.tenant_id == transaction.tenant, _step.c.delivery_id.in_([row.id for row in deliveries])
        )
        steps: dict[UUID, list[Step]] = {}
        for row in transaction.execute(noted.order_by(_step.c.id)):
            steps.setdefault(row.delivery_id, []).append(Step(at=row.at, what=row.what, detail=row.detail))
        found: dict[UUID, list[Delivery]] = {}
        for row in deliveries:
            found.setdefault(row.message_id, []).append(_present(row, steps.get(row.id, [])))
        return [Message(**{**row._mapping, "deliveries": found.get(row.id, [])}) for row in rows]


def _present(row: Any, steps: Sequence[Step]) -> Delivery:
    moments = [Step(at=at, what=what) for column, what in _MOMENTS.items() if (at := getattr(row, column)) is not None]
    if row.failed_at is not None and not any(step.what in ("failed", "bounced") for step in steps):
        moments.append(Step(at=row.failed_at, what=row.status))
    timeline = sorted([*moments, *steps], key=lambda step: step.at)
    return Delivery(**{**row._mapping, "timeline": timeline})
