"""Events on the wire: CloudEvents 1.0 in JSON, with the context they happened in as extension attributes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from brickwork.errors import BrickworkError
from brickwork.kernel.context import SYSTEM_TENANT, Context
from brickwork.messaging.event import Event


class UnreadableMessageError(BrickworkError):
    """What came from the broker is no CloudEvent."""

    code = "unreadable_message"
    status = 422


class CloudEvent(BaseModel):
    """An event with its attributes (CloudEvents 1.0.2; extensions `traceparent`, `tracestate` and `partitionkey` as its
    registry has them).

    `correlationid` joins all that one request led to; `causationid` is the id of the event whose handler published this one.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    specversion: str = Field("1.0", pattern=r"^1\.0$")
    id: UUID
    source: str
    type: str
    time: datetime
    datacontenttype: str = "application/json"
    subject: str | None = None
    partitionkey: str | None = None
    eventversion: int = 1
    tenant: str
    actor: str
    correlationid: str
    causationid: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None
    data: dict[str, Any]

    @classmethod
    def parse(cls, raw: str | bytes) -> "CloudEvent":
        """The event in `raw`; raises `UnreadableMessageError`."""
        try:
            return cls.model_validate_json(raw)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "the message"
            raise UnreadableMessageError(f"not a CloudEvent: {where}: {first['msg']}") from None

    def context(self) -> Context:
        """The context in which a handler of this event works."""
        system = self.tenant == SYSTEM_TENANT
        reason = f"event {self.type} {self.id}" if system else None
        tenant = None if system else self.tenant
        return Context(tenant, self.actor, self.correlationid, reason=reason, system=system)


def wrap(
    event: Event,
    id: UUID,
    context: Context,
    now: datetime,
    causation: str | None,
    source: str,
    trace: Mapping[str, str] | None = None,
) -> str:
    """The JSON text of `event` as a CloudEvent; `trace` has the `traceparent` and `tracestate` of who published it."""
    key = event.ordering_key()
    attributes = {
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": event.event_name,
        "time": now,
        "datacontenttype": "application/json",
        "eventversion": event.event_version,
        "tenant": SYSTEM_TENANT if context.system else context.tenant,
        "actor": context.actor,
        "correlationid": context.correlation_id,
        "traceparent": traceparent(context.correlation_id, id),
        **(trace or {}),
        "data": orjson.Fragment(event.model_dump_json()),
    }
    if key is not None:
        attributes["subject"] = attributes["partitionkey"] = key
    if causation is not None:
        attributes["causationid"] = causation
    return orjson.dumps(attributes).decode()


def traceparent(correlation_id: str, span: UUID) -> str | None:
    """The W3C trace context, where the correlation id is a trace's (32 hexadecimal digits, or a UUID's)."""
    digits = correlation_id.replace("-", "").lower()
    if len(digits) != 32 or not set(digits) <= set("0123456789abcdef") or digits == "0" * 32:
        return None
    return f"00-{digits}-{span.hex[16:]}-01"
