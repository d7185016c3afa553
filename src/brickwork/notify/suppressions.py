"""`platform.notify.suppressions`: addresses to which nothing is sent any more."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import attrs
from sqlalchemy import delete, select

from brickwork.data.pagination import Page, cut, decode_cursor, encode_cursor
from brickwork.notify.events import AddressSuppressed
from brickwork.notify.models import SuppressionRow

if TYPE_CHECKING:
    from brickwork.data import Transaction
    from brickwork.kernel.platform import Platform

_table: Any = SuppressionRow.__table__


@attrs.frozen
class Suppression:
    """An address, since when and why nothing is sent to it."""

    channel: str
    address: str
    reason: str
    detail: str
    since: datetime


class Suppressions:
    """The tenant's list. Bounces and complaints fill it, operators may too."""

    def __init__(self, platform: "Platform") -> None:
        self._platform = platform

    def add(self, channel: str, address: str, *, detail: str = "") -> None:
        """Send nothing more to an address."""
        self._platform.require("notify.suppressions.write")
        with self._platform.transaction() as transaction:
            self.note(transaction, channel, self._platform.notify.check_address(channel, address), "manual", detail)

    def remove(self, channel: str, address: str) -> None:
        """Send to it again."""
        self._platform.require("notify.suppressions.write")
        with self._platform.transaction() as transaction:
            mine = (_table.c.tenant_id == transaction.tenant, _table.c.channel == channel, _table.c.address == address)
            transaction.execute(delete(_table).where(*mine))

    def list(self, *, channel: str = "email", limit: int = 50, cursor: str | None = None) -> Page[Suppression]:
        """A channel's suppressed addresses, at most `limit` (1 to 500) a page."""
        self._platform.require("notify.suppressions.read")
        cut(limit, 500)
        with self._platform.transaction(readonly=True) as transaction:
            wanted = select(_table).where(_table.c.tenant_id == transaction.tenant, _table.c.channel == channel)
            if cursor is not None:
                wanted = wanted.where(_table.c.address > str(decode_cursor(cursor, "suppressions")[0]))
            rows = transaction.execute(wanted.order_by(_table.c.address).limit(limit + 1)).all()
        items = [Suppression(row.channel, row.address, row.reason, row.detail, row.since) for row in rows[:limit]]
        return Page(items, encode_cursor("suppressions", [items[-1].address]) if len(rows) > limit else None)

    def among(self, transaction: "Transaction", channel: str, addresses: Sequence[str]) -> set[str]:
        """Those of `addresses` that are suppressed, in one query."""
        wanted = select(_table.c.address).where(
            _table.c.tenant_id == transaction.tenant, _table.c.channel == channel, _table.c.address.in_(set(addresses))
        )
        return set(transaction.execute(wanted).scalars())

    def note(self, transaction: "Transaction", channel: str, address: str, reason: str, detail: str) -> None:
        """Suppress an address for a reason; one that is suppressed stays so for the first reason."""
        if transaction.session.get(SuppressionRow, (transaction.tenant, channel, address)) is None:
            since = self._platform.clock.now()
            transaction.session.add(
                SuppressionRow(channel=channel, address=address, reason=reason, detail=detail[:2000], since=since)
            )
            transaction.flush()
            transaction.publish(AddressSuppressed(channel=channel, address=address, reason=reason))
