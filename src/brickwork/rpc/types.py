"""From annotations to shapes: which message, field and number each type of a signature becomes."""

import collections.abc
import dataclasses
import types
from collections.abc import Callable, Mapping
from enum import Enum, EnumType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import attrs
from pydantic import BaseModel
from pydantic import ValidationError as PydanticError

from brickwork.errors import Problem, ValidationError
from brickwork.rpc.shapes import ID, SIMPLE, Field, JsonObject, Message, Scalar, Shape

_LISTS: dict[Any, Callable[[Any], Any]] = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    collections.abc.Sequence: list,
    collections.abc.Iterable: list,
    collections.abc.Collection: list,
    collections.abc.Set: frozenset,
}
_MAPS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_KEYS = (str, int, bool)
MISSING: Any = object()


@attrs.frozen
class Number:
    """The number of a field on the wire, in `Annotated[str, Number(5)]`. Left out, fields are numbered from 1 in their order, so
    new ones belong at the end; a number keeps a field's place where they are reordered or one is taken out."""

    value: int = attrs.field(validator=[attrs.validators.ge(1), attrs.validators.lt(19_000)])


@attrs.frozen
class Part:
    """A field as it is declared."""

    name: str
    type: Any
    default: Any = MISSING


class Types:
    """The messages of one package."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.messages: dict[str, Message] = {}
        self._of: dict[Any, Message] = {}

    def fields(self, where: str, parts: list[Part]) -> list[Field]:
        """The fields of `parts`; raises `ValidationError` naming what can't be exposed, and why."""
        found: list[Field] = []
        for part in parts:
            given = next((m.value for m in _metadata(part.type) if isinstance(m, Number)), None)
            number = given or (found[-1].number + 1 if found else 1)
            if number in {field.number for field in found}:
                raise ValidationError(f"{where}.{part.name}: number {number} is taken", field=part.name)
            found.append(self._field(f"{where}.{part.name}", part, number))
        return found

    def declare(self, name: str, parts: list[Part], doc: str = "") -> Message:
        """A message that no class stands for."""
        message = self._new(name, lambda values: values, doc)
        message.fields = self.fields(name, parts)
        return message

    def shape(self, where: str, kind: Any) -> Shape:
        """The shape of a single value."""
        bare = _bare(kind)
        if get_origin(bare) is Union or isinstance(bare, types.UnionType):
            members = {_bare(member) for member in get_args(bare)}
            if members == {UUID, str}:  # an id, as text or not
                return ID
        if get_origin(bare) in _MAPS and get_args(bare) == (str, Any):
            return JsonObject()
        if get_origin(bare) is Literal or (isinstance(bare, type) and issubclass(bare, Enum)):
            return _choice(where, bare)
        if bare in SIMPLE:
            return SIMPLE[bare]
        return self._message(where, bare)

    def _field(self, where: str, part: Part, number: int) -> Field:
        kind, nullable = _without_none(_bare(part.type))
        made: dict[str, Any] = {"nullable": nullable, "required": part.default is MISSING}
        if not made["required"]:
            made["default"] = part.default
        origin, arguments = get_origin(kind), get_args(kind)
        if origin in _LISTS:
            if origin is tuple and (len(arguments) != 2 or arguments[1] is not Ellipsis):
                raise _refused(where, kind, "tuple[X, ...]")
            return Field(part.name, number, self.shape(where, arguments[0]), "list", collect=_LISTS[origin], **made)
        if origin in _MAPS and arguments != (str, Any):
            if arguments[0] not in _KEYS:
                raise _refused(where, kind, "keys of str, int or bool")
            key = SIMPLE[arguments[0]]
            assert isinstance(key, Scalar)
            return Field(part.name, number, self.shape(where, arguments[1]), "map", key, **made)
        return Field(part.name, number, self.shape(where, kind), **made)

    def _message(self, where: str, kind: Any) -> Message:
        known = self._of.get(kind)
        if known is not None:
            return known
        origin = get_origin(kind) or kind
        if not isinstance(origin, type) or origin is types.UnionType:
            raise _refused(where, kind)
        variables = dict(zip(getattr(origin, "__parameters__", ()), get_args(kind), strict=False))
        name = "".join(getattr(_bare(a), "__name__", "") for a in variables.values()) + origin.__name__.partition("[")[0]
        parts, make = _parts(origin, variables)
        if parts is None:
            raise _refused(where, kind)
        message = self._of[kind] = self._new(name, make, first_line(origin))
        message.fields = self.fields(name, parts)  # after it is known: a class may hold others of its kind
        return message

    def _new(self, name: str, make: Callable[[dict[str, Any]], Any], doc: str) -> Message:
        if name in self.messages:
            raise ValidationError(f"{self.package}: two types are named {name}; rename one, or expose it in another package")
        self.messages[name] = Message(name, self.package, make, doc)
        return self.messages[name]


