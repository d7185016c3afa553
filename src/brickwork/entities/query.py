"""Queries on records: filters, sorts and cursors over custom fields, compiled to SQL once per shape.

A filter is data: `{"family_name": {"starts_with": "Ok"}, "or": [{"ward": "icu"}, {"active": False}]}`. Keys are fields or
`and`, `or`, `not`; several keys must all hold; a bare value means `eq`. The shape (everything but the values) is the key
under which the built statement is kept, so a repeated query costs no building and hits SQLAlchemy's own cache.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import attrs
from pydantic import TypeAdapter
from pydantic import ValidationError as PydanticError
from sqlalchemy import ColumnElement, Select, and_, bindparam, case, func, literal, not_, or_, select, tuple_
from sqlalchemy import false as false_
from sqlalchemy.types import DateTime, Double, Integer, String, Uuid

from brickwork.data.types import UTCDateTime
from brickwork.entities import definitions as d
from brickwork.entities.compiled import CompiledType
from brickwork.entities.keys import EMPTY, key_prefix, unique_key
from brickwork.entities.models import record
from brickwork.entities.values import annotation, key_function
from brickwork.errors import Problem, ValidationError

COMPARISONS = ("eq", "ne", "lt", "lte", "gt", "gte")
OPERATORS = (*COMPARISONS, "in", "contains", "starts_with", "is_null")
#: Columns of every record that may be filtered and sorted like fields.
SYSTEM_FIELDS: dict[str, Any] = {
    "id": UUID,
    "version": int,
    "created_at": datetime,
    "updated_at": datetime,
    "created_by": str,
    "updated_by": str,
}
#: Gives the keys under which a sensitive value may be stored, one for each key of the keyring.
Blinds = Callable[[str, Any], list[str]]
MAX_VALUES = 500
MAX_DEPTH = 8
MAX_CONDITIONS = 50


@attrs.frozen
class Test:
    """One comparison; `count` parameters follow, numbered from `first`."""

    field: str
    operator: str
    first: int
    count: int


@attrs.frozen
class Group:
    """Conditions joined by `and` or `or`, or one that must `not` hold."""

    join: str
    parts: tuple["Test | Group", ...]


@attrs.frozen
class Order:
    """A sort key."""

    field: str
    descending: bool = False


@attrs.frozen
class Shape:
    """All of a query but its values."""

    where: Group
    order: tuple[Order, ...]
    after: bool
    deleted: bool
    dialect: str


@attrs.define
class Parsed:
    """A filter taken apart."""

    where: Group
    values: list[Any]


def parse_where(compiled: CompiledType, where: Mapping[str, Any] | None) -> Parsed:
    """Check a filter against the type; raises `ValidationError` with the path of what is wrong."""
    parser = _Parser(compiled)
    return Parsed(parser.group(where or {}, "filter", 0), parser.values)


def parse_sort(compiled: CompiledType, sort: Sequence[str] | None) -> tuple[Order, ...]:
    """Sort keys from names, a leading `-` meaning descending. Records of equal keys are ordered by id."""
    orders = []
    for item in sort or ():
        order = Order(item.removeprefix("-"), item.startswith("-"))
        _check_sortable(compiled, order.field)
        orders.append(order)
    if len({order.field for order in orders}) != len(orders) or len(orders) > 4:
        raise ValidationError("sort takes up to four different fields", field="sort")
    return tuple(order for order in orders if order.field != "id") + tuple(order for order in orders if order.field == "id")


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


class _Parser:
    """Walks a filter, checks it and collects the values in order."""

    def __init__(self, compiled: CompiledType) -> None:
        self._compiled = compiled
        self.values: list[Any] = []
        self._conditions = 0

    def group(self, where: Any, path: str, depth: int, join: str = "and") -> Group:
        if depth > MAX_DEPTH:
            raise self._fault(path, f"is nested deeper than {MAX_DEPTH}")
        if not isinstance(where, Mapping):
            raise self._fault(path, "takes a mapping of fields to conditions")
        parts: list[Test | Group] = []
        for name, condition in where.items():
            here = f"{path}.{name}"
            if name in ("and", "or"):
                if not isinstance(condition, Sequence) or isinstance(condition, str):
                    raise self._fault(here, "takes a list of filters")
                parts.append(Group(name, tuple(self.group(item, f"{here}[{n}]", depth + 1) for n, item in enumerate(condition))))
            elif name == "not":
                parts.append(Group("not", (self.group(condition, here, depth + 1),)))
            elif isinstance(condition, Mapping) and self._is_operators(name, condition):
                parts += [self.test(name, operator, value, here) for operator, value in condition.items()]
            else:
                parts.append(self.test(name, "eq", condition, here))
        return Group(join, tuple(parts))

    def test(self, name: str, operator: str, value: Any, path: str) -> Test:
        self._conditions += 1
        if self._conditions > MAX_CONDITIONS:
            raise self._fault(path, f"is one of more than {MAX_CONDITIONS} conditions")
        if operator not in OPERATORS:
            raise self._fault(path, f"has unknown operator {operator!r}; there are {', '.join(OPERATORS)}")
        kind = self._kind(name, path)
        allowed = _allowed(kind)
        if operator not in allowed:
            raise self._fault(path, f"can't be compared with {operator!r} on a {kind} field; it takes {', '.join(allowed)}")
        if name in self._compiled.sensitive and operator != "is_null":
            self._check_blind(name, operator, path)
        if value is None and operator in ("eq", "ne"):
            value, operator = operator == "eq", "is_null"
        first = len(self.values)
        if operator == "is_null":
            if not isinstance(value, bool):
                raise self._fault(path, "is_null takes true or false")
            return Test(name, "is_null" if value else "is_set", first, 0)
        if operator == "in":
            if not isinstance(value, Sequence) or isinstance(value, str) or not 0 < len(value) <= MAX_VALUES:
                raise self._fault(path, f"in takes a list of 1 to {MAX_VALUES} values")
            self.values.append([self._value(name, kind, operator, item, path) for item in value])
            return Test(name, operator, first, 1)
        self.values.append(self._value(name, kind, operator, value, path))
        return Test(name, operator, first, 1)

    def _is_operators(self, name: str, condition: Mapping[str, Any]) -> bool:
        """A money or JSON value is a mapping too; it is one of operators if each key is one."""
        return bool(condition) and (all(key in OPERATORS for key in condition) or self._kind(name, name) not in ("money", "json"))

    def _kind(self, name: str, path: str) -> str:
        if name in SYSTEM_FIELDS:
            return name
        field = self._compiled.definition.fields.get(name)
        if field is None:
            known = ", ".join([*self._compiled.definition.fields, *SYSTEM_FIELDS])
            raise self._fault(path, f"is no field of {self._compiled.name}; there are {known}"[:500])
        return field.result if isinstance(field, d.ComputedField) else str(field.type)

    def _value(self, name: str, kind: str, operator: str, value: Any, path: str) -> Any:
        if operator in ("contains", "starts_with"):
            if not isinstance(value, str) or len(value) > 1000 or "\0" in value:
                raise self._fault(path, f"{operator} takes a text of up to 1000 characters")
            return value
        try:
            if name in SYSTEM_FIELDS:
                return _system_adapter(name).validate_python(value)
            return _field_adapter(self._compiled, name).validate_python(value)
        except PydanticError as error:
            raise self._fault(path, error.errors()[0]["msg"].removeprefix("Value error, ")) from None

    def _check_blind(self, name: str, operator: str, path: str) -> None:
        if operator not in ("eq", "ne", "in"):
            raise self._fault(path, "is sensitive, so it can only be compared with eq, ne, in and is_null")
        if name not in self._compiled.slots.index and name not in self._compiled.slots.unique:
            raise self._fault(path, "is sensitive and neither indexed nor unique, so it can't be searched")

    def _fault(self, path: str, message: str) -> ValidationError:
        return ValidationError(f"{path} {message}", problems=[Problem(message, path, "filter_invalid")])


class _Builder:
    """Turns conditions into SQL expressions over columns and JSON."""

    def __init__(self, compiled: CompiledType, dialect: str) -> None:
        self._compiled = compiled
        self._dialect = dialect

    def group(self, group: Group) -> Any:
        parts = [self.group(part) if isinstance(part, Group) else self.test(part) for part in group.parts]
        if group.join == "not":
            return not_(func.coalesce(and_(*parts) if parts else literal(True), false_()))
        if group.join == "or":
            return or_(false_(), *parts)
        return and_(literal(True), *parts) if not parts else and_(*parts)

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


def bind(compiled: CompiledType, parsed: Parsed, blinds: Blinds) -> dict[str, Any]:
    """The parameters of the built statement for this query's values."""
    parameters: dict[str, Any] = {}
    for test in _tests(parsed.where):
        if test.count:
            value = parsed.values[test.first]
            parameters.update(_bind_one(compiled, test, value, blinds))
    return parameters


