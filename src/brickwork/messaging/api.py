"""The HTTP routes of messaging: events, dead letters."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from brickwork.errors import ValidationError
from brickwork.messaging.dead import DeadLetter

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform
    from brickwork.web.endpoint import Call, Endpoint

TAG = "messaging"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DeadQuery(_Model):
    """Which dead letters: of a handler, of an event, in a state."""

    subscription: str | None = Field(None, max_length=120)
    event: str | None = Field(None, max_length=200)
    status: str = Field("resting", pattern="^(resting|replayed|discarded)$")
    limit: int = Field(50, ge=1, le=500)
    cursor: str | None = Field(None, max_length=4000)


class Selection(_Model):
    """Dead letters by their ids, or all that fit handler and event."""

    ids: list[UUID] | None = Field(None, min_length=1, max_length=10_000)
    subscription: str | None = None
    event: str | None = None


class Discard(Selection):
    """What to give up, and why."""

    reason: str = Field(min_length=1, max_length=2000)


class Edit(_Model):
    """The event's data, whole."""

    data: dict[str, Any]


class Count(BaseModel):
    """How many letters it concerned."""

    count: int


def _id(call: "Call") -> UUID:
    try:
        return UUID(call.path["id"])
    except ValueError:
        raise ValidationError(f"{call.path['id'][:80]!r} is no id of a dead letter", field="id") from None


def endpoints(platform: "Platform") -> "Sequence[Endpoint]":
    """The routes below /api/v1."""
    from brickwork.web.endpoint import Endpoint, Reply

    dead = platform.messaging.dead
    catalogue = platform.messaging.catalogue

    def letters(call: "Call") -> Reply:
        query = call.query
        page = dead.list(
            subscription=query.subscription, event=query.event, status=query.status, limit=query.limit, cursor=query.cursor
        )
        data = [letter.model_dump(mode="json") for letter in page.items]
        return Reply(data, page={"cursor": page.cursor, "limit": query.limit})

    def replay(call: "Call") -> dict[str, int]:
        chosen = call.body
        return {"count": dead.replay(chosen.ids, subscription=chosen.subscription, event=chosen.event)}

    def discard(call: "Call") -> dict[str, int]:
        chosen = call.body
        count = dead.discard(chosen.ids, reason=chosen.reason, subscription=chosen.subscription, event=chosen.event)
        return {"count": count}

    path = "/messaging/dead-letters"
    return [
        Endpoint(
            method="GET",
            path="/messaging/asyncapi",
            handler=lambda call: catalogue.asyncapi(),
            summary="The events and their handlers, as an AsyncAPI 3 document",
            tag=TAG,
            permission="messaging.read",
            returns=dict[str, Any],
        ),
        Endpoint(
            method="GET",
            path=path,
            handler=letters,
            summary="Events that a handler could not handle",
            tag=TAG,
            permission="messaging.read",
            query=DeadQuery,
            returns=list[DeadLetter],
            paged=True,
        ),
        Endpoint(
            method="GET",
            path=f"{path}/{{id}}",
            handler=lambda call: dead.get(_id(call)).model_dump(mode="json"),
            summary="A dead letter with its history",
            tag=TAG,
            permission="messaging.read",
            returns=DeadLetter,
            errors=(404,),
        ),
        Endpoint(
            method="PATCH",
            path=f"{path}/{{id}}",
            handler=lambda call: dead.edit(_id(call), call.body.data).model_dump(mode="json"),
            summary="Replace the event's data",
            tag=TAG,
            permission="messaging.write",
            body=Edit,
            returns=DeadLetter,
            errors=(404, 409),
        ),
        Endpoint(
            method="POST",
            path=f"{path}/replay",
            handler=replay,
            summary="Owe dead letters to their handlers again",
            tag=TAG,
            permission="messaging.write",
            body=Selection,
            returns=Count,
            errors=(404,),
        ),
        Endpoint(
            method="POST",
            path=f"{path}/discard",
            handler=discard,
            summary="Give dead letters up",
            tag=TAG,
            permission="messaging.write",
            body=Discard,
            returns=Count,
            errors=(404,),
        ),
    ]
