"""Who is present in a topic: rows that server processes renew, so that those of a killed one run out."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from sqlalchemy import delete, insert, select, update

from brickwork.kernel.context import Context
from brickwork.realtime.log import Log
from brickwork.realtime.models import PresenceRow
from brickwork.realtime.tickets import Guest

if TYPE_CHECKING:
    from brickwork.data import Database, Transaction

_table: Any = PresenceRow.__table__


class Present(BaseModel):
    """A client that is there."""

    client: str
    actor: str
    meta: dict[str, Any]
    joined_at: datetime


class Presence:
    """Joins and leaves, told as messages of kind "presence". `node` names this process."""

    def __init__(self, database: "Database", log: Log, node: str, lifetime: float) -> None:
        self._database = database
        self._log = log
        self._node = node
        self._lifetime = timedelta(seconds=lifetime)

    def list(self, topic: str) -> Sequence[Present]:
        """Who is present in a topic of the context's tenant, those who came first first (at most 1,000)."""
        with self._database.transaction(readonly=True) as transaction:
            return self._list(transaction, topic)

    def join(self, guest: Guest, topic: str, meta: dict[str, Any]) -> Sequence[Present]:
        """Make a guest present, or change its `meta`; who is present then."""
        now = self._database.clock.now()
        with self._database.begin(self._context(guest)) as transaction:
            mine = self._mine(transaction, topic, guest.client)
            values = {"node": self._node, "actor": guest.actor, "meta": meta, "expires_at": now + self._lifetime}
            if transaction.execute(update(_table).where(*mine).values(values)).rowcount:
                event = "changed"
            else:
                key = {"tenant_id": transaction.tenant, "topic": topic, "client": guest.client, "joined_at": now}
                transaction.execute(insert(_table), {**key, **values})
                event = "joined"
            told = {"event": event, "client": guest.client, "actor": guest.actor, "meta": meta}
            self._log.append(transaction, topic, "presence", told)
            return self._list(transaction, topic)

    def leave(self, guest: Guest, topic: str) -> None:
        """End a guest's presence, if it is this process's to end: the client may have come back through another."""
        with self._database.begin(self._context(guest)) as transaction:
            mine = (*self._mine(transaction, topic, guest.client), _table.c.node == self._node)
            if transaction.execute(delete(_table).where(*mine)).rowcount:
                told = {"event": "left", "client": guest.client, "actor": guest.actor}
                self._log.append(transaction, topic, "presence", told)

    def renew(self) -> None:
        """Say that this process is alive: one statement for all its guests."""
        with self._database.begin(Context(system=True)) as transaction:
            expires = self._database.clock.now() + self._lifetime
            transaction.execute(update(_table).where(_table.c.node == self._node).values(expires_at=expires))

    def sweep(self) -> int:
        """End the presence of guests whose process is gone; how many."""
        with self._database.begin(Context(system=True)) as transaction:
            gone = delete(_table).where(_table.c.expires_at < self._database.clock.now()).returning(*_table.c)
            rows = transaction.execute(gone).all()
        for row in rows:
            with self._database.begin(Context(tenant=row.tenant_id, actor=row.actor)) as transaction:
                told = {"event": "left", "client": row.client, "actor": row.actor}
                self._log.append(transaction, row.topic, "presence", told)
        return len(rows)

    def _list(self, transaction: "Transaction", topic: str) -> Sequence[Present]:
        mine = (_table.c.tenant_id == transaction.tenant, _table.c.topic == topic)
        columns = (_table.c.client, _table.c.actor, _table.c.meta, _table.c.joined_at)
        rows = transaction.execute(select(*columns).where(*mine).order_by(_table.c.joined_at).limit(1000)).all()
        return [Present(**row._mapping) for row in rows]

    def _mine(self, transaction: "Transaction", topic: str, client: str) -> tuple[Any, ...]:
        return (_table.c.tenant_id == transaction.tenant, _table.c.topic == topic, _table.c.client == client)

    def _context(self, guest: Guest) -> Context:
        return Context(tenant=guest.tenant, actor=guest.actor)