def _bind_one(compiled: CompiledType, test: Test, value: Any, blinds: Blinds) -> dict[str, Any]:
    name, label = test.field, f"p{test.first}"
    if name in SYSTEM_FIELDS:
        return {label: value}
    field = compiled.definition.fields[name]
    many = value if test.operator == "in" else [value]
    if name in compiled.sensitive:
        return {label + "b": [key for item in many for key in blinds(name, item)]}
    found: dict[str, Any] = {}

    def put(suffix: str, items: list[Any]) -> None:
        found[label + suffix] = items if test.operator == "in" else items[0]

    if name in compiled.slots.unique and test.operator in ("eq", "in"):
        put("u", [unique_key(_money_text(v)) for v in many])
        return found
    if name in compiled.slots.index and test.operator == "starts_with":
        found[label + "k"], found[label + "h"] = key_prefix(value)
        return found
    if name in compiled.slots.index and test.operator != "contains":
        key = key_function(field)
        put("k", [key(v) for v in many])
    if field.type == "multi_choice":
        found[label + "j"] = json.dumps(value, ensure_ascii=False)
    elif field.type == "money":
        found[label + "c"], found[label + "a"] = value["currency"], value["amount"]
    else:
        put("", many)
    return found


def _money_text(value: Any) -> Any:
    return f"{value['amount']} {value['currency']}" if isinstance(value, dict) else value


