"""Values as JSON: of a declared type (anything pydantic knows), or plain JSON. Never pickle: what lies in a shared store must not
be able to run code."""

from typing import Any, Generic, Protocol, TypeVar, cast

import orjson
from pydantic import TypeAdapter
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
