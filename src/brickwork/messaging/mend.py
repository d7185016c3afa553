"""What a clock that was set back does to deliveries, and how it is made good.

Each delivery has a time before which it isn't handed over. Under a clock that is an hour earlier, all of them would wait for an
hour. But each kind of time has a most that it can be ahead, and what is beyond that was stored under the later clock. A time
that a caller named (`send(at=...)`) is a time of day and stays; such a delivery has an empty history instead of none.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, case, update

from brickwork.messaging.handler import Subscription
from brickwork.messaging.models import DeliveryRow

if TYPE_CHECKING:
    from brickwork.data import Transaction

_table: Any = DeliveryRow.__table__


def mend(
    transaction: "Transaction", queue: str, known: Sequence[Subscription], now: datetime, lease: Callable[[Subscription], float]
) -> int:
    """Bring the times of a queue's deliveries within what they can be at `now`; how many were beyond. Can be repeated."""
    if not known:
        return 0
    waits = _table.c.taken.is_(False)
    bounds: list[Any] = [
        (and_(waits, _table.c.history.is_(None)), now),
    ]
    for subscription in known:
        taken = and_(_table.c.taken, _table.c.subscription == subscription.name)
        bounds.append((taken, now + timedelta(seconds=lease(subscription))))
        mine = and_(waits, _table.c.subscription == subscription.name)
        for failures, pause in _pauses(subscription):
            bounds.append((and_(mine, _table.c.failures == failures), now + timedelta(seconds=pause)))
        longest = now + timedelta(seconds=subscription.retry.most)
        bounds.append((and_(mine, _table.c.failures > 0), longest))
    bound = case(*bounds, else_=_table.c.due_at)
    late = (_table.c.queue == queue, _table.c.due_at > now, _table.c.due_at > bound)
    return int(transaction.execute(update(_table).where(*late).values(due_at=bound)).rowcount)


def _pauses(subscription: Subscription) -> list[tuple[int, float]]:
    """The longest pause after each number of failures, up to the one from which it is always the most."""
    pauses, failures = list[tuple[int, float]](), 1
    while failures < subscription.retry.attempts and failures < _STEPS:
        pauses.append((failures, subscription.retry.longest(failures)))
        failures += 1
    return pauses


#: Failures that are told apart; 2 to this power times the first pause is beyond any.
_STEPS = 20
