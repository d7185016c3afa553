"""Delivering: a batch of one channel is claimed, handed to providers, and what came of it is written down.

Claiming and writing down are transactions of their own, so no connection waits for a provider. What a killed process had handed
over is in its journal; see `brickwork.notify.journal` for what that leaves open.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import attrs
from sqlalchemy import bindparam, insert, select, update

from brickwork.errors import BrickworkError
from brickwork.kernel.ids import uuid7
from brickwork.notify import policy
from brickwork.notify.channels.errors import EndpointGone, PermanentFailure, Throttled
from brickwork.notify.channels.port import Outgoing
from brickwork.notify.content import Letter
from brickwork.notify.definition import Content
from brickwork.notify.endpoints import Target
from brickwork.notify.events import Deliver, NotificationFailed
from brickwork.notify.journal import Journal, Pen
from brickwork.notify.models import DeliveryRow, MessageRow, StepRow
from brickwork.notify.providers import Outcome
from brickwork.notify.quiet import QuietHours
from brickwork.notify.settings import WEBHOOK_CHANNEL

if TYPE_CHECKING:
    from brickwork.data import Transaction
    from brickwork.notify.service import Notify

log = logging.getLogger("brickwork.notify")
_message: Any = MessageRow.__table__
_delivery: Any = DeliveryRow.__table__
_step: Any = StepRow.__table__
#: States in which a delivery may still be sent. "sending" was left by a process that died.
OPEN = ("queued", "sending")
#: Messages that are handed to a channel before the time is looked at.
SLICE = 50
#: Messages of a digest that are shown; the count tells of the rest.
SHOWN = 200


@attrs.frozen
class Ready:
    """A delivery that is claimed, with its message."""

    row: Any
    letter: Letter
    target: Target | None = None


@attrs.define
class Results:
    """What came of a batch."""

    sent: list[tuple[Ready, Outcome]] = attrs.field(factory=list)
    failed: list[tuple[Ready, PermanentFailure]] = attrs.field(factory=list)
    later: list[tuple[Ready, BrickworkError]] = attrs.field(factory=list)
    #: Those for which there was no time.
    left: list[Ready] = attrs.field(factory=list)

    def add(self, one: Ready, outcome: Outcome) -> None:
        """Sort a delivery by its outcome."""
        if outcome.receipt is not None:
            self.sent.append((one, outcome))
        elif isinstance(outcome.error, PermanentFailure):
            self.failed.append((one, outcome.error))
        elif outcome.error is not None:
            self.later.append((one, outcome.error))


class Delivering:
    """Handles `Deliver`."""

    def __init__(self, notify: "Notify", journal: Journal) -> None:
        self._notify = notify
        self._platform = notify.platform
        self._journal = journal

    def handle(self, event: Deliver, *, urgent: bool) -> None:
        """Deliver what of a batch is still to be delivered."""
        with self._journal.writing() as pen:
            ready, old = self._claim(event, pen.claim, urgent=urgent)
            results = self._send(event.channel, ready, pen) if ready else Results()
        if ready:
            self._record(event.channel, results, urgent=urgent)
        for claim in (pen.claim, *old):
            self._journal.remove(claim)

    # -- claiming ------------------------------------------------------------------------------------------------------

    def _claim(self, event: Deliver, claim: str, *, urgent: bool) -> tuple[list[Ready], set[str]]:
        """The deliveries that are to be sent now, marked as on their way under `claim`, and the claims of processes that died."""
        now = self._platform.clock.now()
        with self._platform.transaction() as transaction:
            rows = self._rows(transaction, event)
            rows, old = self._settle_claimed(transaction, rows, now)
            refused = self._refused(transaction, event.channel, rows, now)
            targets = self._targets(transaction, event.channel, rows)
            if targets is not None:
                refused |= {row.id: "suppressed" for row in rows if row.address not in targets}
            for status in sorted(set(refused.values())):
                self._end(transaction, [row for row in rows if refused.get(row.id) == status], status, now)
            going = [row for row in rows if row.id not in refused]
            going = self._put_off(transaction, going, now, urgent=urgent)
            letters = self._letters(transaction, going, now)
            ready = [Ready(row, next(letters), (targets or {}).get(row.address)) for row in going]
            self._set(transaction, [row.id for row in going], status="sending", claim=claim, attempts=_delivery.c.attempts + 1)
            return ready, old

    def _targets(self, transaction: "Transaction", channel: str, rows: Sequence[Any]) -> dict[str, Target] | None:
        """Where messages to endpoints go; None for other channels, whose addresses are known."""
        if channel != WEBHOOK_CHANNEL or not rows:
            return None
        return self._notify.endpoints.targets(transaction, [row.address for row in rows])

    def _rows(self, transaction: "Transaction", event: Deliver) -> list[Any]:
        columns = [column.label(f"message_{column.name}") for column in _message.c if column.name not in ("tenant_id", "id")]
        wanted = (
            select(*_delivery.c, *columns)
            .join(_message, (_message.c.tenant_id == _delivery.c.tenant_id) & (_message.c.id == _delivery.c.message_id))
            .where(
                _delivery.c.tenant_id == transaction.tenant,
                _message.c.tenant_id == transaction.tenant,
                _delivery.c.id.in_(event.deliveries),
                _delivery.c.status.in_(OPEN),
            )
            .order_by(_delivery.c.id)
            .with_for_update(of=_delivery)
        )
        return list(transaction.execute(wanted).all())

    def _settle_claimed(self, transaction: "Transaction", rows: Sequence[Any], now: datetime) -> tuple[list[Any], set[str]]:
        """Write down what a dead process has sent; the rows that it has not, and its claims."""
        claims = {row.claim for row in rows if row.status == "sending"} - {None}
        taken: dict[UUID, str] = {}
        for claim in claims:
            taken |= self._journal.taken(claim)
        for provider in set(taken.values()):
            ids = [row.id for row in rows if row.status == "sending" and taken.get(row.id) == provider]
            self._set(transaction, ids, status="sent", sent_at=now, provider=provider)
        return [row for row in rows if row.status != "sending" or row.id not in taken], claims

    def _refused(self, transaction: "Transaction", channel: str, rows: Sequence[Any], now: datetime) -> dict[UUID, str]:
        """What must not be sent, asked again just before it would be."""
        if not rows:
            return {}
        suppressed = self._notify.suppressions.among(transaction, channel, [row.address for row in rows])
        choices = self._notify.preferences.choices(transaction, [row.message_ref for row in rows])
        found: dict[UUID, str] = {}
        for row in rows:
            if row.message_status == "cancelled":
                found[row.id] = "cancelled"
            elif row.message_expires_at is not None and row.message_expires_at <= now:
                found[row.id] = "expired"
            elif row.address in suppressed:
                found[row.id] = "suppressed"
            elif not row.message_required and not choices.wants(row.message_ref, row.message_category, channel):
                found[row.id] = "unwanted"
        return found

    def _put_off(self, transaction: "Transaction", rows: Sequence[Any], now: datetime, *, urgent: bool) -> list[Any]:
        """Leave for later what came to be due in quiet hours, as after a failure; the rest."""
        if urgent:
            return list(rows)
        waits: dict[UUID, tuple[str, datetime, UUID]] = {}
        for row in rows:
            quiet = QuietHours(**row.message_quiet) if row.message_quiet else None
            at = policy.due(now, row.channel, quiet, row.message_zone, urgent=False)
            if at > now:
                waits[row.id] = (row.channel, at, row.id)
        for at in {at for _, at, _ in waits.values()}:
            self._set(transaction, [id for id, wait in waits.items() if wait[1] == at], status="queued", due_at=at)
        self._notify.sending.owe(waits.values(), urgent=urgent)
        return [row for row in rows if row.id not in waits]

    def _letters(self, transaction: "Transaction", rows: Sequence[Any], now: datetime) -> Iterator[Letter]:
        digests = self._digests(transaction, [row for row in rows if self._is_digest(row)])
        for row in rows:
            data = digests.get(row.message_id, row.message_data)
            content = Content(**row.message_content) if row.message_content else None
            ttl = int((row.message_expires_at - now).total_seconds()) if row.message_expires_at else None
            definition = self._notify.definition(row.message_notification)
            yield Letter(row.message_id, definition, data, row.message_locale, content, ttl)

    def _is_digest(self, row: Any) -> bool:
        return self._notify.definition(row.message_notification).digest is not None

    def _digests(self, transaction: "Transaction", rows: Sequence[Any]) -> dict[UUID, Mapping[str, Any]]:
        """Close the digests, so that nothing joins any more, and put together what they hold."""
        leaders = {row.message_id: row.message_data for row in rows}
        if not leaders:
            return {}
        mine = (_message.c.tenant_id == transaction.tenant, _message.c.id.in_(leaders))
        transaction.execute(select(_message.c.id).where(*mine).order_by(_message.c.id).with_for_update()).all()
        transaction.execute(update(_message).where(*mine).values(status="active", digest_key=None))
        joined = select(_message.c.leader_id, _message.c.data).where(
            _message.c.tenant_id == transaction.tenant, _message.c.leader_id.in_(leaders), _message.c.status == "gathered"
        )
        items: dict[UUID, list[Any]] = {id: [data] for id, data in leaders.items()}
        for row in transaction.execute(joined.order_by(_message.c.id)):
            items[row.leader_id].append(row.data)
        return {id: {"items": several[:SHOWN], "count": len(several)} for id, several in items.items()}

    # -- sending -------------------------------------------------------------------------------------------------------

    def _send(self, channel: str, ready: Sequence[Ready], pen: Pen) -> Results:
        results = Results()
        letters = list(self._rendered(channel, ready, results))
        providers, until = self._notify.providers[channel], time.monotonic() + self._notify.settings.budget
        for begin in range(0, len(letters), SLICE):
            if begin and time.monotonic() > until:
                results.left = [one for one, _ in letters[begin:]]
                break
            some = letters[begin : begin + SLICE]
            outcomes = providers.send_many([message for _, message in some], lambda message, by: pen.note(message.id, by))
            for (one, _), outcome in zip(some, outcomes, strict=True):
                results.add(one, outcome)
        return results

    def _rendered(self, channel: str, ready: Sequence[Ready], results: Results) -> Iterator[tuple[Ready, Outgoing]]:
        for one in ready:
            try:
                message = self._notify.contents.outgoing(one.letter, one.row.id, channel, one.row.address)
                if one.target is not None:
                    message = attrs.evolve(message, address=one.target.url, secrets=one.target.secrets)
                yield one, message
            except BrickworkError as error:  # a template that can't be filled will not fill itself later
                results.failed.append((one, PermanentFailure(f"the text can't be made: {error.message}")))

    # -- writing down --------------------------------------------------------------------------------------------------

    def _record(self, channel: str, results: Results, *, urgent: bool) -> None:
        now = self._platform.clock.now()
        with self._platform.transaction() as transaction:
            self._record_sent(transaction, results.sent, now)
            for one, failure in results.failed:
                if failure.suppress and one.target is None:
                    self._notify.suppressions.note(transaction, channel, one.row.address, "gone", failure.message)
                self._note(transaction, one.row.id, now, "failed", failure.message)
                self._fail(transaction, one.row, failure.message, now)
            self._record_later(transaction, channel, results.later, now, urgent=urgent)
            if channel == WEBHOOK_CHANNEL:
                self._tell_endpoints(transaction, results)
            left = [one.row.id for one in results.left]
            if left:
                self._set(transaction, left, status="queued", attempts=_delivery.c.attempts - 1)
                self._notify.sending.owe([(channel, now, id) for id in left], urgent=urgent)

    def _tell_endpoints(self, transaction: "Transaction", results: Results) -> None:
        taken = [one.row.address for one, _ in results.sent]
        refused = {one.row.address: error.message for one, error in [*results.failed, *results.later]}
        gone = [one.row.address for one, failure in results.failed if isinstance(failure, EndpointGone)]
        self._notify.endpoints.heard(transaction, taken, refused, gone)

    def _record_sent(self, transaction: "Transaction", sent: Sequence[tuple[Ready, Outcome]], now: datetime) -> None:
        """One statement for those of which there is no more to say than that, one with many values for the others."""
        plain: dict[str, list[UUID]] = {}
        told: list[dict[str, Any]] = []
        for one, outcome in sent:
            receipt = outcome.receipt
            assert receipt is not None
            if receipt.provider_id is None and receipt.parts == 1:
                plain.setdefault(outcome.provider, []).append(one.row.id)
            else:
                told.append({"this": one.row.id, "by": outcome.provider, "number": receipt.provider_id, "pieces": receipt.parts})
        for provider, ids in plain.items():
            self._set(transaction, ids, status="sent", sent_at=now, provider=provider)
        if told:
            values = {"status": "sent", "sent_at": now, "provider": bindparam("by"), "provider_id": bindparam("number"),
                      "parts": bindparam("pieces")}  # fmt: skip
            mine = (_delivery.c.tenant_id == transaction.tenant, _delivery.c.id == bindparam("this"))
            transaction.execute(update(_delivery).where(*mine).values(values), told)
        for one, _ in sent:
            self._notify.following.sent(one.row, now)

    def _record_later(
        self,
        transaction: "Transaction",
        channel: str,
        later: Sequence[tuple[Ready, BrickworkError]],
        now: datetime,
        *,
        urgent: bool,
    ) -> None:
        again, pause, most = list[UUID](), 0.0, self._notify.settings.most_attempts(channel)
        for one, error in later:
            attempts = one.row.attempts + 1
            self._note(transaction, one.row.id, now, "failed" if attempts >= most else "retried", error.message)
            if attempts >= most:
                self._fail(transaction, one.row, error.message, now)
                continue
            again.append(one.row.id)
            wanted = (error.retry_after or 0.0) if isinstance(error, Throttled) else 0.0
            pause = max(pause, wanted, self._notify.settings.pause(channel, attempts))
        if again:
            at = now + timedelta(seconds=pause)
            self._set(transaction, again, status="queued", due_at=at)
            self._notify.sending.owe([(channel, at, id) for id in again], urgent=urgent)

    def _fail(self, transaction: "Transaction", row: Any, detail: str, now: datetime) -> None:
        self._set(transaction, [row.id], status="failed", failed_at=now, detail=detail[:2000])
        transaction.publish(
            NotificationFailed(message=row.message_id, delivery=row.id, notification=row.message_notification,
                               ref=row.message_ref, channel=row.channel, detail=detail[:2000])
        )  # fmt: skip
        self._notify.following.next(transaction, row.id)

    def _end(self, transaction: "Transaction", rows: Sequence[Any], status: str, now: datetime) -> None:
        """What is not sent after all; where the address is to blame, the route goes on."""
        self._set(transaction, [row.id for row in rows], status=status, failed_at=now)
        if status in ("suppressed", "unwanted"):
            for row in rows:
                self._notify.following.next(transaction, row.id)

    def _note(self, transaction: "Transaction", delivery: UUID, now: datetime, what: str, detail: str) -> None:
        values = {"tenant_id": transaction.tenant, "id": uuid7(), "delivery_id": delivery, "at": now, "what": what}
        transaction.execute(insert(_step), {**values, "detail": detail[:2000]})

    def _set(self, transaction: "Transaction", ids: Sequence[UUID], **values: Any) -> None:
        if ids:
            mine = (_delivery.c.tenant_id == transaction.tenant, _delivery.c.id.in_(ids))
            transaction.execute(update(_delivery).where(*mine).values(values))
