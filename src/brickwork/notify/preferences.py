"""`platform.notify.preferences`: what people want to be told, by category and channel."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import attrs
from sqlalchemy import select

from brickwork.errors import ValidationError
from brickwork.notify.models import PreferenceRow

if TYPE_CHECKING:
    from brickwork.data import Transaction
    from brickwork.kernel.platform import Platform

_table: Any = PreferenceRow.__table__
ALL = "*"


@attrs.frozen
class Preference:
    """Somebody's decision. "*" as category or channel means every one without a decision of its own."""

    category: str
    channel: str
    wanted: bool


@attrs.frozen
class Choices:
    """The decisions that count for some recipients."""

    made: Mapping[tuple[str, str, str], bool]

    def wants(self, ref: str, category: str, channel: str) -> bool:
        """Whether somebody is to be told. A person's decision counts more than the tenant's, one about a category more than one
        about a channel, and without any the answer is yes."""
        for who in (ref, ALL):
            for of, over in ((category, channel), (category, ALL), (ALL, channel), (ALL, ALL)):
                decision = self.made.get((who, of, over))
                if decision is not None:
                    return decision
        return True


class Preferences:
    """Reads and writes decisions. A person may see and change its own."""

    def __init__(self, platform: "Platform") -> None:
        self._platform = platform

    def set(self, ref: str, category: str, wanted: bool, *, channel: str = ALL) -> None:
        """Decide for a recipient, or for the tenant ("*"). Required categories are sent whatever is decided."""
        self._check(ref, "write")
        for name, value, most in (("ref", ref, 200), ("category", category, 60), ("channel", channel, 30)):
            if not (0 < len(value) <= most and value.isprintable()):
                raise ValidationError(f"{name} takes 1 to {most} printable characters", field=name)
        now = self._platform.clock.now()
        with self._platform.transaction() as transaction:
            row = transaction.session.get(PreferenceRow, (transaction.tenant, ref, category, channel))
            if row is None:
                transaction.session.add(PreferenceRow(ref=ref, category=category, channel=channel, wanted=wanted, updated_at=now))
            else:
                row.wanted, row.updated_at = wanted, now

    def forget(self, ref: str, category: str, *, channel: str = ALL) -> None:
        """Take a decision back."""
        self._check(ref, "write")
        with self._platform.transaction() as transaction:
            row = transaction.session.get(PreferenceRow, (transaction.tenant, ref, category, channel))
            if row is not None:
                transaction.session.delete(row)

    def list(self, ref: str) -> list[Preference]:
        """What was decided for a recipient, at most 500 decisions."""
        self._check(ref, "read")
        with self._platform.transaction(readonly=True) as transaction:
            wanted = select(_table).where(_table.c.tenant_id == transaction.tenant, _table.c.ref == ref)
            rows = transaction.execute(wanted.order_by(_table.c.category, _table.c.channel).limit(500))
            return [Preference(row.category, row.channel, row.wanted) for row in rows]

    def choices(self, transaction: "Transaction", refs: Iterable[str]) -> Choices:
        """What counts for `refs`, in one query."""
        wanted = select(_table).where(_table.c.tenant_id == transaction.tenant, _table.c.ref.in_([*refs, ALL]))
        return Choices({(row.ref, row.category, row.channel): row.wanted for row in transaction.execute(wanted)})

    def _check(self, ref: str, verb: str) -> None:
        if ref != self._platform.current.actor.partition(" via ")[0]:
            self._platform.require(f"notify.recipients.{verb}")
