"""`platform.notify.tracking`: what is heard of a delivery after it went out: delivered, opened, clicked, bounced, complained."""

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import func, insert, select, update

from brickwork.errors import NotFoundError
from brickwork.kernel.ids import parse_id, uuid7
from brickwork.notify.models import DeliveryRow, MessageRow, StepRow

if TYPE_CHECKING:
    from brickwork.data import Transaction
    from brickwork.notify.channels.sms import SmsStatus
    from brickwork.notify.service import Notify

_delivery: Any = DeliveryRow.__table__
_message: Any = MessageRow.__table__
_step: Any = StepRow.__table__
#: Notes about one delivery that are kept; links may be followed by robots for ever.
MOST_STEPS = 200


class Tracking:
    """Writes down what providers, recipients and their mail servers tell. Telling the same again changes nothing."""

    def __init__(self, notify: "Notify") -> None:
        self._notify = notify
        self._platform = notify.platform

    def delivered(self, delivery: UUID) -> None:
        """The provider says that it arrived."""
        with self._platform.transaction() as transaction:
            row = self._row(transaction, delivery)
            values = {"delivered_at": func.coalesce(_delivery.c.delivered_at, self._now())}
            self._set(transaction, delivery, **values, **({"status": "delivered"} if row.status == "sent" else {}))

    def seen(self, delivery: UUID) -> None:
        """It was shown to somebody. Mail programs that fetch images by themselves, or not at all, make this a guess."""
        with self._platform.transaction() as transaction:
            self._row(transaction, delivery)
            self._set(transaction, delivery, seen_at=func.coalesce(_delivery.c.seen_at, self._now()))

    def clicked(self, delivery: UUID, url: str) -> None:
        """A link of it was followed."""
        with self._platform.transaction() as transaction:
            self._row(transaction, delivery)
            now = self._now()
            self._set(transaction, delivery, seen_at=func.coalesce(_delivery.c.seen_at, now),
                      clicked_at=func.coalesce(_delivery.c.clicked_at, now))  # fmt: skip
            self._note(transaction, delivery, "clicked", url, now)

    def bounced(self, delivery: UUID, detail: str, *, permanent: bool) -> None:
        """Its address gave it back. Where that is for good, nothing is sent to the address any more and the route goes on."""
        with self._platform.transaction() as transaction:
            row, now = self._row(transaction, delivery), self._now()
            self._note(transaction, delivery, "bounced", detail, now)
            if permanent and row.status != "failed":
                self._set(transaction, delivery, status="failed", failed_at=now, detail=detail[:2000])
                self._notify.suppressions.note(transaction, row.channel, row.address, "bounced", detail)
                self._notify.following.next(transaction, delivery)

    def complained(self, delivery: UUID, detail: str = "") -> None:
        """The recipient called it spam: nothing is sent to the address any more."""
        with self._platform.transaction() as transaction:
            row = self._row(transaction, delivery)
            self._note(transaction, delivery, "complained", detail, self._now())
            self._notify.suppressions.note(transaction, row.channel, row.address, "complained", detail)

    def email_report(self, raw: bytes) -> bool:
        """A message that came to the address for bounces, such as a report of RFC 3464 or 5965; whether it counts. Anybody can
        send one, so it counts only for a delivery of the tenant's to the address that it names. Raises `ValidationError` for what
        is no report."""
        from brickwork.notify.channels import parse_report

        report = parse_report(raw)
        id = parse_id(report.original_id or "")
        with self._platform.transaction() as transaction:
            wanted = select(_delivery).where(_delivery.c.tenant_id == transaction.tenant, _delivery.c.id == id)
            row = transaction.execute(wanted).one_or_none() if id is not None else None
            if row is None or (report.recipient is not None and report.recipient.casefold() != row.address.casefold()):
                return False
            if report.kind == "failed":
                self.bounced(row.id, f"{report.status} {report.detail}".strip(), permanent=report.permanent)
            elif report.kind == "complaint":
                self.complained(row.id, f"{report.status} {report.detail}".strip())
            elif report.kind == "delivered":
                self.delivered(row.id)
            return True

    def sms_status(self, status: "SmsStatus") -> bool:
        """What `brickwork.notify.channels.sms.parse_status` read of a provider's report; whether it is about a delivery of the
        tenant's."""
        id = self.by_provider_id(status.provider_id)
        if id is None:
            return False
        if status.state in ("delivered", "read"):
            self.delivered(id)
        elif status.state in ("undelivered", "failed"):
            self.bounced(id, f"{status.state} {status.code}".strip(), permanent=status.suppress)
        return True

    def unsubscribed(self, delivery: UUID) -> str:
        """The recipient wants no more of its category on this channel. Returns the category."""
        with self._platform.transaction() as transaction:
            row = self._row(transaction, delivery)
            wanted = select(_message.c.ref, _message.c.category).where(
                _message.c.tenant_id == transaction.tenant, _message.c.id == row.message_id
            )
            message: Any = transaction.execute(wanted).one()
            self._notify.preferences.set(message.ref, message.category, False, channel=row.channel)
            self._note(transaction, delivery, "unsubscribed", message.category, self._now())
            return str(message.category)

    def about(self, delivery: UUID) -> str:
        """The category of a delivery's message."""
        with self._platform.transaction(readonly=True) as transaction:
            row = self._row(transaction, delivery)
            wanted = select(_message.c.category).where(
                _message.c.tenant_id == transaction.tenant, _message.c.id == row.message_id
            )
            return str(transaction.execute(wanted).scalar_one())

    def by_provider_id(self, provider_id: str) -> UUID | None:
        """The delivery that a provider knows under an id of its own."""
        with self._platform.transaction(readonly=True) as transaction:
            wanted = select(_delivery.c.id).where(
                _delivery.c.tenant_id == transaction.tenant, _delivery.c.provider_id == provider_id
            )
            found: UUID | None = transaction.execute(wanted.limit(1)).scalar_one_or_none()
            return found

    def _row(self, transaction: "Transaction", delivery: UUID) -> Any:
        wanted = select(_delivery).where(_delivery.c.tenant_id == transaction.tenant, _delivery.c.id == delivery)
        row = transaction.execute(wanted).one_or_none()
        if row is None:
            raise NotFoundError(f"there is no delivery {delivery}")
        return row

    def _set(self, transaction: "Transaction", delivery: UUID, **values: Any) -> None:
        mine = (_delivery.c.tenant_id == transaction.tenant, _delivery.c.id == delivery)
        transaction.execute(update(_delivery).where(*mine).values(values))

    def _note(self, transaction: "Transaction", delivery: UUID, what: str, detail: str, now: datetime) -> None:
        noted = select(func.count()).where(_step.c.tenant_id == transaction.tenant, _step.c.delivery_id == delivery)
        if transaction.execute(noted).scalar_one() < MOST_STEPS:
            values = {"tenant_id": transaction.tenant, "id": uuid7(), "delivery_id": delivery, "at": now, "what": what}
            transaction.execute(insert(_step), {**values, "detail": detail[:2000]})

    def _now(self) -> datetime:
        return self._platform.clock.now()
