"""Queries on records: filters, sorts and cursors over custom fields, compiled to SQL once per shape.

A repeated query costs no building and hits SQLAlchemy's own cache of compiled statements.
"""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, case, func, literal, not_, or_, select, tuple_
from sqlalchemy import false as false_
from sqlalchemy.types import DateTime, Double, Integer, String, Uuid

from brickwork.data.types import UTCDateTime
from brickwork.entities import definitions as d
from brickwork.entities.compiled import CompiledType
from brickwork.entities.filters import SYSTEM_FIELDS, Group, Shape, Standing, Test
from brickwork.entities.keys import EMPTY
from brickwork.entities.models import record
from brickwork.entities.related import condition


@lru_cache(maxsize=2048)
def build(compiled: CompiledType, shape: Shape) -> Select[Any]:
    """The statement for `shape`: parameters are tenant, p0…, limit and, after a cursor, s0… and after_id."""
    builder = _Builder(compiled, shape.dialect)
    keys = [builder.sort_key(order.field) for order in shape.order if order.field != "id"]
    statement = select(*_COLUMNS, *(key.label(f"s{n}") for n, key in enumerate(keys)))
    statement = statement.where(*_scope(compiled, shape.deleted), builder.group(shape.where))
    statement = statement.where(*(extra for order in shape.order for extra in builder.index_hints(order.field)))
    directions = [order.descending for order in shape.order if order.field != "id"]
    last = next((o.descending for o in shape.order if o.field == "id"), directions[-1] if directions else False)
    if shape.after:
        bounds = [bindparam(f"s{n}", type_=key.type) for n, key in enumerate(keys)]
        statement = statement.where(
            _beyond([*keys, record.c.id], [*bounds, bindparam("after_id", type_=Uuid())], [*directions, last])
        )
    ordered = [key.desc() if down else key.asc() for key, down in zip([*keys, record.c.id], [*directions, last], strict=True)]
    return statement.order_by(*ordered).limit(bindparam("limit", type_=Integer()))


@lru_cache(maxsize=512)
def build_count(compiled: CompiledType, shape: Shape) -> Select[Any]:
    """The statement that counts what `shape` selects."""
    builder = _Builder(compiled, shape.dialect)
    return select(func.count()).select_from(record).where(*_scope(compiled, shape.deleted), builder.group(shape.where))


_COLUMNS = [
    record.c[name]
    for name in (
        "id", "version", "definition_version", "data", "sealed", "created_at", "created_by", "updated_at", "updated_by",
        "deleted_at", "merged_into",
    )
]  # fmt: skip


def _scope(compiled: CompiledType, deleted: bool) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [
        record.c.tenant_id == bindparam("tenant", type_=String()),
        record.c.type == literal(compiled.name),
    ]
    return conditions if deleted else [*conditions, record.c.deleted_at.is_(None)]


def _beyond(keys: list[Any], bounds: list[Any], descending: list[bool]) -> ColumnElement[bool]:
    """Rows after the cursor. One direction is a row comparison, which an index serves; mixed ones are spelled out."""
    if all(descending):
        return tuple_(*keys) < tuple_(*bounds)
    if not any(descending):
        return tuple_(*keys) > tuple_(*bounds)
    alternatives = []
    for n, (key, bound, down) in enumerate(zip(keys, bounds, descending, strict=True)):
        equal = [k == b for k, b in zip(keys[:n], bounds[:n], strict=True)]
        alternatives.append(and_(*equal, key < bound if down else key > bound))
    return or_(*alternatives)


