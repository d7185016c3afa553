"""The HTTP routes of notify: a person's inbox and preferences, and for those who may, messages, recipients and suppressions."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from brickwork.errors import ValidationError
from brickwork.kernel.ids import parse_id
from brickwork.notify.definition import Content
from brickwork.notify.history import Message
from brickwork.notify.inbox import InboxMessage

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform
    from brickwork.web.endpoint import Call, Endpoint

TAG = "notify"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class InboxQuery(_Model):
    """Which messages: those that were not put away, those that were not read, or those that were put away."""

    which: Literal["all", "unread", "archived"] = "all"
    category: str | None = Field(None, max_length=60)
    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = Field(None, max_length=4000)


class CountsModel(BaseModel):
    """Messages that wait."""

    unseen: int
    unread: int


class Marking(_Model):
    """What to note about messages; without `ids`, about all that were not put away."""

    ids: list[UUID] | None = Field(None, max_length=500)
    seen: bool = False
    read: bool | None = None
    archived: bool | None = None


class PreferenceModel(_Model):
    """Whether messages of a category are wanted on a channel; "*" is every other one."""

    category: str = Field(min_length=1, max_length=60)
    channel: str = Field("*", min_length=1, max_length=30)
    wanted: bool


class SendBody(_Model):
    """A message to send: its kind, to whom, and what its template is filled with, or the text itself."""

    notification: str = Field(max_length=100)
    to: list[str] = Field(min_length=1, max_length=500)
    data: dict[str, Any] = {}
    content: Content | None = None
    key: str | None = Field(None, min_length=1, max_length=200)
    at: AwareDatetime | None = None


class SentModel(BaseModel):
    """The messages that were made, and how many recipients had one already."""

    messages: list[UUID]
    repeated: int


class MessageQuery(_Model):
    """Whose messages."""

    ref: str | None = Field(None, max_length=200)
    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = Field(None, max_length=4000)


class CancelledModel(BaseModel):
    """Whether something was still to be sent."""

    cancelled: bool


class AddressBody(_Model):
    """An address of the caller's own, such as the subscription that a browser gives for push messages."""

    channel: str = Field(max_length=30)
    address: str = Field(max_length=2000)


class SuppressionBody(_Model):
    """An address to which nothing is to be sent."""

    channel: str = Field(max_length=30)
    address: str = Field(max_length=2000)
    detail: str = Field("", max_length=2000)


class SuppressionModel(SuppressionBody):
    """An address to which nothing is sent."""

    reason: str
    since: AwareDatetime


class SuppressionQuery(_Model):
    """Of which channel."""

    channel: str = Field("email", max_length=30)
    limit: int = Field(50, ge=1, le=500)
    cursor: str | None = Field(None, max_length=4000)


def endpoints(platform: "Platform") -> "Sequence[Endpoint]":
    """The routes below /api/v1."""
    return [*_own(platform), *_operators(platform)]


def _own(platform: "Platform") -> "Sequence[Endpoint]":
    """What everybody does for oneself."""
    from brickwork.web.endpoint import SIGNED_IN, Endpoint, Reply

    notify = platform.notify

    def inbox(call: "Call") -> Reply:
        query = call.query
        page = notify.inbox.list(which=query.which, category=query.category, limit=query.limit, cursor=query.cursor)
        data = [message.model_dump(mode="json") for message in page.items]
        return Reply(data, page={"cursor": page.cursor, "limit": query.limit})

    def counts(call: "Call") -> dict[str, int]:
        return _counts(notify.inbox.counts())

    def mark(call: "Call") -> dict[str, int]:
        body = call.body
        return _counts(notify.inbox.mark(body.ids, seen=body.seen, read=body.read, archived=body.archived))

    def preferences(call: "Call") -> list[dict[str, Any]]:
        return [_preference(one) for one in notify.preferences.list(_actor(platform))]

    def prefer(call: "Call") -> list[dict[str, Any]]:
        body = call.body
        notify.preferences.set(_actor(platform), body.category, body.wanted, channel=body.channel)
        return preferences(call)

    def add_address(call: "Call") -> None:
        if call.body.channel != "push":
            raise ValidationError("an address of the channel push can be added here; others must be verified", field="channel")
        address = notify.check_address(call.body.channel, call.body.address)
        notify.recipients.add_address(_actor(platform), call.body.channel, address)

    def drop_address(call: "Call") -> None:
        notify.recipients.drop_address(_actor(platform), call.body.channel, call.body.address)

    return [
        Endpoint(method="GET", path="/notify/inbox", handler=inbox, summary="The caller's messages", tag=TAG,
                 permission=SIGNED_IN, query=InboxQuery, returns=list[InboxMessage], paged=True),
        Endpoint(method="GET", path="/notify/inbox/counts", handler=counts, summary="How many messages wait", tag=TAG,
                 permission=SIGNED_IN, returns=CountsModel),
        Endpoint(method="POST", path="/notify/inbox/mark", handler=mark, summary="Note that messages were seen, read or put away",
                 tag=TAG, permission=SIGNED_IN, body=Marking, returns=CountsModel, errors=(404,)),
        Endpoint(method="GET", path="/notify/preferences", handler=preferences, summary="What the caller wants to be told",
                 tag=TAG, permission=SIGNED_IN, returns=list[PreferenceModel]),
        Endpoint(method="PUT", path="/notify/preferences", handler=prefer, summary="Switch a category on or off", tag=TAG,
                 permission=SIGNED_IN, body=PreferenceModel, returns=list[PreferenceModel]),
        Endpoint(method="POST", path="/notify/addresses", handler=add_address, summary="Get push messages on this device",
                 tag=TAG, permission=SIGNED_IN, body=AddressBody, status=204),
        Endpoint(method="POST", path="/notify/addresses/remove", handler=drop_address, summary="Get none there any more", tag=TAG,
                 permission=SIGNED_IN, body=AddressBody, status=204),
    ]  # fmt: skip


