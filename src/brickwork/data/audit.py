"""The audit trail: who changed what, when and why, append-only and hash-chained per tenant.

Triggers write the entries (so bulk, Core and raw writes are caught as well as the ORM's), `seal` chains them. An entry
is sealed by giving it the tenant's next `seq` and `hash = SHA-256(previous hash, entry)`; writers never wait for the
chain. The window: entries newer than the last `seal` (every second while a server runs) are append-only but not yet
chained, so the removal of one by somebody with the owner's rights would not show.
"""

import hashlib
import threading
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

import attrs
import orjson
from sqlalchemy import BigInteger, Index, Integer, String, Table, Text, and_, func, insert, select, text, update
from sqlalchemy.orm import Mapped, mapped_column

from brickwork.data.models import SYSTEM_TENANT, Base
from brickwork.data.pagination import Page, cut, decode_cursor, encode_cursor
from brickwork.data.types import UTCDateTime
from brickwork.errors import ValidationError
from brickwork.kernel.clock import Clock
from brickwork.kernel.context import Context
from brickwork.kernel.ids import uuid7

if TYPE_CHECKING:
    from brickwork.data.database import Database
    from brickwork.data.transaction import Transaction

#: Entries sealed in one transaction: few, since on SQLite others wait for it to end.
BATCH = 250
GENESIS = "0" * 64


class AuditRow(Base):
    """One write, or one deed such as a system access. Text columns, so that the hash covers the very bytes stored."""

    __tablename__ = "audit_entry"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    tenant_id: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(UTCDateTime)
    actor: Mapped[str] = mapped_column(String(200))
    action: Mapped[str] = mapped_column(String(40))
    entity: Mapped[str] = mapped_column(String(100))
    record_id: Mapped[str] = mapped_column(String(200))
    before: Mapped[str | None] = mapped_column(Text)
    after: Mapped[str | None] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    correlation_id: Mapped[str | None] = mapped_column(String(200))
    seq: Mapped[int | None] = mapped_column(BigInteger)
    hash: Mapped[str | None] = mapped_column(String(64))

    __table_args__ = (
        Index("ix_audit_entry_record", "tenant_id", "entity", "record_id", "id"),
        Index("ix_audit_entry_time", "tenant_id", "id"),
        Index(
            "uq_audit_entry_seq",
            "tenant_id",
            "seq",
            unique=True,
            sqlite_where=text("seq IS NOT NULL"),
            postgresql_where=text("seq IS NOT NULL"),
        ),
        Index(
            "ix_audit_entry_unsealed", "tenant_id", "id", sqlite_where=text("seq IS NULL"), postgresql_where=text("seq IS NULL")
        ),
        {"info": {"audit": False}, "sqlite_autoincrement": True},
    )


class AuditHead(Base):
    """The last link of a tenant's chain."""

    __tablename__ = "audit_head"

    tenant_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(String(64))

    __table_args__ = ({"info": {"audit": False}},)


@attrs.frozen
class AuditEntry:
    """An entry as a reader sees it. `before` and `after` hold the row's columns; sensitive ones read '[redacted]'."""

    id: int
    at: datetime
    actor: str
    action: str
    entity: str
    record_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    reason: str | None
    correlation_id: str | None
    seq: int | None

    @property
    def changes(self) -> dict[str, tuple[Any, Any]]:
        """The columns that differ, with their values before and after."""
        before, after = self.before or {}, self.after or {}
        names = [*before, *(name for name in after if name not in before)]
        return {n: (before.get(n), after.get(n)) for n in names if before.get(n) != after.get(n)}


@attrs.frozen
class Verification:
    """The result of `verify`: `problems` is empty where the chain is whole. `head` is worth keeping elsewhere."""

    tenant: str
    entries: int
    unsealed: int
    head: str
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems


_entry: Table = AuditRow.__table__  # type: ignore[assignment]
_head: Table = AuditHead.__table__  # type: ignore[assignment]
_SEALED = ("id", "tenant_id", "at", "actor", "action", "entity", "record_id", "before", "after", "reason", "correlation_id")


def chain(previous: str, row: Any) -> str:
    """The hash of an entry that follows `previous` (hexadecimal SHA-256 over a JSON array, so fields can't run together)."""
    values = [getattr(row, name) for name in _SEALED]
    return hashlib.sha256(previous.encode() + orjson.dumps(values)).hexdigest()


