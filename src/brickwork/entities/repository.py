"""The SQL of records, one at a time; `documents` has that of many at once. No other module writes `entity_record`."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import attrs
from sqlalchemy import Integer, String, Update, Uuid, bindparam, delete, insert, select, update

from brickwork.data.keyring import Keyring
from brickwork.data.prepared import Prepared
from brickwork.data.transaction import Transaction
from brickwork.data.types import dump_json
from brickwork.entities.compiled import CompiledType, Data
from brickwork.entities.models import INDEX_SLOTS, UNIQUE_SLOTS, record
from brickwork.entities.record import Record
from brickwork.errors import DuplicateError, NotFoundError, StaleVersionError, ValidationError

BATCH = 1_000
#: A NUL in JSON text, and not a backslash that somebody wrote before "u0000".
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
Row = dict[str, Any]

_READ = [
    record.c[name]
    for name in ("id", "version", "definition_version", "data", "sealed", "created_at", "created_by", "updated_at",
                 "updated_by", "deleted_at", "deletion_id", "merged_into")
]  # fmt: skip
_TENANT = record.c.tenant_id == bindparam("tenant", type_=String())
_TYPE = record.c.type == bindparam("of_type", type_=String())
_KEY = record.c.id == bindparam("key", type_=Uuid())
_VERSION = record.c.version == bindparam("expected", type_=Integer())

_GET = Prepared(select(*_READ).where(_TENANT, _KEY, _TYPE))
_GET_MANY = select(*_READ).where(_TENANT, _TYPE, record.c.id.in_(bindparam("keys", expanding=True, type_=Uuid())))
_LOCK = Prepared(select(*_READ).where(_TENANT, _KEY, _TYPE).with_for_update())
_LOCK_MANY = _GET_MANY.with_for_update()
_SCAN = (
    select(*_READ)
    .where(_TENANT, _TYPE, record.c.id > bindparam("after", type_=Uuid()))
    .order_by(record.c.id)
    .limit(bindparam("limit", type_=Integer()))
)
_WRITE = update(record).where(_TENANT, _KEY, _VERSION)
_PURGE = delete(record).where(_TENANT, record.c.id.in_(bindparam("keys", expanding=True, type_=Uuid())))
_INSERT = insert(record)


@lru_cache(maxsize=512)
def _insert_one(columns: tuple[str, ...]) -> Prepared:
    return Prepared(_INSERT.values({name: bindparam(name, type_=record.c[name].type) for name in columns}))


def _write(columns: tuple[str, ...]) -> Update:
    return _WRITE.values({name: bindparam(name, type_=record.c[name].type) for name in columns})


@lru_cache(maxsize=512)
def _write_one(columns: tuple[str, ...]) -> Prepared:
    return Prepared(_write(columns))


@attrs.frozen
class Records:
    """Reads and writes records of one tenant within a transaction."""

    keyring: Callable[[], Keyring]

    # -- reading ---------------------------------------------------------------------------------------------------

    def find(self, transaction: Transaction, compiled: CompiledType, id: UUID, *, lock: bool = False) -> Any:
        """The row, deleted or not, or None."""
        return (_LOCK if lock else _GET).one(transaction, {"of_type": compiled.name, "key": id})

    def get(
        self, transaction: Transaction, compiled: CompiledType, id: UUID, *, lock: bool = False, deleted: bool = False
    ) -> Any:
        """The row; raises `NotFoundError`, which says so if the record was deleted or merged into another."""
        row = self.find(transaction, compiled, id, lock=lock)
        if row is None or (row.deleted_at is not None and not deleted):
            raise missing(compiled.name, id, row)
        return row

    def get_many(
        self, transaction: Transaction, compiled: CompiledType, ids: Sequence[UUID], *, lock: bool = False
    ) -> dict[UUID, Any]:
        """The rows by id, deleted ones included, in as few queries as the database's limits allow."""
        found = {}
        for start in range(0, len(ids), BATCH):
            keys = list(ids[start : start + BATCH])
            parameters = {"tenant": transaction.tenant, "of_type": compiled.name, "keys": keys}
            for row in transaction.execute(_LOCK_MANY if lock else _GET_MANY, parameters):
                found[row.id] = row
        return found

    def scan(self, transaction: Transaction, compiled: CompiledType) -> Iterator[list[Any]]:
        """Every row of the type, deleted ones too, in batches ordered by id."""
        after = UUID(int=0)
        while True:
            parameters = {"tenant": transaction.tenant, "of_type": compiled.name, "after": after, "limit": BATCH}
            rows = list(transaction.execute(_SCAN, parameters))
            if rows:
                yield rows
            if len(rows) < BATCH:
                return
            after = rows[-1].id

    def data(self, transaction: Transaction, compiled: CompiledType, row: Any) -> Data:
        """The record's fields, sensitive ones decrypted."""
        return self.opened(transaction.tenant, compiled, row)

    def opened(self, tenant: str, compiled: CompiledType, row: Any) -> Data:
        """As `data`, for a row that was not read in a transaction."""
        if not row.sealed:
            return dict(row.data)
        keyring = self.keyring()
        opened = {n: unseal(keyring, tenant, compiled.name, n, row.id, token) for n, token in row.sealed.items()}
        return {**row.data, **opened}

    def record(self, transaction: Transaction, compiled: CompiledType, row: Any) -> Record:
        return self.record_of(transaction.tenant, compiled, row)

    def record_of(self, tenant: str, compiled: CompiledType, row: Any) -> Record:
        """As `record`, for a row that was not read in a transaction."""
        return Record(
            compiled.name,
            row.id,
            row.version,
            self.opened(tenant, compiled, row),
            row.created_at,
            row.created_by,
            row.updated_at,
            row.updated_by,
            row.deleted_at,
            compiled,
        )

    # -- writing ---------------------------------------------------------------------------------------------------

    def new_row(self, transaction: Transaction, compiled: CompiledType, id: UUID, data: Data, now: datetime) -> Row:
        """The columns of a new record."""
        actor = transaction.context.actor
        return {
            "tenant_id": transaction.tenant,
            "id": id,
            "type": compiled.name,
            "version": 1,
            "created_at": now,
            "created_by": actor,
            "updated_at": now,
            "updated_by": actor,
            **self.content(transaction, compiled, id, data),
        }

    def content(self, transaction: Transaction, compiled: CompiledType, id: UUID, data: Data) -> Row:
        """The columns that depend on the fields: data, sealed, and the index columns."""
        tenant = transaction.tenant
        row: Row = compiled.columns(data, self.blinder(tenant, compiled))
        row["definition_version"] = compiled.version
        secret = compiled.sensitive & data.keys() if compiled.sensitive else None
        if secret:
            keyring = self.keyring()
            row["sealed"] = {n: seal(keyring, tenant, compiled.name, n, id, data[n]) for n in secret}
            row["data"] = {n: v for n, v in data.items() if n not in secret}
        else:
            row["sealed"] = None
            row["data"] = data
        return row

    def blinder(self, tenant: str, compiled: CompiledType) -> Callable[[str, Any], str]:
        """What turns a sensitive value into the key it is searched by."""

        def blind(field: str, value: Any) -> str:
            return self.keyring().blind(tenant, f"{compiled.name}.{field}", canonical(value))

        return blind

    def blinds(self, tenant: str, compiled: CompiledType) -> Callable[[str, Any], list[str]]:
        """What turns a sensitive value into every key it may be stored under."""

        def keys(field: str, value: Any) -> list[str]:
            return self.keyring().blinds(tenant, f"{compiled.name}.{field}", canonical(value))

        return keys

    def rekey(self, transaction: Transaction, compiled: CompiledType, rows: Sequence[Any]) -> int:
        """Write those of `rows` anew that hold a token of an older key; returns how many."""
        keyring = self.keyring()
        stale = [row for row in rows if row.sealed and not all(map(keyring.is_current, row.sealed.values()))]
        changes = []
        for row in stale:
            content = self.content(transaction, compiled, row.id, self.data(transaction, compiled, row))
            gone = release() if row.deleted_at is not None else {}
            changes.append({"key": row.id, "expected": row.version, **empty_slots(), **content, **gone})
        self.write(transaction, compiled, changes)
        return len(changes)

    def insert(self, transaction: Transaction, compiled: CompiledType, rows: Sequence[Row]) -> None:
        """Add records; raises `DuplicateError` naming the field."""
        if not rows:
            return
        try:
            if len(rows) == 1:
                _insert_one(tuple(rows[0])).run(transaction, rows[0])
            else:
                transaction.execute(_INSERT, rows)
        except DuplicateError as error:
            raise self.duplicate(compiled, error) from None

    def write(self, transaction: Transaction, compiled: CompiledType, changes: Sequence[Row]) -> None:
        """Change records. Each item has `key`, `expected` (the version it was read at) and the columns to set; all items
        set the same columns. A row that is no longer at its version raises `StaleVersionError`."""
        if not changes:
            return
        now, actor = transaction._database.clock.now(), transaction.context.actor
        rows = [
            {"tenant": transaction.tenant, "version": item["expected"] + 1, "updated_at": now, "updated_by": actor, **item}
            for item in changes
        ]
        columns = tuple(name for name in rows[0] if name not in ("tenant", "key", "expected"))
        try:
            if len(rows) == 1:
                done = _write_one(columns).run(transaction, rows[0])
            else:
                done = transaction.execute(_write(columns), rows).rowcount
        except DuplicateError as error:
            raise self.duplicate(compiled, error) from None
        if done != len(rows):
            raise StaleVersionError(f"{compiled.name}: a record was changed by somebody else meanwhile; read it again")

    def purge(self, transaction: Transaction, ids: Sequence[UUID]) -> None:
        """Remove rows for good."""
        for start in range(0, len(ids), BATCH):
            transaction.execute(_PURGE, {"tenant": transaction.tenant, "keys": list(ids[start : start + BATCH])})

    def duplicate(self, compiled: CompiledType, error: DuplicateError) -> DuplicateError:
        """The same error in the words of the type."""
        constraint = str(error.details.get("constraint") or "")
        columns = error.details.get("columns") or []
        assert isinstance(columns, list)
        slot = next((s for s in UNIQUE_SLOTS if s in columns or constraint.endswith(f"_{s}")), None)
        name = next((n for n, s in compiled.slots.unique.items() if s == slot), None)
        if name is None:
            return DuplicateError(f"{compiled.name}: a record with this id exists", field="id")
        fields = name.split("+")
        told = " and ".join(fields)
        return DuplicateError(f"{compiled.name}: another record has the same {told}, which must be unique", field=fields[0])