def _tests(group: Group) -> list[Test]:
    return [t for part in group.parts for t in (_tests(part) if isinstance(part, Group) else [part])]


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


@lru_cache(maxsize=1)
def _operators() -> dict[str, tuple[str, ...]]:
    text = OPERATORS
    ordered = (*COMPARISONS, "in", "is_null")
    return {
        **dict.fromkeys(("text", "email", "url", "phone", "created_by", "updated_by"), text),
        **dict.fromkeys(("number", "decimal", "date", "datetime", "choice", "version", "created_at", "updated_at"), ordered),
        **dict.fromkeys(("boolean", "reference"), ("eq", "ne", "in", "is_null")),
        "id": ("eq", "ne", "in", "lt", "lte", "gt", "gte"),
        "money": (*COMPARISONS, "is_null"),
        "multi_choice": ("contains", "is_null"),
        "file": ("is_null",),
        "json": ("is_null",),
    }


def _allowed(kind: str) -> tuple[str, ...]:
    return _operators()[kind]


@lru_cache(maxsize=4096)
def _field_adapter(compiled: CompiledType, name: str) -> TypeAdapter[Any]:
    field = compiled.definition.fields[name]
    if isinstance(field, d.MultiChoiceField):
        field = d.ChoiceField(type="choice", choices=field.choices)
    if isinstance(field, d.TextField):
        field = d.TextField(type="text")
    if isinstance(field, d.NumberField):
        field = d.NumberField(type="number")
    if isinstance(field, d.DecimalField):
        field = d.DecimalField(type="decimal", scale=10)
    return TypeAdapter(annotation(field))


@lru_cache(maxsize=16)
def _system_adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(SYSTEM_FIELDS[name])


def _check_sortable(compiled: CompiledType, name: str) -> None:
    if name in SYSTEM_FIELDS:
        return
    field = compiled.definition.fields.get(name)
    if field is None:
        known = ", ".join([*compiled.definition.fields, *SYSTEM_FIELDS])
        raise ValidationError(f"sort: {name!r} is no field of {compiled.name}; there are {known}"[:500], field="sort")
    if field.sensitive:
        raise ValidationError(f"sort: {name!r} is sensitive and has no order", field="sort")
    if field.type in ("json", "file", "multi_choice") or (field.type == "money" and not field.indexed):
        raise ValidationError(f"sort: a {field.type} field has no order", field="sort")


def cursor_value(column: Any, value: Any) -> Any:
    """A sort key from a cursor, as the column's type takes it."""
    if value is None:
        return None
    if isinstance(column.type, (UTCDateTime, DateTime)):
        return datetime.fromisoformat(value)
    return value