def _operators(platform: "Platform") -> "Sequence[Endpoint]":
    """What is done for others."""
    from brickwork.web.endpoint import Endpoint, Reply

    notify = platform.notify

    def send(call: "Call") -> dict[str, Any]:
        body = call.body
        sent = notify.send(body.notification, body.to, body.data, content=body.content, key=body.key, at=body.at)
        return {"messages": [str(id) for id in sent.messages], "repeated": sent.repeated}

    def messages(call: "Call") -> Reply:
        page = notify.history.list(ref=call.query.ref, limit=call.query.limit, cursor=call.query.cursor)
        data = [message.model_dump(mode="json") for message in page.items]
        return Reply(data, page={"cursor": page.cursor, "limit": call.query.limit})

    def message(call: "Call") -> dict[str, Any]:
        return notify.history.get(_id(call.path)).model_dump(mode="json")

    def cancel(call: "Call") -> dict[str, bool]:
        return {"cancelled": notify.cancel(_id(call.path))}

    def suppressions(call: "Call") -> Reply:
        query = call.query
        page = notify.suppressions.list(channel=query.channel, limit=query.limit, cursor=query.cursor)
        data = [
            {
                "channel": one.channel,
                "address": one.address,
                "detail": one.detail,
                "reason": one.reason,
                "since": one.since.isoformat(),
            }
            for one in page.items
        ]
        return Reply(data, page={"cursor": page.cursor, "limit": query.limit})

    def suppress(call: "Call") -> None:
        notify.suppressions.add(call.body.channel, call.body.address, detail=call.body.detail)

    def release(call: "Call") -> None:
        notify.suppressions.remove(call.body.channel, call.body.address)

    return [
        Endpoint(method="POST", path="/notify/messages", handler=send, summary="Send a message", tag=TAG,
                 permission="notify.send", body=SendBody, returns=SentModel, status=201, errors=(404,)),
        Endpoint(method="GET", path="/notify/messages", handler=messages, summary="The messages that were sent", tag=TAG,
                 permission="notify.history.read", query=MessageQuery, returns=list[Message], paged=True),
        Endpoint(method="GET", path="/notify/messages/{id}", handler=message, summary="A message and how its deliveries fared",
                 tag=TAG, permission="notify.history.read", returns=Message, errors=(404,)),
        Endpoint(method="POST", path="/notify/messages/{id}/cancel", handler=cancel, summary="Don't send what was not sent yet",
                 tag=TAG, permission="notify.send", returns=CancelledModel, errors=(404,)),
        Endpoint(method="GET", path="/notify/suppressions", handler=suppressions, summary="Addresses to which nothing is sent",
                 tag=TAG, permission="notify.suppressions.read", query=SuppressionQuery, returns=list[SuppressionModel],
                 paged=True),
        Endpoint(method="POST", path="/notify/suppressions", handler=suppress, summary="Send nothing more to an address", tag=TAG,
                 permission="notify.suppressions.write", body=SuppressionBody, status=204),
        Endpoint(method="POST", path="/notify/suppressions/remove", handler=release, summary="Send to an address again", tag=TAG,
                 permission="notify.suppressions.write", body=SuppressionBody, status=204),
    ]  # fmt: skip


def _actor(platform: "Platform") -> str:
    return platform.current.actor.partition(" via ")[0]


def _counts(counts: Any) -> dict[str, int]:
    return {"unseen": counts.unseen, "unread": counts.unread}


def _preference(one: Any) -> dict[str, Any]:
    return {"category": one.category, "channel": one.channel, "wanted": one.wanted}


def _id(path: Mapping[str, str]) -> UUID:
    found = parse_id(path["id"])
    if found is None:
        raise ValidationError(f"{path['id'][:80]!r} is no id of a message", field="id")
    return found