def _parts(origin: Any, variables: Mapping[Any, Any]) -> tuple[list[Part] | None, Callable[[dict[str, Any]], Any]]:
    """The fields of a class, and what makes one of their values."""
    if issubclass(origin, BaseModel):
        found = [
            Part(name, _annotated(field), MISSING if field.is_required() else field.default)
            for name, field in origin.model_fields.items()
        ]

        def validated(values: dict[str, Any]) -> Any:
            try:
                return origin.model_validate(values)
            except PydanticError as error:
                raise refusal(error) from None

        return found, validated
    if attrs.has(origin):
        hints = get_type_hints(origin, include_extras=True)
        own = [a for a in attrs.fields(origin) if not a.name.startswith("_")]
        found = [Part(a.name, _filled(hints[a.name], variables), _default_of_attribute(a.default)) for a in own]
        return found, _made(lambda values: origin(**{a.alias: values[a.name] for a in own if a.name in values}))
    if dataclasses.is_dataclass(origin):
        build: Any = origin
        hints = get_type_hints(origin, include_extras=True)
        found = [Part(f.name, _filled(hints[f.name], variables), _default_of_dataclass(f)) for f in dataclasses.fields(origin)]
        return found, _made(lambda values: build(**values))
    return None, dict


def refusal(error: PydanticError) -> ValidationError:
    """pydantic's complaints as the house's."""
    problems = [
        Problem(item["msg"].removeprefix("Value error, "), ".".join(map(str, item["loc"])) or None)
        for item in error.errors(include_url=False, include_input=False)
    ]
    told = "; ".join(f"{p.field}: {p.message}" for p in problems[:5])
    return ValidationError(f"the message is not valid: {told}", problems=problems)


def _made(make: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    def made(values: dict[str, Any]) -> Any:
        try:
            return make(values)
        except (TypeError, ValueError) as error:
            raise ValidationError(str(error)) from None

    return made


def _choice(where: str, kind: Any) -> Scalar:
    """A `Literal` or an `Enum`, which goes as its value."""
    by_value: dict[Any, Any]
    if isinstance(kind, EnumType):
        members: Any = kind
        by_value = {member.value: member for member in members}
    else:
        by_value = {value: value for value in get_args(kind)}
    base = next((t for t in (str, int) if all(type(value) is t for value in by_value)), None)
    if base is None:
        raise _refused(where, kind, "values that are all str or all int")

    def take(wire: Any) -> Any:
        if wire not in by_value:
            raise ValueError(f"takes {', '.join(map(repr, by_value))}, not {wire!r}")
        return by_value[wire]

    def dump(value: Any) -> Any:
        plain = value.value if isinstance(value, Enum) else value
        take(plain)
        return plain

    inner = SIMPLE[base]
    return Scalar(inner.kind, f"Literal[{', '.join(map(repr, by_value))}]", dump, take)


def _bare(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _metadata(kind: Any) -> tuple[Any, ...]:
    return get_args(kind)[1:] if get_origin(kind) is Annotated else ()


def _annotated(field: Any) -> Any:
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation


def _without_none(kind: Any) -> tuple[Any, bool]:
    """The type without `| None`, and whether it had that."""
    if get_origin(kind) is Union or isinstance(kind, types.UnionType):
        members = [member for member in get_args(kind) if member is not type(None)]
        if len(members) < len(get_args(kind)):
            return Union[tuple(members)], True  # noqa: UP007 - made at run time
    return kind, False


def _filled(kind: Any, variables: Mapping[Any, Any]) -> Any:
    """The type with type variables replaced by what they stand for."""
    if isinstance(kind, TypeVar):
        return variables.get(kind, kind)
    if any(isinstance(argument, TypeVar) for argument in get_args(kind)):
        return kind[tuple(variables[p] for p in kind.__parameters__)]
    return kind


def _default_of_dataclass(field: "dataclasses.Field[Any]") -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return None
    return MISSING if field.default is dataclasses.MISSING else field.default


def _default_of_attribute(default: Any) -> Any:
    if default is attrs.NOTHING:
        return MISSING
    return None if isinstance(default, attrs.Factory) else default  # type: ignore[arg-type]


def first_line(kind: type) -> str:
    """The first line of a class's docstring; what dataclasses write by themselves is none."""
    line = (kind.__dict__.get("__doc__") or "").strip().partition("\n")[0]
    return "" if line.startswith(f"{kind.__name__}(") else line


def _refused(where: str, kind: Any, right: str = "") -> ValidationError:
    takes = right or "plain values, JSON, pydantic models, attrs classes and dataclasses, and lists and maps of those"
    return ValidationError(f"{where}: {kind} can't be exposed; it takes {takes}", field=where)
