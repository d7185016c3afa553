"""Asking for messages: who is told by which route and when, written down with the caller's transaction."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import attrs
from sqlalchemy import insert, select

from brickwork.errors import DuplicateError
from brickwork.kernel.ids import uuid7
from brickwork.notify import policy
from brickwork.notify.definition import Content, Digest, Notification, Route
from brickwork.notify.events import Deliver
from brickwork.notify.models import DeliveryRow, MessageRow
from brickwork.notify.quiet import next_time, zone_of
from brickwork.notify.recipients import Recipient, Who

if TYPE_CHECKING:
    from brickwork.data import Transaction
    from brickwork.notify.service import Notify

_message: Any = MessageRow.__table__
_delivery: Any = DeliveryRow.__table__
Row = dict[str, Any]
#: Times that a call begins anew because others do the same just now.
ROUNDS = 4


@attrs.frozen
class Sent:
    """What came of a call: the ids of the new messages, and how many recipients got none because they had one under this key."""

    messages: tuple[UUID, ...]
    repeated: int = 0

    @property
    def id(self) -> UUID:
        """The message, where there is one recipient. Raises `ValueError` where there are none or several."""
        (one,) = self.messages
        return one


@attrs.frozen(kw_only=True)
class Order:
    """What a caller asks for, for all of its recipients."""

    notification: Notification
    data: Mapping[str, Any]
    content: Content | None
    key: str | None
    #: When, and until when it is worth sending.
    at: datetime
    expires_at: datetime | None


class Sending:
    """Plans messages and stores them with their deliveries."""

    def __init__(self, notify: "Notify") -> None:
        self._notify = notify
        self._platform = notify.platform

    def send(self, order: Order, to: Who) -> Sent:
        """Plan and store for everybody, in the caller's transaction or one of its own."""
        made, repeated = list[UUID](), 0
        with self._platform.transaction() as transaction:
            for chunk in self._notify.recipients.chunks(to):
                new = self._settled(transaction, order, chunk)
                made += new
                repeated += len(chunk) - len(new)
        return Sent(tuple(made), repeated)

    def deliver(self, transaction: "Transaction", rows: Sequence[Row], *, urgent: bool) -> None:
        """Store deliveries, and owe each batch of them to the handler of their channel."""
        if not rows:
            return
        transaction.execute(insert(_delivery), rows)
        self.owe(((row["channel"], row["due_at"], row["id"]) for row in rows), urgent=urgent)

    def owe(self, due: Iterable[tuple[str, datetime, UUID]], *, urgent: bool) -> None:
        """Owe deliveries, by channel and time, to the handlers."""
        groups: dict[tuple[str, datetime], list[UUID]] = {}
        for channel, at, id in due:
            groups.setdefault((channel, at), []).append(id)
        size = self._notify.settings.batch
        for (channel, at), ids in groups.items():
            for begin in range(0, len(ids), size):
                event = Deliver(channel=channel, deliveries=tuple(ids[begin : begin + size]))
                self._platform.messaging.send(self._notify.subscription(channel, urgent=urgent), event, at=at)

    def start(self, message: Any, recipient: Recipient, link: Route, addresses: Sequence[str], at: datetime) -> list[Row]:
        """The deliveries of a message by one link of a route."""
        now = self._platform.clock.now()
        due = policy.due(at, link.channel, recipient.quiet, recipient.zone or "UTC", urgent=message["urgent"])
        route = link.model_dump(mode="json", exclude_defaults=True) | {"channel": link.channel}
        return [
            {"tenant_id": message["tenant_id"], "id": uuid7(), "message_id": message["id"], "channel": link.channel,
             "address": address, "status": "queued", "route": route, "followed": False, "attempts": 0, "parts": 0,
             "created_at": now, "due_at": due}
            for address in addresses
        ]  # fmt: skip

    # -- inside --------------------------------------------------------------------------------------------------------

    def _settled(self, transaction: "Transaction", order: Order, chunk: Sequence[Recipient]) -> list[UUID]:
        """As `_chunk`. Where another call stores the same key or digest just now, its rows are there at the next look."""
        if order.key is None and order.notification.digest is None:
            return self._chunk(transaction, order, chunk)
        for _ in range(ROUNDS):
            try:
                with transaction.savepoint():
                    return self._chunk(transaction, order, chunk)
            except DuplicateError:
                continue
        return self._chunk(transaction, order, chunk)

    def _chunk(self, transaction: "Transaction", order: Order, chunk: Sequence[Recipient]) -> list[UUID]:
        known = self._known(transaction, order, chunk)
        choices = self._notify.preferences.choices(transaction, [one.ref for one in chunk])
        messages, deliveries = list[Row](), list[Row]()
        for recipient in chunk:
            if recipient.ref in known:
                continue
            asked = policy.Asked(order.notification, recipient, order.data, choices, self._notify.served)
            message = self._message(transaction, order, recipient)
            links = list(policy.choose_all(asked))
            if not links:
                message["status"] = policy.why_not(asked)
            elif self._throttled(order.notification, recipient):
                message["status"] = "throttled"
            elif order.notification.digest is None or self._gather(transaction, order, message, order.notification.digest):
                for link, addresses in links:
                    deliveries += self.start(message, recipient, link, addresses, message["due_at"])
            messages.append(message)
        if messages:
            transaction.execute(insert(_message), messages)
        self.deliver(transaction, deliveries, urgent=order.notification.urgent)
        return [message["id"] for message in messages]

    def _known(self, transaction: "Transaction", order: Order, chunk: Sequence[Recipient]) -> set[str]:
        """Those who have a message under this key."""
        if order.key is None:
            return set()
        wanted = select(_message.c.ref).where(
            _message.c.tenant_id == transaction.tenant,
            _message.c.key == order.key,
            _message.c.ref.in_([one.ref for one in chunk]),
        )
        return set(transaction.execute(wanted).scalars())

    def _message(self, transaction: "Transaction", order: Order, recipient: Recipient) -> Row:
        notification = order.notification
        return {
            "tenant_id": transaction.tenant,
            "id": uuid7(),
            "notification": notification.key,
            "category": notification.category,
            "ref": recipient.ref,
            "name": recipient.name,
            "locale": recipient.locale or "en",
            "zone": recipient.zone or "UTC",
            "addresses": _addresses(notification, recipient),
            "quiet": recipient.quiet.model_dump(mode="json") if recipient.quiet else None,
            "data": dict(order.data),
            "content": order.content.model_dump(mode="json") if order.content else None,
            "required": notification.required,
            "urgent": notification.urgent,
            "key": order.key,
            "status": "active",
            "digest_key": None,
            "leader_id": None,
            "due_at": order.at,
            "expires_at": order.expires_at,
            "created_at": self._platform.clock.now(),
        }

    def _throttled(self, notification: Notification, recipient: Recipient) -> bool:
        if notification.throttle is None:
            return False
        return not self._platform.limits.hit(f"notify:{notification.key}:{recipient.ref}", notification.throttle).allowed

    def _gather(self, transaction: "Transaction", order: Order, message: Row, digest: Digest) -> bool:
        """Join the recipient's open digest, or begin one; whether it was begun."""
        by = str(order.data.get(digest.by, "")) if digest.by else ""
        key = f"{order.notification.key}|{message['ref']}|{by}"[:500]
        open_one = select(_message.c.id).where(_message.c.tenant_id == transaction.tenant, _message.c.digest_key == key)
        leader = transaction.execute(open_one.with_for_update()).scalar_one_or_none()
        if leader is not None:
            message["status"], message["leader_id"] = "gathered", leader
            return False
        message["status"], message["digest_key"] = "gathering", key
        message["due_at"] = _digest_time(digest, order.at, message["zone"])
        return True


def _addresses(notification: Notification, recipient: Recipient) -> dict[str, Any] | None:
    """What a route that goes on may need."""
    links = [link.channel for route in notification.routes for link in route.chain()[1:]]
    return {channel: list(recipient.addresses[channel]) for channel in links if channel in recipient.addresses} or None


def _digest_time(digest: Digest, now: datetime, zone: str) -> datetime:
    if digest.at is not None:
        return next_time(now, digest.at, zone_of(zone))
    assert digest.window is not None
    return now + digest.window


def expiry(notification: Notification, at: datetime) -> datetime | None:
    """Until when a message that is due at a time is worth sending."""
    wait: timedelta | None = notification.expires
    return at + wait if wait is not None else None
