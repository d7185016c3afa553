"""A type definition made ready to work: checks records in Rust, computes, and fills the index columns."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, NotRequired

import attrs
from pydantic import TypeAdapter
from pydantic import ValidationError as PydanticError

from brickwork.entities import definitions as d
from brickwork.entities.keys import EMPTY, unique_key
from brickwork.entities.models import INDEX_SLOTS, UNIQUE_SLOTS
from brickwork.entities.values import annotation, key_function, to_python, typed_dict
from brickwork.errors import DefinitionError, ExpressionError, Problem, ValidationError
from brickwork.kernel.expressions import Expression, compile_expression

Data = dict[str, Any]


@attrs.frozen
class Slots:
    """Which column keeps the key of which field: `index` by field, `unique` by field or group ("a+b")."""

    index: dict[str, str]
    unique: dict[str, str]

    @classmethod
    def assign(cls, definition: d.EntityTypeDefinition, before: "Slots | None" = None) -> "Slots":
        """Columns for what `definition` indexes; fields that had one keep it."""
        index = [name for name, field in definition.fields.items() if field.indexed]
        unique = [name for name, field in definition.fields.items() if field.unique]
        unique += ["+".join(group) for group in definition.unique_together]
        return cls(
            _assign(index, INDEX_SLOTS, before.index if before else {}, "indexed fields"),
            _assign(unique, UNIQUE_SLOTS, before.unique if before else {}, "unique fields and groups"),
        )


def _assign(names: list[str], slots: tuple[str, ...], before: Mapping[str, str], what: str) -> dict[str, str]:
    if len(names) > len(slots):
        raise DefinitionError(f"a type has at most {len(slots)} {what}; this one has {len(names)}: {', '.join(names)}")
    kept = {name: before[name] for name in names if name in before}
    free = [slot for slot in slots if slot not in kept.values()]
    return {name: kept.get(name) or free.pop(0) for name in names}


@attrs.define(slots=False, eq=False)
class CompiledType:
    """A definition at a version. Immutable after it is made, shared by threads."""

    definition: d.EntityTypeDefinition
    version: int
    slots: Slots

    @property
    def name(self) -> str:
        return self.definition.name

    @cached_property
    def sensitive(self) -> frozenset[str]:
        return frozenset(name for name, field in self.definition.fields.items() if field.sensitive)

    @cached_property
    def references(self) -> dict[str, d.ReferenceField]:
        return {n: f for n, f in self.definition.fields.items() if isinstance(f, d.ReferenceField)}

    @cached_property
    def computed(self) -> dict[str, tuple[Expression, TypeAdapter[Any]]]:
        return {
            name: (compile_expression(field.expression), TypeAdapter(annotation(field)))
            for name, field in self.definition.fields.items()
            if isinstance(field, d.ComputedField)
        }

    @cached_property
    def defaults(self) -> Data:
        """Defaults in canonical form; a default that its own field refuses is a fault of the definition."""
        given = {n: f.default for n, f in self.definition.fields.items() if f.default is not None}
        try:
            return self._patch.validate_python(given)
        except PydanticError as error:
            problems = [Problem(p.message, f"fields.{p.field}.default", "definition_invalid") for p in _problems(error)]
            raise DefinitionError(
                f"type {self.name!r}: a default is not valid: {problems[0].message}", problems=problems
            ) from None

    # -- checking --------------------------------------------------------------------------------------------------

    def check_new(self, values: Mapping[str, Any], now: datetime) -> Data:
        """The canonical data of a new record; raises `ValidationError` naming each bad field."""
        try:
            data = self._create.validate_python({**self.defaults, **values} if self.defaults else values)
        except PydanticError as error:
            raise self._refusal(error) from None
        return self.complete(data, now)

    def check_changes(self, values: Mapping[str, Any], data: Data, now: datetime) -> Data:
        """`data` with the changes in `values`, checked; None empties a field."""
        return self.apply(self.check_partial(values), data, now)

    def check_partial(self, values: Mapping[str, Any]) -> Data:
        """Some fields of a record in canonical form."""
        try:
            return self._patch.validate_python(values)
        except PydanticError as error:
            raise self._refusal(error) from None

    def apply(self, changes: Data, data: Data, now: datetime) -> Data:
        """`data` with canonical `changes`, computed and tested."""
        merged = {**data, **changes}
        missing = [name for name in self._required if merged.get(name) is None]
        if missing:
            problems = [Problem("is required", name, "required") for name in missing]
            raise ValidationError(f"{self.name}: {', '.join(missing)} can't be empty", problems=problems)
        return self.complete(merged, now)

    def complete_new(self, checked: Data, now: datetime) -> Data:
        """The data of a new record from values that `check_values` gave."""
        data = {**self.defaults, **checked} if self.defaults else checked
        missing = [name for name in self._required if data.get(name) is None]
        if missing:
            problems = [Problem("is required", name, "required") for name in missing]
            raise ValidationError(f"{self.name} is not valid: {', '.join(missing)} is required", problems=problems)
        return self.complete(data, now)

    def apply_changes(self, checked: Data, data: Data, now: datetime) -> Data:
        """`data` with changes that `check_values` gave."""
        merged = {**data, **checked}
        missing = [name for name in self._required if merged.get(name) is None]
        if missing:
            problems = [Problem("is required", name, "required") for name in missing]
            raise ValidationError(f"{self.name}: {', '.join(missing)} can't be emptied", problems=problems)
        return self.complete(merged, now)

    def complete(self, data: Data, now: datetime) -> Data:
        """Drop empty fields, compute, and test the rules."""
        if None in data.values():
            data = {name: value for name, value in data.items() if value is not None}
        if self.computed:
            self._compute(data)
        if self.definition.rules:
            self._test_rules(data, now)
        return data

    def columns(self, data: Data, blind: "Any") -> dict[str, str | None]:
        """The index columns for `data`; `blind(field, value)` gives the key of a sensitive value."""
        row: dict[str, str | None] = {}
        for name, slot, key, sensitive in self._index_plan:
            value = data.get(name)
            row[slot] = EMPTY if value is None else (blind(name, value) if sensitive else key(value))
        for slot, names in self._unique_plan:
            values = [data.get(name) for name in names]
            if None in values:
                row[slot] = None
            else:
                parts = [
                    blind(name, value) if name in self.sensitive else unique_key(self._key_of(name, value))
                    for name, value in zip(names, values, strict=True)
                ]
                row[slot] = parts[0] if len(parts) == 1 else unique_key("\x1f".join(parts))
        return row

    def unique_key_of(self, name: str, blind: "Any") -> Callable[[Data], str | None]:
        """What gives a record's key in the unique field or group `name` ("a+b"), None where a part is empty."""
        slot = self.slots.unique[name]
        names = name.split("+")
        part = CompiledType(self.definition, self.version, Slots({}, {name: slot}))

        def key(data: Data) -> str | None:
            return part.columns({n: data.get(n) for n in names}, blind)[slot]

        return key

    def read(self, name: str, data: Data) -> Any:
        """The typed value of a field."""
        return to_python(self.definition.fields[name], data.get(name))

    def title(self, data: Data) -> str | None:
        """The record's title by the definition's template."""
        template = self.definition.title
        if template is None:
            return None
        return re.sub(r"{(\w+)}", lambda found: str(data.get(found.group(1)) or ""), template).strip(" ,")

    # -- inside ----------------------------------------------------------------------------------------------------

    @cached_property
    def _create(self) -> TypeAdapter[Data]:
        return self._adapter(partial=False)

    @cached_property
    def _patch(self) -> TypeAdapter[Data]:
        return self._adapter(partial=True)

    def _adapter(self, *, partial: bool) -> TypeAdapter[Data]:
        fields: dict[str, Any] = {}
        for name, field in self.definition.fields.items():
            if isinstance(field, d.ComputedField):
                continue
            kind = annotation(field)
            if partial or not field.required:
                fields[name] = NotRequired[kind | None]
            else:
                fields[name] = kind
        return typed_dict(self.name, fields)

    @cached_property
    def _required(self) -> list[str]:
        return [name for name, field in self.definition.fields.items() if field.required]

    @cached_property
    def _index_plan(self) -> list[tuple[str, str, Any, bool]]:
        fields = self.definition.fields
        return [(n, slot, key_function(fields[n]), n in self.sensitive) for n, slot in self.slots.index.items()]

    @cached_property
    def _unique_plan(self) -> list[tuple[str, list[str]]]:
        return [(slot, name.split("+")) for name, slot in self.slots.unique.items()]

    @cached_property
    def _rules(self) -> list[tuple[d.Rule, Expression]]:
        return [(rule, compile_expression(rule.check)) for rule in self.definition.rules]

    def _key_of(self, name: str, value: Any) -> Any:
        return f"{value['amount']} {value['currency']}" if self.definition.fields[name].type == "money" else value

    def _values_for(self, expression: Expression, data: Data) -> Data | None:
        """Typed values of what `expression` names, or None if one is empty and the expression doesn't speak of null."""
        fields = self.definition.fields
        values = {name: to_python(fields[name], data.get(name)) for name in expression.names if name in fields}
        if None in values.values() and "null" not in expression.source:
            return None
        return {name: _plain(value) for name, value in values.items()}

    def _compute(self, data: Data) -> None:
        for name, (expression, adapter) in self.computed.items():
            values = self._values_for(expression, data)
            data.pop(name, None)
            if values is None:
                continue
            try:
                result = expression.evaluate(values)
                if result is not None:
                    data[name] = adapter.validate_python(result)
            except ExpressionError as error:
                raise ValidationError(f"{self.name}.{name}: {error.message}", field=name) from None
            except PydanticError as error:
                raise ValidationError(f"{self.name}.{name}: {_problems(error)[0].message}", field=name) from None

    def _test_rules(self, data: Data, now: datetime) -> None:
        problems = []
        for rule, expression in self._rules:
            values = self._values_for(expression, data)
            if values is not None and expression.evaluate({**values, "now": now}) is not True:
                message = d.label_of(rule.message, "en", "a rule is broken")
                problems.append(Problem(message, rule.field, "rule"))
        if problems:
            raise ValidationError(f"{self.name}: {'; '.join(p.message for p in problems)}", problems=problems)

    def _refusal(self, error: PydanticError) -> ValidationError:
        problems = _problems(error, self.definition)
        told = "; ".join(f"{p.field}: {p.message}" for p in problems[:5])
        more = f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""
        return ValidationError(f"{self.name} is not valid: {told}{more}", problems=problems)


