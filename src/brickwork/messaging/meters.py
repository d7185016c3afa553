"""What messaging counts, for Prometheus."""

from typing import TYPE_CHECKING, Any

from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy import func, select

from brickwork.kernel.context import Context
from brickwork.messaging.models import DeadLetterRow, DeliveryRow

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from brickwork.data import Database

_delivery: Any = DeliveryRow.__table__
_dead: Any = DeadLetterRow.__table__


class Meters:
    """Counters of this process's handlers, and gauges of what lies in the database."""

    def __init__(self, registry: "CollectorRegistry", database: "Database") -> None:
        self._database = database
        by, gauge = ("handler",), {"registry": registry, "multiprocess_mode": "mostrecent"}
        self._handled = Counter("brickwork_events_handled", "Deliveries by what came of them", (*by, "result"), registry=registry)
        self._seconds = Histogram("brickwork_event_seconds", "Time of handlers, with their commit", by, registry=registry)
        self._waiting: Any = Gauge("brickwork_events_waiting", "Deliveries that are owed", by, **gauge)  # type: ignore[arg-type]
        self._resting: Any = Gauge("brickwork_dead_letters", "Dead letters at rest", by, **gauge)  # type: ignore[arg-type]
        self._overdue: Any = Gauge("brickwork_events_overdue_seconds", "Age of the longest due delivery", by, **gauge)  # type: ignore[arg-type]
        self._known: dict[str, set[str]] = {"waiting": set(), "resting": set(), "overdue": set()}

    def handled(self, handler: str, result: str, seconds: float | None = None) -> None:
        """A delivery ended ("done"), is to be tried again ("again") or rests for good ("dead")."""
        self._handled.labels(handler, result).inc()
        if seconds is not None:
            self._seconds.labels(handler).observe(seconds)

    def measure(self) -> None:
        """Read the gauges."""
        waiting = select(_delivery.c.subscription, func.count(), func.min(_delivery.c.due_at)).group_by(_delivery.c.subscription)
        resting = select(_dead.c.subscription, func.count()).where(_dead.c.status == "resting").group_by(_dead.c.subscription)
        with self._database.begin(Context(system=True), readonly=True) as transaction:
            owed: Any = transaction.execute(waiting).all()
            dead: Any = transaction.execute(resting).all()
        now = self._database.clock.now()
        self._tell("waiting", self._waiting, {handler: count for handler, count, _ in owed})
        # what is handled or pauses before its next try is due in the future
        self._tell("overdue", self._overdue, {handler: max(0.0, (now - due).total_seconds()) for handler, _, due in owed})
        self._tell("resting", self._resting, dict(map(tuple, dead)))

    def _tell(self, name: str, gauge: Any, values: dict[str, float]) -> None:
        for handler in self._known[name] | values.keys():
            gauge.labels(handler).set(values.get(handler, 0))
        self._known[name] |= values.keys()
