"""The log of messages: written with the data, numbered after the commit, read by every server process.

A number that is given before a commit can become visible after a larger one, and a reader who resumes from the larger one would
miss it. So writers give none, and wait for nobody; whichever hub comes first numbers what was committed, one hub at a time.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs
import orjson
from sqlalchemy import bindparam, delete, func, insert, literal, select, update

from brickwork.data.prepared import Prepared
from brickwork.kernel.context import SYSTEM_TENANT, Context
from brickwork.realtime.models import HeadRow, MessageRow

if TYPE_CHECKING:
    from brickwork.data import Database, Transaction

_table: Any = MessageRow.__table__
_head: Any = HeadRow.__table__
_COLUMNS = ("tenant_id", "topic", "kind", "data", "at")
_INSERT = Prepared(insert(_table).values({name: bindparam(name, type_=_table.c[name].type) for name in _COLUMNS}))
BATCH = 1000


@attrs.frozen
class Message:
    """A numbered message."""

    seq: int
    tenant: str
    topic: str
    kind: str
    data: str
    at: datetime


class Log:
    """Appends, numbers, reads and trims."""

    def __init__(self, database: "Database") -> None:
        self._database = database

    def append(self, transaction: "Transaction", topic: str, kind: str, data: Any) -> None:
        """Store a message with `transaction`, in the round trip of its commit."""
        text = orjson.dumps(data, default=str).decode()
        values = {"topic": topic, "kind": kind, "data": text, "at": self._database.clock.now()}
        transaction.last.append(_INSERT.bound(transaction, values))

    def number(self) -> int:
        """Number what was committed since the last time; how many."""
        if not self._has_new():
            return 0
        with self._database.begin(Context(system=True)) as transaction:
            seq = self._lock_head(transaction)
            fresh = (
                select(_table.c.id, func.row_number().over(order_by=_table.c.id).label("n"))
                .where(_table.c.seq.is_(None))
                .order_by(_table.c.id)
                .limit(BATCH)
                .subquery()
            )
            numbered = update(_table).where(_table.c.id == fresh.c.id).values(seq=literal(seq) + fresh.c.n)
            count = int(transaction.execute(numbered).rowcount)
            transaction.execute(update(_head).where(_head.c.tenant_id == SYSTEM_TENANT).values(seq=seq + count))
        return count

    def since(self, seq: int) -> list[Message]:
        """Messages of all tenants beyond a number, the oldest first, at most 1,000."""
        with self._database.begin(Context(system=True), readonly=True) as transaction:
            return self._read(transaction, _table.c.seq > seq)

    def of_topic(self, tenant: str, topic: str, seq: int) -> list[Message]:
        """A topic's messages beyond a number, the oldest first, at most 1,000."""
        with self._database.begin(Context(tenant=tenant), readonly=True) as transaction:
            return self._read(transaction, _table.c.tenant_id == tenant, _table.c.topic == topic, _table.c.seq > seq)

    def head(self) -> tuple[int, int]:
        """The last number given, and the last removed."""
        with self._database.begin(Context(system=True), readonly=True) as transaction:
            row = transaction.execute(
                select(_head.c.seq, _head.c.trimmed).where(_head.c.tenant_id == SYSTEM_TENANT)
            ).one_or_none()
        return (0, 0) if row is None else (int(row.seq), int(row.trimmed))

    def trim(self, seconds: float) -> int:
        """Remove messages older than that; how many."""
        limit = self._database.clock.now() - timedelta(seconds=seconds)
        with self._database.begin(Context(system=True)) as transaction:
            self._lock_head(transaction)
            old = (_table.c.at < limit, _table.c.seq.is_not(None))
            last = transaction.execute(select(func.max(_table.c.seq)).where(*old)).scalar()
            if last is None:
                return 0
            count = int(transaction.execute(delete(_table).where(*old, _table.c.seq <= last)).rowcount)
            transaction.execute(update(_head).where(_head.c.tenant_id == SYSTEM_TENANT).values(trimmed=last))
        return count

    def _has_new(self) -> bool:
        with self._database.begin(Context(system=True), readonly=True) as transaction:
            return transaction.execute(select(_table.c.id).where(_table.c.seq.is_(None)).limit(1)).first() is not None

    def _lock_head(self, transaction: "Transaction") -> int:
        found = select(_head.c.seq).where(_head.c.tenant_id == SYSTEM_TENANT).with_for_update()
        seq = transaction.execute(found).scalar_one_or_none()
        if seq is None:
            self._database.backend.serialize(transaction.connection, ["realtime/head"])
            seq = transaction.execute(found).scalar_one_or_none()
            if seq is None:
                transaction.execute(insert(_head), {"tenant_id": SYSTEM_TENANT, "seq": 0, "trimmed": 0})
        return int(seq or 0)

    def _read(self, transaction: "Transaction", *conditions: Any) -> list[Message]:
        columns = (_table.c.seq, _table.c.tenant_id, _table.c.topic, _table.c.kind, _table.c.data, _table.c.at)
        rows: Sequence[Any] = transaction.execute(select(*columns).where(*conditions).order_by(_table.c.seq).limit(BATCH)).all()
        return [Message(*row) for row in rows]
