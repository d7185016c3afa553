"""How Python's types travel: the protobuf type of each, and the way of values there and back.

`Decimal`, `UUID`, dates and times go as text, aware datetimes as `Timestamp`, JSON as `Struct` and `Value`; pydantic models,
attrs classes and dataclasses become messages. What protobuf can't say exactly is refused when the service is described.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol
from uuid import UUID

import attrs
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Proto

from brickwork.errors import Problem, ValidationError

#: Integers in JSON beyond this go as text, as a double would not hold them exactly (ProtoJSON does so with int64).
EXACT = 2**53


class Shape(Protocol):
    """A type on the wire. `python` is how a generated client annotates it."""

    @property
    def kind(self) -> int: ...

    @property
    def type_name(self) -> str: ...

    @property
    def python(self) -> str: ...

    def put(self, message: Any, name: str, value: Any) -> None:
        """Set the field."""
        ...

    def take(self, wire: Any) -> Any:
        """The value of what a field or an element holds; raises `ValueError` or `ValidationError`."""
        ...

    def add(self, repeated: Any, value: Any) -> None:
        """Append to a repeated field."""
        ...

    def enter(self, mapped: Any, key: Any, value: Any) -> None:
        """Set an entry of a map."""
        ...


@attrs.frozen(eq=False)
class Scalar:
    """A value that protobuf holds by itself, or as text."""

    kind: int
    python: str
    dump: Callable[[Any], Any]
    take: Callable[[Any], Any]
    type_name: str = ""

    def put(self, message: Any, name: str, value: Any) -> None:
        setattr(message, name, self.dump(value))

    def add(self, repeated: Any, value: Any) -> None:
        repeated.append(self.dump(value))

    def enter(self, mapped: Any, key: Any, value: Any) -> None:
        mapped[key] = self.dump(value)


class Filled:
    """What travels as a message: `fill` writes into one."""

    kind: int = Proto.TYPE_MESSAGE
    type_name: str
    python: str

    def fill(self, message: Any, value: Any) -> None:
        raise TypeError("each kind of message fills itself")

    def put(self, message: Any, name: str, value: Any) -> None:
        inside = getattr(message, name)
        inside.SetInParent()
        self.fill(inside, value)

    def add(self, repeated: Any, value: Any) -> None:
        self.fill(repeated.add(), value)

    def enter(self, mapped: Any, key: Any, value: Any) -> None:
        self.fill(mapped[key], value)


class Moment(Filled):
    """An aware datetime, in UTC."""

    type_name, python = ".google.protobuf.Timestamp", "datetime.datetime"

    def fill(self, message: Any, value: datetime) -> None:
        if value.tzinfo is None:
            raise ValueError("a time needs a zone")
        message.FromDatetime(value)

    def take(self, wire: Any) -> datetime:
        moment: datetime = wire.ToDatetime(tzinfo=UTC)
        return moment


class Span(Filled):
    """A length of time."""

    type_name, python = ".google.protobuf.Duration", "datetime.timedelta"

    def fill(self, message: Any, value: timedelta) -> None:
        message.FromTimedelta(value)

    def take(self, wire: Any) -> timedelta:
        length: timedelta = wire.ToTimedelta()
        return length


class Json(Filled):
    """Any JSON."""

    type_name, python = ".google.protobuf.Value", "Any"

    def fill(self, message: Any, value: Any) -> None:
        _fill_value(message, value)

    def take(self, wire: Any) -> Any:
        return _value_of(wire)


class JsonObject(Filled):
    """A JSON object."""

    type_name, python = ".google.protobuf.Struct", "dict[str, Any]"

    def fill(self, message: Any, value: Mapping[str, Any]) -> None:
        for name, item in value.items():
            _fill_value(message.fields[name], item)

    def take(self, wire: Any) -> dict[str, Any]:
        return {name: _value_of(item) for name, item in wire.fields.items()}


class Nothing(Filled):
    """What a method returns that returns nothing."""

    type_name, python = ".google.protobuf.Empty", "None"

    def fill(self, message: Any, value: None) -> None:
        """There is nothing to write."""

    def take(self, wire: Any) -> None:
        return None


@attrs.frozen
class Field:
    """A part of a message. `form` is "one", "list" or "map" (with `key`, the shape of its keys)."""

    name: str
    number: int
    shape: Shape
    form: str = "one"
    key: Scalar | None = None
    #: Whether it must be given, and else what stands for it.
    required: bool = True
    default: Any = None
    nullable: bool = False
    #: What the list or map is in Python.
    collect: Callable[[Any], Any] = list

    def put(self, message: Any, value: Any) -> None:
        """Write the value; None leaves it out."""
        try:
            if value is None:
                if self.required and not self.nullable:
                    raise ValueError("it can't be None")
            elif self.form == "one":
                self.shape.put(message, self.name, value)
            elif self.form == "list":
                repeated = getattr(message, self.name)
                for item in value:
                    self.shape.add(repeated, item)
            else:
                mapped = getattr(message, self.name)
                for key, item in value.items():
                    self.shape.enter(mapped, key, item)
        except ValidationError as error:
            raise within(self.name, error) from None
        except (TypeError, ValueError, AttributeError) as error:
            raise ValidationError(f"{self.name}: {error}", field=self.name) from None

    def take(self, message: Any, into: dict[str, Any], problems: list[Problem]) -> None:
        """Read the value; what is left out stays out, or is a problem."""
        try:
            wire = getattr(message, self.name)
            if self.form != "one":
                if len(wire) or not (self.nullable or not self.required):
                    into[self.name] = self._many(wire)
            elif message.HasField(self.name):
                into[self.name] = self.shape.take(wire)
            elif self.required and not self.nullable:
                problems.append(Problem("it is required", self.name, "required"))
        except ValidationError as error:
            problems += within(self.name, error).problems
        except (TypeError, ValueError, InvalidOperation, OverflowError) as error:
            told = "it can't be read" if isinstance(error, (InvalidOperation, OverflowError)) else str(error)
            problems.append(Problem(told, self.name))

    def _many(self, wire: Any) -> Any:
        if self.form == "list":
            return self.collect([self.shape.take(item) for item in wire])
        return {key: self.shape.take(item) for key, item in wire.items()}


class Message(Filled):
    """A message of its own. `make` builds the value from what its fields hold."""

    def __init__(self, name: str, package: str, make: Callable[[dict[str, Any]], Any], doc: str = "") -> None:
        self.name = self.python = name
        self.type_name = f".{package}.{name}"
        self.doc = doc
        self.fields: list[Field] = []
        self._make = make

    def fill(self, message: Any, value: Any) -> None:
        for field in self.fields:
            field.put(message, getattr(value, field.name))

    def read(self, message: Any) -> dict[str, Any]:
        """The values that are there; raises `ValidationError`, which names each that is wrong or missing."""
        values: dict[str, Any] = {}
        problems: list[Problem] = []
        for field in self.fields:
            field.take(message, values, problems)
        if problems:
            told = "; ".join(f"{problem.field}: {problem.message}" for problem in problems[:5])
            raise ValidationError(f"the message is not valid: {told}", problems=problems)
        return values

    def take(self, wire: Any) -> Any:
        values = self.read(wire)
        for field in self.fields:
            if field.nullable and field.required:
                values.setdefault(field.name, None)
        return self._make(values)


def within(name: str, error: ValidationError) -> ValidationError:
    """The same error, of a field that is inside `name`."""
    inside = [Problem(p.message, f"{name}.{p.field}" if p.field else name, p.code) for p in error.problems]
    return ValidationError(f"{name}: {error.message}", problems=inside)


def _strict(kind: type) -> Callable[[Any], Any]:
    def dump(value: Any) -> Any:
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise TypeError(f"takes {kind.__name__}, not {type(value).__name__}")
        return value

    return dump


def _float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"takes float, not {type(value).__name__}")
    return float(value)


def _same(wire: Any) -> Any:
    return wire


#: The shapes of types that need no look inside.
SIMPLE: dict[Any, Shape] = {
    str: Scalar(Proto.TYPE_STRING, "str", _strict(str), _same),
    bool: Scalar(Proto.TYPE_BOOL, "bool", _strict(bool), _same),
    int: Scalar(Proto.TYPE_INT64, "int", _strict(int), _same),
    float: Scalar(Proto.TYPE_DOUBLE, "float", _float, _same),
    bytes: Scalar(Proto.TYPE_BYTES, "bytes", _strict(bytes), _same),
    Decimal: Scalar(Proto.TYPE_STRING, "decimal.Decimal", lambda value: str(_strict(Decimal)(value)), Decimal),
    UUID: Scalar(Proto.TYPE_STRING, "uuid.UUID", str, UUID),
    date: Scalar(Proto.TYPE_STRING, "datetime.date", lambda value: value.isoformat(), date.fromisoformat),
    time: Scalar(Proto.TYPE_STRING, "datetime.time", lambda value: value.isoformat(), time.fromisoformat),
    datetime: Moment(),
    timedelta: Span(),
    Any: Json(),
    type(None): Nothing(),
}

#: An id that may be given as text.
ID = Scalar(Proto.TYPE_STRING, "uuid.UUID | str", str, _same)


def _fill_value(message: Any, value: Any) -> None:
    if value is None:
        message.null_value = 0
    elif isinstance(value, bool):
        message.bool_value = value
    elif isinstance(value, str):
        message.string_value = value
    elif isinstance(value, int) and abs(value) > EXACT:
        message.string_value = str(value)
    elif isinstance(value, (int, float)):
        message.number_value = value
    elif isinstance(value, Mapping):
        message.struct_value.SetInParent()
        for name, item in value.items():
            _fill_value(message.struct_value.fields[name], item)
    elif isinstance(value, (list, tuple)):
        message.list_value.SetInParent()
        for item in value:
            _fill_value(message.list_value.values.add(), item)
    else:
        raise TypeError(f"takes JSON, and {type(value).__name__} is none")


def _value_of(message: Any) -> Any:
    kind = message.WhichOneof("kind")
    if kind == "struct_value":
        return {name: _value_of(item) for name, item in message.struct_value.fields.items()}
    if kind == "list_value":
        return [_value_of(item) for item in message.list_value.values]
    if kind == "number_value":
        number = message.number_value
        return int(number) if number.is_integer() and abs(number) <= EXACT else number
    return None if kind in (None, "null_value") else getattr(message, kind)
