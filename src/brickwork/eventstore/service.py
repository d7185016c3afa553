"""The event store: `platform.eventstore`. Append-only streams with an expected version, and states read from them."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs
from pydantic import BaseModel
from sqlalchemy import delete, func, insert, select, update

from brickwork.errors import ConflictError, NotFoundError, ValidationError
from brickwork.eventstore.models import SnapshotRow, StoredEventRow, StreamRow
from brickwork.kernel.component import ComponentSettings
from brickwork.kernel.ids import uuid7
from brickwork.messaging import CloudEvent, Event
from brickwork.messaging.envelope import wrap

if TYPE_CHECKING:
    from brickwork.data import Transaction
    from brickwork.kernel.platform import Platform

_stream: Any = StreamRow.__table__
_event: Any = StoredEventRow.__table__
_snapshot: Any = SnapshotRow.__table__
S = TypeVar("S", bound=BaseModel)
#: Events read in one query.
BATCH = 500
#: Events after which `load` stores a new snapshot.
SNAPSHOT_EVERY = 100


@attrs.frozen
class Stored:
    """An event as it lies in a stream: `version` counts within the stream from 1, `position` within the tenant."""

    stream: str
    version: int
    position: int
    event: Event | CloudEvent
    cloud: CloudEvent


@attrs.frozen
class Loaded(Generic[S]):
    """A state and the version of the stream that it reflects."""

    state: S
    version: int


class EventStore:
    """Streams of the context's tenant."""

    def __init__(self, platform: "Platform", settings: ComponentSettings) -> None:
        from brickwork.eventstore.projections import Projections

        self._platform = platform
        self._database = platform.database
        self.projections: Projections = Projections(platform, self)

    def append(self, stream: str, events: Sequence[Event], *, expected: int | None = None) -> int:
        """Add events to a stream and publish them; returns its new version.

        `expected` is the version that the caller knows (0: the stream is new); raises `ConflictError` if it is at another.
        None adds to whatever is there.
        """
        if not events:
            raise ValidationError("there is nothing to append", field="events")
        if not 0 < len(stream) <= 200:
            raise ValidationError("a stream's name takes 1 to 200 characters", field="stream")
        with self._database.transaction() as transaction:
            # positions must grow in the order of commits, or a projection could pass one that isn't there yet
            self._database.backend.serialize(transaction.connection, [f"eventstore/{transaction.tenant}"])
            version = self._advance(transaction, stream, len(events), expected)
            first = transaction.execute(
                select(func.coalesce(func.max(_event.c.position), 0)).where(_event.c.tenant_id == transaction.tenant)
            ).scalar_one()
            transaction.execute(insert(_event), self._rows(transaction, stream, events, version, int(first)))
            for event in events:
                transaction.publish(event)
        return version + len(events)

    def read(self, stream: str, *, after: int = 0) -> Iterator[Stored]:
        """The events of a stream beyond version `after`, read in batches."""
        while True:
            with self._database.transaction(readonly=True) as transaction:
                mine = (_event.c.tenant_id == transaction.tenant, _event.c.stream == stream, _event.c.version > after)
                rows = transaction.execute(select(_event).where(*mine).order_by(_event.c.version).limit(BATCH)).all()
            yield from (self._stored(row) for row in rows)
            if len(rows) < BATCH:
                return
            after = rows[-1].version

    def read_all(self, *, after: int = 0, limit: int = BATCH) -> list[Stored]:
        """Events of all streams beyond a position, in the order of their commits, at most `limit` (1 to 500)."""
        with self._database.transaction(readonly=True) as transaction:
            mine = (_event.c.tenant_id == transaction.tenant, _event.c.position > after)
            rows = transaction.execute(select(_event).where(*mine).order_by(_event.c.position).limit(min(limit, BATCH))).all()
        return [self._stored(row) for row in rows]

    def version(self, stream: str) -> int:
        """The version of a stream, 0 if there is none."""
        with self._database.transaction(readonly=True) as transaction:
            mine = (_stream.c.tenant_id == transaction.tenant, _stream.c.stream == stream)
            found = transaction.execute(select(_stream.c.version).where(*mine)).scalar_one_or_none()
        return int(found or 0)

    def load(self, stream: str, state: type[S], apply: Callable[[S, Any], S]) -> Loaded[S]:
        """The state that `apply` makes of a stream's events, from the latest snapshot on; a new one is stored every 100 events.

        `state()` is the beginning. Raises `NotFoundError` if the stream has no events. A snapshot that no longer fits the model
        is left aside.
        """
        kind = f"{state.__module__}.{state.__qualname__}"[-100:]
        current, start = self._from_snapshot(stream, kind, state)
        version = start
        for stored in self.read(stream, after=start):
            current, version = apply(current, stored.event), stored.version
        if version == 0:
            raise NotFoundError(f"there is no stream {stream!r}")
        if version - start >= SNAPSHOT_EVERY:
            self._keep_snapshot(stream, kind, version, current)
        return Loaded(current, version)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _advance(self, transaction: "Transaction", stream: str, count: int, expected: int | None) -> int:
        mine = (_stream.c.tenant_id == transaction.tenant, _stream.c.stream == stream)
        found = transaction.execute(select(_stream.c.version).where(*mine).with_for_update()).scalar_one_or_none()
        version = int(found or 0)
        if expected is not None and expected != version:
            raise ConflictError(f"stream {stream!r} is at version {version}, not {expected}; read it again", expected=expected)
        if found is None:
            transaction.execute(insert(_stream), {"tenant_id": transaction.tenant, "stream": stream, "version": count})
        else:
            transaction.execute(update(_stream).where(*mine).values(version=version + count))
        return version

    def _rows(
        self, transaction: "Transaction", stream: str, events: Sequence[Event], version: int, position: int
    ) -> list[dict[str, Any]]:
        now = self._database.clock.now()
        cause = self._platform.messaging.cause
        source = self._platform.messaging.settings.source
        rows = []
        for n, event in enumerate(events, start=1):
            id = uuid7()
            text = wrap(event, id, transaction.context, now, str(cause.id) if cause else None, source)
            row = {"tenant_id": transaction.tenant, "stream": stream, "version": version + n, "position": position + n}
            rows.append({**row, "event_id": id, "event": text, "at": now})
        return rows

    def _stored(self, row: Any) -> Stored:
        cloud = CloudEvent.parse(row.event)
        kind = self._platform.messaging.catalogue.events.get(cloud.type)
        event = cloud if kind is None else kind.read(cloud.data, cloud.eventversion)
        return Stored(row.stream, row.version, row.position, event, cloud)

    def _from_snapshot(self, stream: str, kind: str, state: type[S]) -> tuple[S, int]:
        from pydantic import ValidationError as PydanticError

        with self._database.transaction(readonly=True) as transaction:
            mine = (_snapshot.c.tenant_id == transaction.tenant, _snapshot.c.stream == stream, _snapshot.c.kind == kind)
            row = transaction.execute(select(_snapshot).where(*mine)).one_or_none()
        if row is not None:
            try:
                return state.model_validate(row.state), int(row.version)
            except PydanticError:
                pass  # the model has changed since
        return state(), 0

    def _keep_snapshot(self, stream: str, kind: str, version: int, state: BaseModel) -> None:
        if (current := self._database._joinable()) is not None and current.readonly:
            return  # the next one that may write keeps it
        with self._database.transaction() as transaction:
            mine = (_snapshot.c.tenant_id == transaction.tenant, _snapshot.c.stream == stream, _snapshot.c.kind == kind)
            transaction.execute(delete(_snapshot).where(*mine))
            values = {"tenant_id": transaction.tenant, "stream": stream, "kind": kind, "version": version}
            transaction.execute(insert(_snapshot), {**values, "state": state.model_dump(mode="json")})
