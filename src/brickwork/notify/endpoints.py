"""`platform.notify.endpoints`: URLs of others that are told of events (Standard Webhooks, https://www.standardwebhooks.com)."""

import base64
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from uuid import UUID

import attrs
from sqlalchemy import select, update

from brickwork.data.pagination import Page, cut
from brickwork.errors import NotFoundError, ValidationError
from brickwork.kernel.ids import uuid7
from brickwork.notify.definition import Notification, Route
from brickwork.notify.events import EndpointDisabled
from brickwork.notify.models import DeliveryRow, EndpointRow, MessageRow

if TYPE_CHECKING:
    from brickwork.data import Transaction
    from brickwork.data.keyring import Keyring
    from brickwork.notify.service import Notify

#: The channel, and the notification whose messages events are.
WEBHOOK = Notification(key="webhook", title="Events told to endpoints", category="webhooks", required=True,
                       routes=(Route(channel="webhook"),), template="")  # fmt: skip
#: Endpoints of a tenant.
MOST = 100
#: How long a secret that was replaced still signs.
OVERLAP = timedelta(days=1)
_WHERE = "notify.endpoint"
_table: Any = EndpointRow.__table__
_delivery: Any = DeliveryRow.__table__
_message: Any = MessageRow.__table__


@attrs.frozen
class Endpoint:
    """A URL that is told of events. `secret` is there only when it was just made."""

    id: UUID
    url: str
    events: tuple[str, ...]
    description: str
    disabled_at: datetime | None
    disabled_reason: str | None
    failing_since: datetime | None
    secret: str | None = attrs.field(default=None, repr=False)


@attrs.frozen
class Target:
    """Where a delivery goes, and what signs it."""

    url: str
    secrets: tuple[str, ...] = attrs.field(repr=False)