class _Builder:
    """Turns conditions into SQL expressions over columns and JSON."""

    def __init__(self, compiled: CompiledType, dialect: str) -> None:
        self._compiled = compiled
        self._dialect = dialect

    def group(self, group: Group) -> Any:
        parts = [self.part(part) for part in group.parts]
        if group.join == "not":
            return not_(func.coalesce(and_(*parts) if parts else literal(True), false_()))
        if group.join == "or":
            return or_(false_(), *parts)
        return and_(literal(True), *parts) if not parts else and_(*parts)

    def part(self, part: Test | Group | Standing) -> Any:
        if isinstance(part, Standing):
            return condition(part.relation, part.label)
        return self.group(part) if isinstance(part, Group) else self.test(part)

    def test(self, test: Test) -> Any:
        name, operator = test.field, test.operator
        if name in SYSTEM_FIELDS:
            column = record.c[name]
            return _compare(column, operator, bindparam(f"p{test.first}", type_=column.type, expanding=operator == "in"))
        slot = self._compiled.slots.index.get(name)
        unique = self._compiled.slots.unique.get(name)
        if name in self._compiled.sensitive and operator in ("eq", "ne", "in"):
            column = record.c[slot or unique or ""]
            found = column.in_(bindparam(f"p{test.first}b", type_=String(), expanding=True))
            return func.coalesce(not_(found), literal(True)) if operator == "ne" else and_(column.is_not(None), found)
        if unique is not None and operator in ("eq", "in"):
            parameter = bindparam(f"p{test.first}u", type_=String(), expanding=operator == "in")
            return and_(record.c[unique].is_not(None), _compare(record.c[unique], operator, parameter))
        if slot is not None and operator != "contains":
            return and_(record.c[slot].is_not(None), self._indexed(record.c[slot], test))
        return self._plain(test)

    def _indexed(self, column: Any, test: Test) -> Any:
        if test.operator == "is_null":
            return column == literal(EMPTY)
        if test.operator == "is_set":
            return column < literal(EMPTY)
        if test.operator == "starts_with":
            low, high = bindparam(f"p{test.first}k", type_=String()), bindparam(f"p{test.first}h", type_=String())
            return and_(column >= low, column < high)
        parameter = bindparam(f"p{test.first}k", type_=String(), expanding=test.operator == "in")
        condition = _compare(column, test.operator, parameter)
        if test.operator in ("gt", "gte"):
            return and_(condition, column < literal(EMPTY))
        exact = self._compiled.definition.fields[test.field].type in ("text", "email", "url", "computed")
        if exact and test.operator in ("eq", "in"):
            return and_(condition, self._plain(test))
        return condition

    def _plain(self, test: Test) -> Any:
        name, operator = test.field, test.operator
        if operator in ("is_null", "is_set"):
            sealed = name in self._compiled.sensitive
            stored = (record.c.sealed if sealed else record.c.data)[name].as_string()
            return stored.is_(None) if operator == "is_null" else stored.is_not(None)
        kind = self._kind(name)
        text = record.c.data[name].as_string()
        if operator == "contains" and kind == "multi_choice":
            return func.coalesce(_position(self._dialect, text, bindparam(f"p{test.first}j", type_=String())), 0) > 0
        if operator == "contains":
            return (
                func.coalesce(
                    _position(self._dialect, self.fold(text), self.fold(bindparam(f"p{test.first}", type_=String()))), 0
                )
                > 0
            )
        if operator == "starts_with":
            folded = self.fold(bindparam(f"p{test.first}", type_=String()))
            return func.substr(self.fold(text), 1, func.length(folded)) == folded
        if kind == "money":
            return self._money(test)
        left = self._typed(name, kind)
        if kind == "text" and operator in ("lt", "lte", "gt", "gte"):
            return _compare(self.fold(left), operator, self.fold(bindparam(f"p{test.first}", type_=String())))
        return _compare(left, operator, bindparam(f"p{test.first}", type_=left.type, expanding=operator == "in"))

    def _money(self, test: Test) -> Any:
        """Amounts compare within their currency."""
        amount = record.c.data[(test.field, "amount")].as_numeric(38, 10)
        currency = record.c.data[(test.field, "currency")].as_string()
        same = currency == bindparam(f"p{test.first}c", type_=String())
        condition = _compare(
            amount, "eq" if test.operator == "ne" else test.operator, bindparam(f"p{test.first}a", type_=amount.type)
        )
        both = and_(same, condition)
        return not_(func.coalesce(both, false_())) if test.operator == "ne" else both

    def sort_key(self, name: str) -> Any:
        if name in SYSTEM_FIELDS:
            return record.c[name]
        slot = self._compiled.slots.index.get(name)
        if slot is not None:
            return record.c[slot]
        kind = self._kind(name)
        left = self._typed(name, kind)
        if kind == "boolean":
            return case((left.is_(True), 1), (left.is_(False), 0), else_=2)
        if kind in ("number", "decimal"):
            return func.coalesce(left.cast(Double()), 1.7e308)
        return func.coalesce(self.fold(left) if kind == "text" else left, "\U0010ffff", type_=String())

    def index_hints(self, name: str) -> list[ColumnElement[bool]]:
        """Tells the planner that the partial index of the column holds every row of this type."""
        slot = self._compiled.slots.index.get(name)
        return [record.c[slot].is_not(None)] if slot is not None else []

    def fold(self, text: Any) -> Any:
        return func.brickwork_fold(text, type_=String()) if self._dialect == "sqlite" else func.lower(text, type_=String())

    def _typed(self, name: str, kind: str) -> Any:
        stored = record.c.data[name]
        if kind == "number":
            return stored.as_float()
        if kind == "decimal":
            return stored.as_numeric(38, 10)
        if kind == "boolean":
            return stored.as_boolean()
        return stored.as_string()

    def _kind(self, name: str) -> str:
        field = self._compiled.definition.fields[name]
        return field.result if isinstance(field, d.ComputedField) else str(field.type)


def _compare(left: Any, operator: str, right: Any) -> ColumnElement[bool]:
    comparison: dict[str, Callable[[], Any]] = {
        "eq": lambda: left == right,
        "ne": lambda: left.is_distinct_from(right),
        "lt": lambda: left < right,
        "lte": lambda: left <= right,
        "gt": lambda: left > right,
        "gte": lambda: left >= right,
        "in": lambda: left.in_(right),
        "is_null": lambda: left.is_(None),
        "is_set": lambda: left.is_not(None),
        "contains": lambda: left.contains(right, autoescape=False),
        "starts_with": lambda: func.substr(left, 1, func.length(right)) == right,
    }
    return comparison[operator]()  # type: ignore[no-any-return]


def _position(dialect: str, text: Any, part: Any) -> Any:
    return func.instr(text, part) if dialect == "sqlite" else func.strpos(text, part)


def cursor_value(column: Any, value: Any) -> Any:
    """A sort key from a cursor, as the column's type takes it."""
    if value is None:
        return None
    if isinstance(column.type, (UTCDateTime, DateTime)):
        return datetime.fromisoformat(value)
    return value
