"""What an event is: a pydantic model with a name and a version, and the way from older versions to the present one."""

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict

from brickwork.errors import BrickworkError, ValidationError

_NAME = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)+\Z")
Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
U = TypeVar("U", bound=Upcaster)


class UnknownVersionError(BrickworkError):
    """An event came in a version that this code doesn't know; newer code, or an upcaster, can read it."""

    code = "unknown_event_version"
    status = 422


class Event(BaseModel):
    """Something that happened, told to whoever wants to know.

    `name` is "noun.verb" in the past tense; `version` counts incompatible changes of the fields; `key` names the field by
    which a subscriber that asks for order gets its events in order (all events of one invoice, say).

    >>> class InvoiceIssued(Event, name="invoice.issued", version=1, key="invoice"):
    ...     invoice: str
    ...     total: str
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")

    event_name: ClassVar[str] = ""
    event_version: ClassVar[int] = 1
    event_key: ClassVar[str | None] = None
    _upcasters: ClassVar[dict[int, Upcaster]] = {}

    def __init_subclass__(cls, *, name: str = "", version: int = 1, key: str | None = None, **more: Any) -> None:
        super().__init_subclass__(**more)
        if name and not _NAME.match(name):
            raise ValidationError(f"event name {name!r} is not valid; it takes lower-case words joined by dots, as 'order.paid'")
        if version < 1:
            raise ValidationError(f"event {name}: versions count from 1", field="version")
        cls.event_name, cls.event_version, cls.event_key = name, version, key
        cls._upcasters = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **more: Any) -> None:
        super().__pydantic_init_subclass__(**more)
        if cls.event_key is not None and cls.event_key not in cls.model_fields:
            raise ValidationError(f"event {cls.event_name}: its key {cls.event_key!r} is not a field", field="key")

    @classmethod
    def upcast(cls, version: int) -> Callable[[U], U]:
        """Decorates the function that turns the data of `version` into that of the next one."""

        def register(function: U) -> U:
            if not 1 <= version < cls.event_version:
                raise ValidationError(f"{cls.event_name} has versions 1 to {cls.event_version}; {version} needs no upcaster")
            cls._upcasters[version] = function
            return function

        return register

    @classmethod
    def read(cls, data: Mapping[str, Any], version: int) -> "Event":
        """The event from `data` that was written in `version`; raises `UnknownVersionError` or pydantic's error."""
        values = dict(data)
        for step in range(version, cls.event_version):
            upcaster = cls._upcasters.get(step)
            if upcaster is None:
                raise UnknownVersionError(f"{cls.event_name} {version}: there is no upcaster from version {step}")
            values = upcaster(values)
        if version > cls.event_version:
            raise UnknownVersionError(f"{cls.event_name} {version} is newer than this code, which knows {cls.event_version}")
        return cls.model_validate(values)

    def ordering_key(self) -> str | None:
        """The value of the key field, as text."""
        return None if self.event_key is None else str(getattr(self, self.event_key))

    def tags(self) -> tuple[str, ...]:
        """What this event changes, for the cache: values kept with one of these tags are forgotten when it is committed. By
        default the event's name, and name and key ("invoice.issued:17")."""
        key = self.ordering_key()
        return (self.event_name,) if key is None else (self.event_name, f"{self.event_name}:{key}")