class Endpoints:
    """The tenant's endpoints. Messages to them go the way of all others: stored with the caller's transaction, tried again, seen
    in the history."""

    def __init__(self, notify: "Notify") -> None:
        self._notify = notify
        self._platform = notify.platform

    # -- what there is -------------------------------------------------------------------------------------------------

    def add(self, url: str, events: Sequence[str], *, description: str = "") -> Endpoint:
        """A new endpoint for events whose name matches one of the patterns ("invoice.*"); its secret is shown this once. Raises
        `ValidationError` for a URL that leads nowhere it may lead."""
        self._platform.require("notify.endpoints.write")
        url, patterns = self._notify.check_address("webhook", url), _patterns(events)
        secret = new_secret()
        with self._platform.transaction() as transaction:
            wanted = select(_table.c.id).where(_table.c.tenant_id == transaction.tenant).limit(MOST)
            if len(transaction.execute(wanted).all()) >= MOST:
                raise ValidationError(f"a tenant has up to {MOST} endpoints")
            row = EndpointRow(id=uuid7(), url=url, events=list(patterns), description=description[:500], secrets=[])
            row.secrets = [self._sealed(transaction.tenant, row.id, secret)]
            transaction.session.add(row)
            transaction.flush()
            return _present(row, secret)

    def change(self, id: UUID, *, url: str | None = None, events: Sequence[str] | None = None,
               description: str | None = None) -> Endpoint:  # fmt: skip
        """Change what is given. Raises `NotFoundError` and `ValidationError`."""
        self._platform.require("notify.endpoints.write")
        with self._platform.transaction() as transaction:
            row = self._row(transaction, id)
            row.url = self._notify.check_address("webhook", url) if url is not None else row.url
            row.events = list(_patterns(events)) if events is not None else row.events
            row.description = description[:500] if description is not None else row.description
            return _present(row)

    def rotate(self, id: UUID) -> Endpoint:
        """A new secret, shown this once; the old one goes on signing for a day, so that the receiver has time to change."""
        self._platform.require("notify.endpoints.write")
        secret, until = new_secret(), (self._platform.clock.now() + OVERLAP).isoformat()
        with self._platform.transaction() as transaction:
            row = self._row(transaction, id)
            old = [{**row.secrets[0], "until": until}] if row.secrets else []
            row.secrets = [self._sealed(transaction.tenant, row.id, secret), *old]
            return _present(row, secret)

    def remove(self, id: UUID) -> None:
        """Tell it nothing more, and forget it. Raises `NotFoundError`."""
        self._platform.require("notify.endpoints.write")
        with self._platform.transaction() as transaction:
            transaction.session.delete(self._row(transaction, id))

    def enable(self, id: UUID) -> Endpoint:
        """Tell an endpoint again that was disabled; `replay` sends what it missed."""
        self._platform.require("notify.endpoints.write")
        with self._platform.transaction() as transaction:
            row = self._row(transaction, id)
            row.disabled_at = row.disabled_reason = row.failing_since = None
            return _present(row)

    def disable(self, id: UUID, *, reason: str = "by hand") -> Endpoint:
        """Tell an endpoint nothing for now."""
        self._platform.require("notify.endpoints.write")
        with self._platform.transaction() as transaction:
            row = self._row(transaction, id)
            self._disable(transaction, row, reason)
            return _present(row)

    def list(self) -> "Endpoints_":
        """The tenant's endpoints, in the order in which they were made."""
        self._platform.require("notify.endpoints.read")
        with self._platform.transaction(readonly=True) as transaction:
            rows = transaction.session.scalars(select(EndpointRow).order_by(EndpointRow.id).limit(MOST))
            return [_present(row) for row in rows]

    # -- telling -------------------------------------------------------------------------------------------------------

    def publish(self, event: str, data: Mapping[str, Any], *, key: str | None = None) -> int:
        """Tell every endpoint that asks for events of this name, in the current transaction; how many there are. With a `key`
        each is told once however often this is called."""
        from brickwork.notify.recipients import Recipient

        with self._platform.transaction() as transaction:
            wanted = select(EndpointRow).where(EndpointRow.disabled_at.is_(None)).order_by(EndpointRow.id).limit(MOST)
            rows = transaction.session.scalars(wanted).all()
            asking = [row for row in rows if any(fnmatchcase(event, pattern) for pattern in row.events)]
            told = {"type": event, "timestamp": self._platform.clock.now().isoformat(), "data": dict(data)}
            to = [Recipient(ref=f"endpoint:{row.id}", addresses={"webhook": str(row.id)}) for row in asking]
            if to:
                with self._platform.trusted():
                    self._notify.send(WEBHOOK.key, to, told, key=key)
        return len(to)

    def replay(self, id: UUID, *, since: datetime, limit: int = 1000) -> int:
        """Send again what an endpoint did not take since a time, under the same ids, at most `limit` (1 to 1000) messages; how
        many. What it has taken already is not sent again."""
        self._platform.require("notify.endpoints.write")
        cut(limit, 1000)
        now = self._platform.clock.now()
        with self._platform.transaction() as transaction:
            self._row(transaction, id)
            lost = (
                select(_delivery.c.id)
                .where(
                    _delivery.c.tenant_id == transaction.tenant,
                    _delivery.c.channel == "webhook",
                    _delivery.c.address == str(id),
                    _delivery.c.status.in_(("failed", "suppressed")),
                    _delivery.c.created_at >= since,
                )
                .order_by(_delivery.c.id)
                .limit(limit)
            )
            ids = transaction.execute(lost).scalars().all()
            mine = (_delivery.c.tenant_id == transaction.tenant, _delivery.c.id.in_(ids))
            if ids:
                values = {"status": "queued", "attempts": 0, "due_at": now, "failed_at": None}
                transaction.execute(update(_delivery).where(*mine).values(values))
                self._notify.sending.owe([("webhook", now, one) for one in ids], urgent=False)
            return len(ids)

    def messages(self, id: UUID, *, limit: int = 50, cursor: str | None = None) -> "Page[Any]":
        """What an endpoint was told, the newest first; see `History.list`."""
        return self._notify.history.list(ref=f"endpoint:{id}", limit=limit, cursor=cursor)

    # -- for deliveries ------------------------------------------------------------------------------------------------

    def targets(self, transaction: "Transaction", addresses: Sequence[str]) -> dict[str, Target]:
        """Where messages to endpoints go, by the endpoint's id; those that are disabled or gone are missing."""
        now = self._platform.clock.now().isoformat()
        found: dict[str, Target] = {}
        for row in self._rows(transaction, addresses):
            if row.disabled_at is None:
                live = [one for one in row.secrets if one.get("until") is None or one["until"] > now]
                opened = [self._keyring.decrypt(transaction.tenant, f"{_WHERE}/{row.id}", one["sealed"]) for one in live]
                found[str(row.id)] = Target(row.url, tuple(opened))
        return found

    def heard(self, transaction: "Transaction", taken: Sequence[str], refused: Mapping[str, str], gone: Sequence[str]) -> None:
        """What endpoints did with their messages: one that has taken nothing for `endpoint_patience`, or says that it is gone, is
        told no more."""
        now = self._platform.clock.now()
        for row in self._rows(transaction, [*taken, *refused, *gone]):
            id = str(row.id)
            if id in gone:
                self._disable(transaction, row, "it answers that it is gone")
            elif id in taken:
                row.failing_since = None
            elif row.failing_since is None:
                row.failing_since = now
            elif now - row.failing_since > self._notify.settings.endpoint_patience:
                self._disable(transaction, row, f"nothing has arrived since {row.failing_since.isoformat()}: {refused[id]}")

    # -- inside --------------------------------------------------------------------------------------------------------

    @property
    def _keyring(self) -> "Keyring":
        keyring: Keyring = self._platform.get("keyring")
        return keyring

    def _rows(self, transaction: "Transaction", ids: Sequence[str]) -> Sequence[EndpointRow]:
        wanted = select(EndpointRow).where(EndpointRow.id.in_({UUID(id) for id in ids}))
        return transaction.session.scalars(wanted).all()

    def _row(self, transaction: "Transaction", id: UUID) -> EndpointRow:
        row = transaction.session.get(EndpointRow, (transaction.tenant, id), with_for_update=True)
        if row is None:
            raise NotFoundError(f"there is no endpoint {id}")
        return row

    def _disable(self, transaction: "Transaction", row: EndpointRow, reason: str) -> None:
        if row.disabled_at is None:
            row.disabled_at, row.disabled_reason = self._platform.clock.now(), reason[:200]
            transaction.publish(EndpointDisabled(endpoint=row.id, url=row.url, reason=row.disabled_reason))

    def _sealed(self, tenant: str, id: UUID, secret: str) -> dict[str, str]:
        return {"sealed": self._keyring.encrypt(tenant, f"{_WHERE}/{id}", secret)}


Endpoints_ = list[Endpoint]


def new_secret() -> str:
    """A signing secret: 32 random bytes, as Standard Webhooks writes them."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def _patterns(events: Sequence[str]) -> tuple[str, ...]:
    patterns = tuple(dict.fromkeys(events))
    if not patterns or len(patterns) > 100 or not all(0 < len(one) <= 200 and one.isprintable() for one in patterns):
        raise ValidationError("an endpoint takes 1 to 100 patterns of events, as invoice.*", field="events")
    return patterns


def _present(row: EndpointRow, secret: str | None = None) -> Endpoint:
    return Endpoint(row.id, row.url, tuple(row.events), row.description, row.disabled_at, row.disabled_reason,
                    row.failing_since, secret)  # fmt: skip