def _problems(error: PydanticError, definition: d.EntityTypeDefinition | None = None) -> list[Problem]:
    return [_problem(item, definition) for item in _merged(error.errors(include_url=False, include_input=False))]


def _merged(items: Iterable[Any]) -> list[Any]:
    """One item a field: optional fields are unions, whose 'or None' member adds nothing."""
    seen: dict[str, Any] = {}
    for item in items:
        key = str(item["loc"][0]) if item["loc"] else ""
        if key not in seen or seen[key]["type"] == "none_required":
            seen[key] = item
    return list(seen.values())


def _problem(item: Any, definition: d.EntityTypeDefinition | None) -> Problem:
    path = ".".join(str(p) for p in item["loc"] if not (isinstance(p, str) and ("[" in p or p == "none"))) or None
    kind, message = item["type"], item["msg"].removeprefix("Value error, ")
    field = definition.fields.get(str(item["loc"][0])) if definition and item["loc"] else None
    if kind == "missing":
        return Problem("is required", path, "required")
    if kind == "extra_forbidden":
        if isinstance(field, d.ComputedField):
            return Problem("is computed and can't be written", path, "computed")
        known = ", ".join(definition.fields) if definition else ""
        return Problem(f"no such field; there are {known}"[:500], path, "unknown_field")
    if field is not None and field.required and kind in ("string_type", "none_required") and "None" in message:
        return Problem("is required", path, "required")
    return Problem(message[:1].lower() + message[1:], path, "invalid")


def _plain(value: Any) -> Any:
    """Money as a map, for CEL."""
    if hasattr(value, "currency"):
        return {"amount": float(value.amount), "currency": value.currency}
    return value
