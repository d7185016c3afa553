"""Filters and sorts as data: taken apart, checked against the type, and turned into parameters.

A filter is data: `{"family_name": {"starts_with": "Ok"}, "or": [{"ward": "icu"}, {"active": False}]}`. Keys are fields or
`and`, `or`, `not`; several keys must all hold; a bare value means `eq`. The shape (everything but the values) is the key
under which `query` keeps the built statement.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, time
from functools import lru_cache
from typing import Any
from uuid import UUID

import attrs
from pydantic import TypeAdapter
from pydantic import ValidationError as PydanticError

from brickwork.entities import definitions as d
from brickwork.entities.compiled import CompiledType
from brickwork.entities.keys import key_prefix, unique_key
from brickwork.entities.related import Caller, prefixed
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
    parts: tuple["Test | Group | Standing", ...]


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


@attrs.frozen
class Standing:
    """How the caller must stand to the record: a relation (see `brickwork.entities.related`), whose parameters begin with
    `label`."""

    relation: str
    label: str


@attrs.define
class Parsed:
    """A filter taken apart."""

    where: Group
    values: list[Any]
    #: Parameters beyond the values.
    more: dict[str, Any] = attrs.field(factory=dict)


def parse_where(compiled: CompiledType, where: Mapping[str, Any] | None) -> Parsed:
    """Check a filter against the type; raises `ValidationError` with the path of what is wrong."""
    parser = _Parser(compiled)
    return Parsed(parser.group(where or {}, "filter", 0), parser.values)


def parse_allowed(compiled: CompiledType, where: Mapping[str, Any], caller: Caller, first: int) -> Parsed:
    """A filter that comes from permissions, whose values are numbered from `first`. What this type doesn't have, or can't be
    compared so, is true of none of its records."""
    parser = _Allowed(compiled, caller, first)
    return Parsed(parser.group(where, "permission", 0), parser.values, parser.more)


def merge(one: Parsed, other: Parsed) -> Parsed:
    """Both must hold; `other` was numbered after `one`."""
    return Parsed(Group("and", (one.where, other.where)), [*one.values, *other.values[len(one.values) :]], other.more)


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


def bind(compiled: CompiledType, parsed: Parsed, blinds: Blinds) -> dict[str, Any]:
    """The parameters of the built statement for this query's values."""
    parameters: dict[str, Any] = dict(parsed.more)
    for test in tests_of(parsed.where):
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


def tests_of(group: Group) -> list[Test]:
    """The comparisons in it."""
    found: list[Test] = []
    for part in group.parts:
        found += tests_of(part) if isinstance(part, Group) else [part] if isinstance(part, Test) else []
    return found


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
        parts: list[Test | Group | Standing] = []
        for name, condition in where.items():
            here = f"{path}.{name}"
            if name in ("and", "or"):
                if not isinstance(condition, Sequence) or isinstance(condition, str):
                    raise self._fault(here, "takes a list of filters")
                parts.append(Group(name, tuple(self.group(item, f"{here}[{n}]", depth + 1) for n, item in enumerate(condition))))
            elif name.startswith("$"):
                parts.append(self.standing(condition, here))
            elif name == "not":
                parts.append(Group("not", (self.group(condition, here, depth + 1),)))
            elif isinstance(condition, Mapping) and self._is_operators(name, condition):
                parts += [self.test(name, operator, value, here) for operator, value in condition.items()]
            else:
                parts.append(self.test(name, "eq", condition, here))
        return Group(join, tuple(parts))

    def standing(self, relation: str, path: str) -> Standing:
        raise self._fault(path, "is not a caller's to ask")

    def test(self, name: str, operator: str, value: Any, path: str) -> Test | Group:
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


class _Allowed(_Parser):
    """Walks a filter that comes from permissions; `where` conditions of several types may be in it, so it forgives."""

    def __init__(self, compiled: CompiledType, caller: Caller, first: int) -> None:
        super().__init__(compiled)
        self.values = [None] * first
        self.more: dict[str, Any] = {}
        self._caller = caller

    def standing(self, relation: str, path: str) -> Standing:
        label = f"a{len(self.more)}"
        self.more |= prefixed(label, self._caller.values(relation))
        return Standing(relation, label)

    def test(self, name: str, operator: str, value: Any, path: str) -> Test | Group:
        field = self._compiled.definition.fields.get(name)
        if isinstance(value, datetime) and field is not None and field.type == "date":
            value, midnight = value.astimezone(UTC).date(), value.astimezone(UTC).time() == time()
            if not midnight and operator in ("eq", "ne"):  # a date is its midnight, which this moment is not
                return Group("or" if operator == "eq" else "and", ())
            operator = operator if midnight else {"lt": "lte", "gte": "gt"}.get(operator, operator)
        kept = len(self.values)
        try:
            return super().test(name, operator, value, path)
        except ValidationError:
            del self.values[kept:]
            return Group("or", ())


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
