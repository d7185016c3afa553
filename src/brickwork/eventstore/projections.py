"""Projections: read models that follow the event store, and can be built anew while the old ones serve."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import attrs
from sqlalchemy import delete, func, insert, select, update

from brickwork.errors import NotFoundError, ValidationError
from brickwork.eventstore.models import ProjectionRow

if TYPE_CHECKING:
    from brickwork.data import Transaction
    from brickwork.eventstore.service import EventStore, Stored
    from brickwork.kernel.platform import Platform

_table: Any = ProjectionRow.__table__
BATCH = 200


@attrs.frozen(kw_only=True)
class Projection:
    """How a read model follows: `apply` takes the platform, a generation and events, and writes rows of that generation;
    `clear` removes a generation's rows. Readers ask `generation(name)` which rows to read."""

    name: str = attrs.field(validator=attrs.validators.matches_re(r"[a-z][a-z0-9_.-]{0,99}\Z"))
    apply: Callable[["Platform", int, "Sequence[Stored]"], None]
    clear: Callable[["Platform", int], None]


class Projections:
    """The projections of the context's tenant: `platform.eventstore.projections`."""

    def __init__(self, platform: "Platform", store: "EventStore") -> None:
        self._platform = platform
        self._database = platform.database
        self._store = store
        self._known: dict[str, Projection] = {}

    def add(self, projection: Projection) -> None:
        """Make a projection known."""
        if self._known.setdefault(projection.name, projection) is not projection:
            raise ValidationError(f"two projections are named {projection.name!r}")

    def generation(self, name: str) -> int:
        """The generation that serves; 1 before anything was read."""
        self._get(name)
        with self._database.transaction(readonly=True) as transaction:
            found = transaction.execute(
                select(_table.c.generation).where(*self._mine(transaction, name), _table.c.active)
            ).scalar()
        return int(found or 1)

    def advance(self, name: str) -> int:
        """Read what is new, into every generation; how many events. Each batch commits with its mark, so none is read twice;
        of two callers at once the second waits."""
        projection, total = self._get(name), 0
        self._ensure(name)
        with self._database.transaction(readonly=True) as transaction:
            generations = list(transaction.execute(select(_table.c.generation).where(*self._mine(transaction, name))).scalars())
        for generation in generations:
            while count := self._step(projection, generation):
                total += count
        return total

    def rebuild(self, name: str) -> int:
        """Build a new generation from the beginning while the present one serves, switch to it, and remove the old; how many
        events were read. It may be called again after a crash."""
        projection = self._get(name)
        self._ensure(name)
        with self._database.transaction() as transaction:
            newest = transaction.execute(select(func.max(_table.c.generation)).where(*self._mine(transaction, name))).scalar_one()
            generation = int(newest) + 1
            values = {"tenant_id": transaction.tenant, "name": name, "generation": generation, "position": 0, "active": False}
            transaction.execute(insert(_table), values)
        total = 0
        while count := self._step(projection, generation):
            total += count
        self._switch(projection, generation)
        return total

    # -- inside --------------------------------------------------------------------------------------------------------

    def _step(self, projection: Projection, generation: int) -> int:
        with self._database.transaction() as transaction:
            mine = (*self._mine(transaction, projection.name), _table.c.generation == generation)
            position = transaction.execute(select(_table.c.position).where(*mine).with_for_update()).scalar_one_or_none()
            if position is None:
                return 0  # a rebuild has replaced it meanwhile
            events = self._store.read_all(after=int(position), limit=BATCH)
            if events:
                projection.apply(self._platform, generation, events)
                transaction.execute(update(_table).where(*mine).values(position=events[-1].position))
        return len(events)

    def _switch(self, projection: Projection, generation: int) -> None:
        with self._database.transaction() as transaction:
            mine = self._mine(transaction, projection.name)
            rows = transaction.execute(select(_table.c.generation).where(*mine).with_for_update()).scalars().all()
            transaction.execute(update(_table).where(*mine, _table.c.generation == generation).values(active=True))
            for old in sorted(set(rows) - {generation}):
                projection.clear(self._platform, old)
            transaction.execute(delete(_table).where(*mine, _table.c.generation != generation))

    def _ensure(self, name: str) -> None:
        with self._database.transaction() as transaction:
            self._database.backend.serialize(transaction.connection, [f"projection/{transaction.tenant}/{name}"])
            if transaction.execute(select(_table.c.generation).where(*self._mine(transaction, name))).first() is None:
                values = {"tenant_id": transaction.tenant, "name": name, "generation": 1, "position": 0, "active": True}
                transaction.execute(insert(_table), values)

    def _get(self, name: str) -> Projection:
        if name not in self._known:
            raise NotFoundError(f"there is no projection {name!r}; known are {', '.join(sorted(self._known)) or 'none'}")
        return self._known[name]

    def _mine(self, transaction: "Transaction", name: str) -> tuple[Any, ...]:
        return (_table.c.tenant_id == transaction.tenant, _table.c.name == name)
