"""The HTTP routes of realtime: tickets, presence, and messages from systems that hold no connection."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from brickwork.realtime.presence import Present
from brickwork.realtime.tickets import Ticket

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform
    from brickwork.web.endpoint import Call, Endpoint

TAG = "realtime"


class TicketIn(BaseModel):
    """Who wants to connect: an id that the client keeps over reconnects."""

    model_config = ConfigDict(extra="forbid")

    client: str = Field(max_length=64)


class PresenceQuery(BaseModel):
    """Of which topic."""

    model_config = ConfigDict(extra="forbid")

    topic: str = Field(max_length=200)


def endpoints(platform: "Platform") -> "Sequence[Endpoint]":
    """The routes below /api/v1."""
    from brickwork.web.endpoint import Endpoint

    realtime = platform.realtime

    def present(call: "Call") -> list[dict[str, Any]]:
        realtime.check(call.query.topic)
        return [one.model_dump(mode="json") for one in realtime.presence.list(call.query.topic)]

    return [
        Endpoint(
            method="POST",
            path="/realtime/tickets",
            handler=lambda call: realtime.tickets.give(call.body.client).model_dump(mode="json"),
            summary="A ticket to connect with, once and within 30 seconds",
            tag=TAG,
            permission="realtime.connect",
            body=TicketIn,
            returns=Ticket,
            status=201,
        ),
        Endpoint(
            method="GET",
            path="/realtime/presence",
            handler=present,
            summary="Who is present in a topic",
            tag=TAG,
            permission="realtime.connect",
            query=PresenceQuery,
            returns=list[Present],
            errors=(403,),
        ),
    ]
