"""The SQL of many rows at once: they travel as one JSON document, which the database reads as a table.

A thousand rows are one parameter of one statement: triggers, constraints and row-level security hold as they do for a
single row, but their cost is paid once a statement. (On PostgreSQL, COPY is no way around: it refuses tables with
row-level security.)
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import (
    JSON,
    ColumnElement,
    Delete,
    FromClause,
    Insert,
    Integer,
    Select,
    String,
    Table,
    Text,
    Update,
    Uuid,
    any_,
    bindparam,
    cast,
    column,
    delete,
    func,
    insert,
    literal_column,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from brickwork.data.transaction import Transaction
from brickwork.entities.links import link
from brickwork.entities.models import record

#: Bytes of a document; more rows than fit are written with several statements.
MAX_DOCUMENT = 16 << 20

Row = dict[str, Any]


def insert_rows(transaction: Transaction, dialect: str, table: Table, rows: Sequence[Row], constants: Mapping[str, Any]) -> None:
    """Insert `rows` (JSON-able, ids as hex text, all with the same columns), each with the same `constants` too."""
    if rows:
        statement = _insert(dialect, table, tuple(rows[0]), tuple(constants))
        for document in _documents(rows):
            transaction.execute(statement, {"rows": document, **constants})


def update_records(transaction: Transaction, dialect: str, rows: Sequence[Row], constants: Mapping[str, Any]) -> int:
    """Set columns of records, each found by `id` and `expected` version; returns how many were found."""
    done = 0
    if rows:
        statement = _update(dialect, tuple(rows[0]), tuple(constants))
        for document in _documents(rows):
            parameters = {"tenant": transaction.tenant, "rows": document, **constants}
            done += transaction.execute(statement, parameters).rowcount
    return done


def records_by_key(
    transaction: Transaction, dialect: str, type: str, slot: str, keys: Iterable[str], *, lock: bool = False
) -> list[Any]:
    """The live records of a type whose index column `slot` holds one of `keys`, with that column as `slot_key`."""
    statement = _by_key(dialect, slot, lock)
    return list(
        transaction.execute(statement, {"tenant": transaction.tenant, "of_type": type, "keys": _keys(dialect, list(keys))})
    )


def owners(transaction: Transaction, dialect: str, type: str, slot: str, keys: Iterable[str]) -> dict[str, UUID]:
    """Which record holds each of `keys` in the unique column `slot`."""
    parameters = {"tenant": transaction.tenant, "of_type": type, "keys": _keys(dialect, list(keys))}
    return {row.slot_key: row.id for row in transaction.execute(_owners(dialect, slot), parameters)}


def records_by_id(transaction: Transaction, dialect: str, ids: Iterable[UUID], *, lock: bool = False) -> dict[UUID, Any]:
    """The records of any type, deleted ones too, with these ids."""
    parameters = {"tenant": transaction.tenant, "keys": _ids(dialect, ids)}
    return {row.id: row for row in transaction.execute(_by_id(dialect, lock), parameters)}


def types_of(transaction: Transaction, dialect: str, ids: Iterable[UUID]) -> dict[UUID, str]:
    """The types of the live records among `ids`."""
    parameters = {"tenant": transaction.tenant, "keys": _ids(dialect, ids)}
    return {row.id: row.type for row in transaction.execute(_types(dialect), parameters)}


def links_from(transaction: Transaction, dialect: str, sources: Iterable[UUID], kinds: Iterable[str]) -> list[Any]:
    """The links of these kinds that begin at `sources`."""
    parameters = {"tenant": transaction.tenant, "keys": _ids(dialect, sources), "kinds": list(kinds)}
    return list(transaction.execute(_links(dialect), parameters))


def remove_links(transaction: Transaction, dialect: str, ids: Iterable[UUID]) -> None:
    """Drop links by id."""
    transaction.execute(_remove_links(dialect), {"tenant": transaction.tenant, "keys": _ids(dialect, ids)})


# -- documents -----------------------------------------------------------------------------------------------------


def _dump(value: Any) -> str:
    return orjson.dumps(value).decode()


def _keys(dialect: str, keys: list[str]) -> Any:
    return _dump(keys) if dialect == "sqlite" else keys


def _ids(dialect: str, ids: Iterable[UUID]) -> Any:
    return _dump([id.hex for id in ids]) if dialect == "sqlite" else list(ids)


def _documents(rows: Sequence[Row]) -> Iterable[str]:
    document = orjson.dumps(rows)
    if len(document) <= MAX_DOCUMENT or len(rows) == 1:
        yield document.decode()
    else:
        half = len(rows) // 2
        del document
        yield from _documents(rows[:half])
        yield from _documents(rows[half:])


def _table(dialect: str, target: Table, names: Iterable[str]) -> tuple[FromClause, dict[str, ColumnElement[Any]]]:
    """The document in parameter `rows` as a table, and its columns by name."""
    names = list(names)
    if dialect == "sqlite":
        each = func.json_each(bindparam("rows", type_=String())).table_valued("value", name="document")
        return each, {name: func.json_extract(each.c.value, literal_column(f"'$.{name}'")) for name in names}
    typed = [column(name, _type_of(target, name)) for name in names]
    document = cast(bindparam("rows", type_=String()), JSON)
    source = func.json_to_recordset(document).table_valued(*typed, name="document").render_derived(with_types=True)
    return source, {name: source.c[name] for name in names}


def _type_of(table: Table, name: str) -> Any:
    """A column's type in the document. Index columns carry a collation, which has no place there."""
    if name == "expected":
        return Integer()
    known = table.c[name].type
    if isinstance(known, (Uuid, Integer)):
        return known
    return JSONB() if isinstance(known, JSON) else Text()


