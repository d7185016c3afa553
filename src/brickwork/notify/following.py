"""Going on along a route: where a channel has failed, or its message was not seen in time."""

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import func, select, update

from brickwork.notify import policy
from brickwork.notify.definition import Route
from brickwork.notify.events import Follow
from brickwork.notify.models import DeliveryRow, MessageRow
from brickwork.notify.quiet import QuietHours
from brickwork.notify.recipients import Recipient

if TYPE_CHECKING:
    from brickwork.data import Transaction
    from brickwork.notify.service import Notify

_delivery: Any = DeliveryRow.__table__
_message: Any = MessageRow.__table__
#: States of deliveries that may still arrive, or have.
HOPEFUL = frozenset({"queued", "sending", "sent", "delivered"})
#: The handler of `Follow`.
FOLLOW = "notify.follow"


class Following:
    """Begins the next link of a route, once."""

    def __init__(self, notify: "Notify") -> None:
        self._notify = notify
        self._platform = notify.platform

    def sent(self, row: Any, now: datetime) -> None:
        """A delivery has gone out: look again when its route says so."""
        route = Route.model_validate(row.route) if "after" in row.route else None
        if route is not None and route.after is not None:
            self._platform.messaging.send(FOLLOW, Follow(delivery=row.id), at=now + route.after)

    def handle(self, event: Follow) -> None:
        """The time is up: go on unless the message was seen, by whatever channel."""
        with self._platform.transaction() as transaction:
            message = select(_delivery.c.message_id).where(
                _delivery.c.tenant_id == transaction.tenant, _delivery.c.id == event.delivery
            )
            seen = select(func.count()).where(
                _delivery.c.tenant_id == transaction.tenant,
                _delivery.c.message_id.in_(message.scalar_subquery()),
                _delivery.c.seen_at.is_not(None) | _delivery.c.clicked_at.is_not(None),
            )
            if not transaction.execute(seen).scalar_one():
                self.next(transaction, event.delivery, failed=False)

    def next(self, transaction: "Transaction", delivery: UUID, *, failed: bool = True) -> None:
        """Begin what follows a delivery, unless that was done. Where it has failed, those to the recipient's other addresses on
        the same channel must have failed, too."""
        tenant = _delivery.c.tenant_id == transaction.tenant
        one = select(_delivery.c.message_id, _delivery.c.channel, _delivery.c.route).where(tenant, _delivery.c.id == delivery)
        row: Any = transaction.execute(one).one()
        if "otherwise" not in row.route:
            return
        siblings = (tenant, _delivery.c.message_id == row.message_id, _delivery.c.channel == row.channel)
        wanted = select(_delivery.c.status, _delivery.c.followed).where(*siblings).order_by(_delivery.c.id).with_for_update()
        found = transaction.execute(wanted).all()
        if any(other.followed for other in found) or (failed and any(other.status in HOPEFUL for other in found)):
            return
        transaction.execute(update(_delivery).where(*siblings).values(followed=True))
        wanted = select(_message).where(_message.c.tenant_id == transaction.tenant, _message.c.id == row.message_id)
        message: Any = transaction.execute(wanted).one()
        if message.status == "cancelled":
            return
        recipient = _recipient(message)
        asked = policy.Asked(
            self._notify.definition(message.notification), recipient, message.data,
            self._notify.preferences.choices(transaction, [message.ref]), self._notify.served,
        )  # fmt: skip
        chosen = policy.choose(asked, Route.model_validate(row.route).otherwise)
        if chosen is not None:
            now = self._platform.clock.now()
            rows = self._notify.sending.start(message._mapping, recipient, chosen[0], chosen[1], now)
            self._notify.sending.deliver(transaction, rows, urgent=message.urgent)


def _recipient(message: Any) -> Recipient:
    quiet = QuietHours(**message.quiet) if message.quiet else None
    return Recipient(ref=message.ref, name=message.name, locale=message.locale, zone=message.zone,
                     addresses=message.addresses or {}, quiet=quiet)  # fmt: skip