class AuditTrail:
    """Reads, seals and verifies the trail of the context's tenant. The platform's is `platform.audit`."""

    def __init__(self, database: "Database") -> None:
        self._database = database
        self._sealer: threading.Thread | None = None
        self._stop = threading.Event()

    def entries(
        self,
        *,
        entity: str | None = None,
        record_id: str | None = None,
        actor: str | None = None,
        action: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[AuditEntry]:
        """The newest entries first, at most `limit` (1 to 500) a page."""
        limit = cut(limit, 500)
        with self._database.transaction(readonly=True) as transaction:
            statement = select(_entry).where(_entry.c.tenant_id == transaction.tenant)
            wanted = {"entity": entity, "record_id": record_id, "actor": actor, "action": action}
            for name, value in wanted.items():
                if value is not None:
                    statement = statement.where(_entry.c[name] == value)
            if cursor:
                statement = statement.where(_entry.c.id < decode_cursor(cursor, "audit")[0])
            rows = transaction.execute(statement.order_by(_entry.c.id.desc()).limit(limit + 1)).all()
        items = [_read(row) for row in rows[:limit]]
        following = encode_cursor("audit", [items[-1].id]) if len(rows) > limit else None
        return Page(items, following)

    def note(self, action: str, entity: str, record_id: str, *, detail: dict[str, Any] | None = None) -> None:
        """Write an entry for a deed that is no write, such as a view or an export, in the current transaction."""
        with self._database.transaction() as transaction:
            self.append(transaction, action, entity, record_id, detail)

    def append(
        self, transaction: "Transaction", action: str, entity: str, record_id: str, detail: dict[str, Any] | None = None
    ) -> None:
        """`note` for who holds the transaction already."""
        if transaction.readonly:
            raise ValidationError("an audited deed needs a transaction that writes")
        context = transaction.context
        self._database.backend.note(
            transaction.connection,
            {
                "tenant_id": transaction.tenant,
                "at": self._database.clock.now(),
                "actor": context.actor,
                "action": action,
                "entity": entity,
                "record_id": record_id,
                "after": orjson.dumps(detail, default=str).decode() if detail else None,
                "reason": (detail or {}).get("reason") or context.reason,
                "correlation_id": context.correlation_id,
            },
        )

    def system_access(self, transaction: "Transaction") -> None:
        """Note that a transaction of the system's reaches all tenants, and why."""
        if transaction.scope.system:
            self.append(transaction, "system_access", "database", transaction.tenant, {"reason": transaction.context.reason})

    # -- the chain -------------------------------------------------------------------------------------------------

    def seal(self) -> int:
        """Chain what is not chained yet, for every tenant; returns the number of entries. Safe to run anywhere, any time."""
        total = 0
        for tenant in self._tenants_to_seal():
            while (sealed := self._seal_batch(tenant)) == BATCH:
                total += sealed
            total += sealed
        return total

    def verify(self, *, head: str | None = None) -> Verification:
        """Walk the tenant's chain. `head` ("seq:hash", kept from an earlier run) also proves that its tail is whole."""
        with self._database.transaction(readonly=True) as transaction:
            tenant = transaction.tenant
            problems, previous, expected, count = list[str](), GENESIS, 1, 0
            anchor = head.split(":", 1) if head else None
            for row in self._walk(transaction):
                count += 1
                if row.seq != expected:
                    problems.append(f"entries {expected} to {row.seq - 1} are missing")
                if row.hash != chain(previous, row):
                    problems.append(f"entry {row.seq} (id {row.id}, {row.entity} {row.record_id}) was changed or moved")
                if anchor and str(row.seq) == anchor[0] and row.hash != anchor[1]:
                    problems.append(f"entry {row.seq} is not the one that the given head was taken from")
                previous, expected = row.hash, row.seq + 1
            stored = transaction.execute(select(_head).where(_head.c.tenant_id == tenant)).one_or_none()
            last = f"{expected - 1}:{previous}"
            if stored is not None and f"{stored.seq}:{stored.hash}" != last:
                problems.append(f"the chain ends at entry {expected - 1} but was sealed up to {stored.seq}")
            if stored is None and count:
                problems.append("the chain's head is missing")
            if anchor and int(anchor[0]) >= expected:
                problems.append(f"the chain ends at entry {expected - 1}, before the given head {anchor[0]}")
            unsealed = transaction.execute(
                select(func.count()).select_from(_entry).where(_entry.c.tenant_id == tenant, _entry.c.seq.is_(None))
            ).scalar_one()
        return Verification(tenant, count, unsealed, last, tuple(problems))

    def start_sealing(self, interval: float = 1.0) -> None:
        """Seal every `interval` seconds in a thread of this process, until `stop_sealing`."""
        if self._sealer is None:
            self._stop.clear()
            self._sealer = threading.Thread(target=self._keep_sealing, args=(interval,), name="audit-sealer", daemon=True)
            self._sealer.start()

    def stop_sealing(self) -> None:
        """End the thread; it finishes its batch."""
        if self._sealer is not None:
            self._stop.set()
            self._sealer.join()
            self._sealer = None

    def _keep_sealing(self, interval: float) -> None:
        from brickwork.errors import BrickworkError

        while not self._stop.wait(interval):
            try:
                self.seal()
            except BrickworkError:  # a busy or absent database: the entries stay, the next round seals them
                continue

    def _tenants_to_seal(self) -> list[str]:
        with self._database.begin(Context(system=True), readonly=True) as transaction:
            return list(
                transaction.execute(select(_entry.c.tenant_id).where(_entry.c.seq.is_(None)).distinct().limit(10_000)).scalars()
            )

    def _seal_batch(self, tenant: str) -> int:
        context = Context(system=True) if tenant == SYSTEM_TENANT else Context(tenant=tenant)
        with self._database.begin(context) as transaction:
            head = select(_head).where(_head.c.tenant_id == tenant).with_for_update()
            last = transaction.execute(head).one_or_none()
            if last is None:  # of several sealers one makes it, and the others wait for that one here
                transaction.execute(_new_head(transaction.connection.dialect.name), {"tenant_id": tenant})
                last = transaction.execute(head).one()
            seq, previous = last.seq, last.hash
            rows = transaction.execute(
                select(_entry).where(_entry.c.tenant_id == tenant, _entry.c.seq.is_(None)).order_by(_entry.c.id).limit(BATCH)
            ).all()
            if not rows:
                return 0
            seals = []
            for row in rows:
                seq, previous = seq + 1, chain(previous, row)
                seals.append({"key": row.id, "seq": seq, "hash": previous})
            transaction.execute(_SEAL, [{**seal, "tenant": tenant} for seal in seals])
            transaction.execute(_ADVANCE, {"tenant": tenant, "seq": seq, "hash": previous})
        return len(rows)

    def _walk(self, transaction: Any) -> Iterator[Any]:
        """The sealed entries in order, a batch at a time."""
        after = 0
        while True:
            rows = transaction.execute(
                select(_entry)
                .where(_entry.c.tenant_id == transaction.tenant, _entry.c.seq > after)
                .order_by(_entry.c.seq)
                .limit(BATCH)
            ).all()
            yield from rows
            if len(rows) < BATCH:
                return
            after = rows[-1].seq


def stamp_of(context: Context, clock: Clock) -> str:
    """What the triggers that write the trail are told of who writes, why and when."""
    return orjson.dumps(
        {
            "actor": context.actor,
            "correlation_id": context.correlation_id or str(uuid7()),
            "reason": context.reason,
            "at": clock.now().strftime("%Y-%m-%d %H:%M:%S.%f"),
        }
    ).decode()


def _parameters() -> tuple[Any, Any]:
    from sqlalchemy import bindparam

    seal = (
        update(_entry)
        .where(and_(_entry.c.tenant_id == bindparam("tenant"), _entry.c.id == bindparam("key")))
        .values(seq=bindparam("seq"), hash=bindparam("hash"))
    )
    advance = update(_head).where(_head.c.tenant_id == bindparam("tenant")).values(seq=bindparam("seq"), hash=bindparam("hash"))
    return seal, advance


_SEAL, _ADVANCE = _parameters()


def _new_head(dialect: str) -> Any:
    if dialect == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as upsert

        return upsert(_head).values(seq=0, hash=GENESIS).on_conflict_do_nothing()
    from sqlalchemy.dialects.sqlite import insert as upsert_lite

    return upsert_lite(_head).values(seq=0, hash=GENESIS).on_conflict_do_nothing()


def _read(row: Any) -> AuditEntry:
    return AuditEntry(
        id=row.id,
        at=row.at,
        actor=row.actor,
        action=row.action,
        entity=row.entity,
        record_id=row.record_id,
        before=orjson.loads(row.before) if row.before else None,
        after=orjson.loads(row.after) if row.after else None,
        reason=row.reason,
        correlation_id=row.correlation_id,
        seq=row.seq,
    )


insert_entry = insert(_entry)