def missing(kind: str, id: UUID, row: Any = None) -> NotFoundError:
    """Why the record can't be had."""
    if row is None:
        return NotFoundError(f"there is no {kind} {id}", type=kind, id=str(id))
    if row.merged_into is not None:
        into = str(row.merged_into)
        return NotFoundError(f"{kind} {id} was merged into {into}", type=kind, id=str(id), merged_into=into)
    return NotFoundError(f"{kind} {id} is deleted; restore it first", type=kind, id=str(id), deleted=True)


def check_version(kind: str, row: Any, expected: int | None) -> None:
    """Raise `StaleVersionError` unless the row is at `expected` (None asks nothing)."""
    if expected is not None and row.version != expected:
        raise StaleVersionError(
            f"{kind} {row.id} is at version {row.version}, not {expected}; read it again and repeat the change",
            expected=expected,
            actual=row.version,
        )


def canonical(value: Any) -> str:
    """A value as the text that is encrypted or blinded; texts are folded for search so that letter case doesn't matter."""
    return value.casefold() if isinstance(value, str) else dump_json(value)


def seal(keyring: Keyring, tenant: str, kind: str, field: str, id: UUID, value: Any) -> str:
    return keyring.encrypt(tenant, f"{kind}.{field}.{id}", dump_json(value))


def unseal(keyring: Keyring, tenant: str, kind: str, field: str, id: UUID, token: str) -> Any:
    import orjson

    return orjson.loads(keyring.decrypt(tenant, f"{kind}.{field}.{id}", token))


def release() -> Mapping[str, None]:
    """Unique columns of a deleted record: its values may be used again."""
    return dict.fromkeys(UNIQUE_SLOTS)


def empty_slots() -> Row:
    """Every index column, empty."""
    return dict.fromkeys((*INDEX_SLOTS, *UNIQUE_SLOTS))


def check_text(data: Data) -> None:
    """Refuse what the database can't hold: NUL characters and lone surrogates."""
    try:
        text = dump_json(data)
    except (TypeError, ValueError, UnicodeError):
        raise ValidationError("a text holds characters that are no valid Unicode (lone surrogates)") from None
    if "\\u0000" in text and _NUL.search(text):
        raise ValidationError("a text holds a NUL character, which can't be stored")