def _within(dialect: str, column: Any) -> ColumnElement[bool]:
    """Whether `column` is among the values of parameter `keys`: an array on PostgreSQL, whose planner then uses the index
    under row-level security; a JSON list on SQLite, which has no arrays."""
    if dialect == "sqlite":
        value: Any = func.json_each(bindparam("keys", type_=String())).table_valued("value", name="element").c.value
        found: ColumnElement[bool] = column.in_(select(value if isinstance(column.type, Text) else cast(value, column.type)))
        return found
    kind = Uuid() if isinstance(column.type, Uuid) else Text()
    matched: ColumnElement[bool] = column == any_(bindparam("keys", type_=ARRAY(kind)))
    return matched


# -- statements, made once a shape ---------------------------------------------------------------------------------

_RECORD = [record.c[name] for name in ("id", "type", "version", "data", "sealed", "deleted_at", "merged_into")]
_TENANT = record.c.tenant_id == bindparam("tenant", type_=String())
_LIVE = record.c.deleted_at.is_(None)


@lru_cache(maxsize=512)
def _insert(dialect: str, table: Table, names: tuple[str, ...], constants: tuple[str, ...]) -> Insert:
    source, columns = _table(dialect, table, names)
    fixed = [bindparam(name, type_=table.c[name].type) for name in constants]
    return insert(table).from_select([*constants, *names], select(*fixed, *columns.values()).select_from(source))


@lru_cache(maxsize=512)
def _update(dialect: str, names: tuple[str, ...], constants: tuple[str, ...]) -> Update:
    _, columns = _table(dialect, record, names)
    values: dict[str, Any] = {name: bindparam(name, type_=record.c[name].type) for name in constants}
    values |= {name: value for name, value in columns.items() if name not in ("id", "expected")}
    values["version"] = columns["expected"] + 1
    return update(record).where(_TENANT, record.c.id == columns["id"], record.c.version == columns["expected"]).values(values)


@lru_cache(maxsize=256)
def _by_key(dialect: str, slot: str, lock: bool) -> Select[Any]:
    return _keyed(dialect, slot, [*_RECORD, record.c[slot].label("slot_key")], lock)


@lru_cache(maxsize=64)
def _owners(dialect: str, slot: str) -> Select[Any]:
    return _keyed(dialect, slot, [record.c[slot].label("slot_key"), record.c.id], False)


def _keyed(dialect: str, slot: str, columns: list[Any], lock: bool) -> Select[Any]:
    """Live records by their index key. On PostgreSQL each key is looked up by itself (a lateral join, which OFFSET keeps
    from being flattened): for a list of keys a planner without fresh statistics reads the whole type instead."""
    key = record.c[slot]
    found = select(*columns).where(_TENANT, _OF_TYPE, _LIVE, key.is_not(None))
    if dialect == "sqlite":
        return found.where(_within(dialect, key))
    wanted = func.unnest(bindparam("keys", type_=ARRAY(Text()))).table_valued("key", name="wanted").render_derived()
    found = found.where(key == wanted.c.key).offset(literal_column("0"))
    each = (found.with_for_update(of=record) if lock else found).lateral("each")
    return select(each).select_from(wanted.join(each, true()))


@lru_cache(maxsize=8)
def _by_id(dialect: str, lock: bool) -> Select[Any]:
    statement = select(*_RECORD).where(_TENANT, _within(dialect, record.c.id))
    return statement.with_for_update(of=record) if lock else statement


@lru_cache(maxsize=4)
def _types(dialect: str) -> Select[Any]:
    return select(record.c.id, record.c.type).where(_TENANT, _LIVE, _within(dialect, record.c.id))


@lru_cache(maxsize=4)
def _links(dialect: str) -> Select[Any]:
    return select(link.c.id, link.c.kind, link.c.source_id, link.c.target_id).where(
        link.c.tenant_id == bindparam("tenant", type_=String()),
        _within(dialect, link.c.source_id),
        link.c.kind.in_(bindparam("kinds", expanding=True, type_=String())),
    )


@lru_cache(maxsize=4)
def _remove_links(dialect: str) -> Delete:
    return delete(link).where(link.c.tenant_id == bindparam("tenant", type_=String()), _within(dialect, link.c.id))


_OF_TYPE = record.c.type == bindparam("of_type", type_=String())
