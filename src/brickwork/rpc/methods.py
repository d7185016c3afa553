"""From a service's class to what is on the wire: its exposed methods with the messages they take and give."""

import inspect
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from string import Formatter
from typing import Any, NotRequired, get_args, get_origin, get_type_hints

import attrs
from pydantic import ConfigDict, TypeAdapter
from pydantic import ValidationError as PydanticError
from typing_extensions import TypedDict

from brickwork.errors import ValidationError
from brickwork.kernel.exposed import Exposed, mark_of
from brickwork.rpc.schema import Schema
from brickwork.rpc.shapes import Message, Nothing
from brickwork.rpc.types import MISSING, Part, Types, first_line, refusal

_NAME = r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*\.[A-Z][A-Za-z0-9]*"


@attrs.frozen
class Service:
    """A service to expose: `name` is its full name, package and class ("shop.v1.Prices"), `target` an object whose class has
    methods marked with `@exposed`."""

    name: str = attrs.field(validator=attrs.validators.matches_re(_NAME + r"\Z"))
    target: Any

    @property
    def package(self) -> str:
        return self.name.rpartition(".")[0]


@attrs.frozen(eq=False)
class Method:
    """A method as it travels. `path` is gRPC's, `wrapped` tells that the reply is a message around the value."""

    path: str
    name: str
    attribute: str
    doc: str
    mark: Exposed
    request: Message
    reply: Message | Nothing
    wrapped: bool
    streams: bool
    check: TypeAdapter[Any]
    schema: Schema

    @cached_property
    def told(self) -> dict[str, str]:
        """The attributes of its spans (OpenTelemetry's RPC conventions)."""
        return {"rpc.system.name": "grpc", "rpc.method": self.path[1:]}

    def arguments(self, raw: bytes) -> dict[str, Any]:
        """What a request asks for; raises `ValidationError`."""
        message = self.schema.parse(self.request.type_name, raw)
        values = self.request.read(message)
        for field in self.request.fields:
            if field.nullable and field.required:
                values.setdefault(field.name, None)
        try:
            checked: dict[str, Any] = self.check.validate_python(values)
        except PydanticError as error:
            raise refusal(error) from None
        return checked

    def ask(self, arguments: Mapping[str, Any]) -> bytes:
        """The request for these arguments; raises `ValidationError`."""
        message = self.schema.new(self.request.type_name)
        for field in self.request.fields:
            if field.name in arguments:
                field.put(message, arguments[field.name])
        raw: bytes = message.SerializeToString()
        return raw

    def answer(self, value: Any) -> bytes:
        """The reply that holds `value`; raises `TypeError` if it is not what the method says it returns."""
        message = self.schema.new(self.reply.type_name)
        try:
            if self.wrapped:
                assert isinstance(self.reply, Message)
                self.reply.fields[0].put(message, value)
            else:
                self.reply.fill(message, value)
        except ValidationError as error:  # which is not the caller's fault
            raise TypeError(f"{self.path[1:]} returned something else than it says: {error.message}") from None
        raw: bytes = message.SerializeToString()
        return raw

    def result(self, raw: bytes) -> Any:
        """The value in a reply."""
        message = self.schema.parse(self.reply.type_name, raw)
        if not self.wrapped:
            return self.reply.take(message)
        assert isinstance(self.reply, Message)
        values = self.reply.read(message)
        return values.get("value")


def describe(package: str, classes: Mapping[str, Any]) -> tuple[Schema, dict[str, dict[str, Method]]]:
    """The schema of a package, and of each of its services (by name, without the package) the methods by attribute."""
    types = Types(package)
    drafts = {name: _drafts(types, name, kind) for name, kind in classes.items()}
    schema = Schema(package, types.messages, {name: (first_line(classes[name]), drafts[name]) for name in drafts})
    return schema, {
        name: {draft["attribute"]: Method(schema=schema, **draft) for draft in found} for name, found in drafts.items()
    }


def _drafts(types: Types, service: str, kind: Any) -> list[dict[str, Any]]:
    found = [(name, function) for name, function in inspect.getmembers(kind, inspect.isfunction) if mark_of(function)]
    if not found:
        raise ValidationError(f"{types.package}.{service}: {kind.__name__} has no method with @exposed(...)")
    found.sort(key=lambda pair: pair[1].__code__.co_firstlineno)
    return [_draft(types, service, name, function) for name, function in found]


def _draft(types: Types, service: str, attribute: str, function: Callable[..., Any]) -> dict[str, Any]:
    mark = mark_of(function)
    assert mark is not None
    name = "".join(word.title() for word in attribute.split("_"))
    where = f"{types.package}.{service}.{name}"
    hints = get_type_hints(function, include_extras=True)
    if "return" not in hints:
        raise ValidationError(f"{where}: {attribute} says not what it returns; annotate it", field=attribute)
    parts = _parameters(where, function, hints, mark)
    named = {name for _, name, _, _ in Formatter().parse(mark.permission) if name}
    if unknown := named - {part.name for part in parts if part.default is MISSING}:
        raise ValidationError(f"{where}: its permission names {', '.join(unknown)}, which is no required parameter")
    request = types.declare(f"{service}{name}Request", parts, f"What {service}.{name} takes.")
    returns, streams = _streamed(hints["return"])
    reply, wrapped = _reply(types, f"{service}{name}Reply", where, returns)
    return {
        "path": f"/{types.package}.{service}/{name}",
        "name": name,
        "attribute": attribute,
        "doc": inspect.getdoc(function) or "",
        "mark": mark,
        "request": request,
        "reply": reply,
        "wrapped": wrapped,
        "streams": streams,
        "check": _check(parts),
    }


def _parameters(where: str, function: Callable[..., Any], hints: Mapping[str, Any], mark: Exposed) -> list[Part]:
    parts = []
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) or parameter.name not in hints:
            raise ValidationError(f"{where}: {parameter.name} must be a named parameter with an annotation", field=parameter.name)
        default = MISSING if parameter.default is parameter.empty else parameter.default
        if parameter.name not in mark.hidden:
            parts.append(Part(parameter.name, hints[parameter.name], default))
        elif default is MISSING:
            raise ValidationError(f"{where}: {parameter.name} is hidden and has no default", field=parameter.name)
    return parts


def _streamed(kind: Any) -> tuple[Any, bool]:
    if get_origin(kind) in (Iterator, Iterable, Generator):
        return get_args(kind)[0], True
    return kind, False


def _reply(types: Types, name: str, where: str, kind: Any) -> tuple[Message | Nothing, bool]:
    parts = [Part("value", kind)]
    if kind is None or kind is type(None):
        return Nothing(), False
    fields = types.fields(where, parts)
    shape = fields[0].shape
    if isinstance(shape, Message) and fields[0].form == "one" and not fields[0].nullable:
        return shape, False
    return types.declare(name, parts, f"What {name.removesuffix('Reply')} gives."), True


def _check(parts: Sequence[Part]) -> TypeAdapter[Any]:
    """What holds arguments to their annotations, constraints included."""
    kinds = {p.name: p.type if p.default is MISSING else NotRequired[p.type] for p in parts}
    make: Any = TypedDict
    made = make("Arguments", kinds)
    made.__pydantic_config__ = ConfigDict(arbitrary_types_allowed=True)
    return TypeAdapter(made)
