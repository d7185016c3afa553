"""Values as JSON: of a declared type (anything pydantic knows), or plain JSON. Never pickle: what lies in a shared store must not
be able to run code."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Generic, Literal, Protocol, TypeVar, Union, cast, get_args, get_origin
from uuid import UUID

import orjson
from pydantic import BaseModel, TypeAdapter
from pydantic_core import PydanticSerializationError

from brickwork.errors import ValidationError

T = TypeVar("T")
_STRICT = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS


class Codec(Protocol[T]):
    """Turns values into bytes and back."""

    def dump(self, value: T) -> bytes:
        """The value as bytes, never empty; raises `ValidationError`."""
        ...

    def load(self, payload: bytes) -> T:
        """The value; raises `ValueError` where the bytes are of another time."""
        ...


class JsonCodec:
    """Plain JSON."""

    def dump(self, value: Any) -> bytes:
        try:
            return orjson.dumps(value, option=_STRICT)
        except TypeError as error:
            raise ValidationError(
                f"the value can't be kept as JSON ({error}); give the type: `cache.region(name, Type)`, or annotate what "
                "the function returns"
            ) from None

    def load(self, payload: bytes) -> Any:
        return orjson.loads(payload)


class TypedCodec(Generic[T]):
    """Values of one type, as pydantic writes and reads them."""

    def __init__(self, kind: Any) -> None:
        #: Whether one value may be given to many callers, since none of them can change it.
        self.immutable = is_immutable(kind)
        self._adapter: TypeAdapter[T] = TypeAdapter(kind)

    def dump(self, value: T) -> bytes:
        try:
            return self._adapter.dump_json(value, warnings="error")
        except PydanticSerializationError as error:
            raise ValidationError(f"the value is not of the type declared: {error}") from None

    def load(self, payload: bytes) -> T:
        return self._adapter.validate_json(payload)


def codec_of(kind: Any) -> Codec[Any]:
    """The codec for values of a type; plain JSON for None and Any."""
    return JsonCodec() if kind is None or kind is Any else cast(Codec[Any], TypedCodec(kind))


def is_immutable(kind: Any) -> bool:
    """Whether nobody can change values of a type: plain values, and frozen models, tuples and frozen sets of nothing else."""
    origin = get_origin(kind)
    if origin is Literal:
        return True
    if origin in (Union, UnionType, tuple, frozenset):
        return all(part is Ellipsis or is_immutable(part) for part in get_args(kind))
    if not isinstance(kind, type):
        return False
    if issubclass(kind, BaseModel):
        settled = kind.model_config.get("frozen", False) and kind.model_config.get("extra") != "allow"
        return settled and all(is_immutable(field.annotation) for field in kind.model_fields.values())
    return kind in _PLAIN or issubclass(kind, Enum)


_PLAIN = frozenset({str, int, float, bool, bytes, NoneType, UUID, Decimal, date, datetime, time, timedelta})
