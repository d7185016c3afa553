"""`platform.entities.duplicates`: finding records that mean the same thing, the review queue, merging."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import attrs
from sqlalchemy import bindparam, delete, insert, or_, select, tuple_, update

from brickwork.data import Page
from brickwork.data.pagination import cut, decode_cursor, encode_cursor
from brickwork.data.transaction import Transaction
from brickwork.entities.compiled import CompiledType
from brickwork.entities.dedupe import DedupeRules, ScoredPair, find_duplicates
from brickwork.entities.merging import MergeRecord, Merging
from brickwork.entities.models import EntityMatchRow
from brickwork.entities.record import Record
from brickwork.errors import ConflictError, NotFoundError, ValidationError
from brickwork.kernel.ids import parse_id, uuid7

if TYPE_CHECKING:
    from brickwork.entities.service import Entities

Status = Literal["pending", "rejected", "merged"]
Progress = Callable[[str, int, int], None]
BATCH = 500

_match: Any = EntityMatchRow.__table__


@attrs.frozen
class FindReport:
    """What a search found: `sure` pairs may be merged without asking, `review` pairs wait for a person."""

    records: int
    compared: int
    possible: int
    sure: int
    review: int


@attrs.frozen
class Evidence:
    """What one field says about a pair: `weight` in bits (negative speaks against it), `note` in words.

    An entry without a field tells what members of one household would have in common anyway.
    """

    field: str
    similarity: float | None
    weight: float
    note: str


@attrs.frozen
class Match:
    """Two records that may be the same, with the older one left."""

    id: UUID
    left: Record
    right: Record
    probability: float
    evidence: tuple[Evidence, ...]
    status: Status
    found_at: datetime
    decided_by: str | None


@attrs.frozen
class MergeReport:
    """What `merge_sure` did; `skipped` counts clusters that could not be merged, with the reasons."""

    clusters: int
    merged: int
    skipped: int
    reasons: tuple[str, ...] = ()


class Duplicates:
    """Needs the extra `brickwork[dedupe]` for `find`."""

    def __init__(self, entities: "Entities") -> None:
        self._entities = entities
        self._database = entities._database
        self._merging = Merging(entities)

    def find(self, type: str, *, rules: DedupeRules | None = None, progress: Progress | None = None) -> FindReport:
        """Compare the records of a type and put likely duplicates into the queue.

        `rules` default to the type's `duplicates`. A pair that was decided stays decided; one that is no longer likely
        leaves the queue. `progress` hears the step, what is done and how much there is.
        """
        self._may(type)
        rules = rules or self._rules(type)
        names = {rule.field for rule in rules.fields}
        count = 0

        def records() -> Iterator[tuple[UUID, Mapping[str, Any]]]:
            nonlocal count
            for record in self._entities.each(type):
                count += 1
                yield record.id, {name: record.data.get(name) for name in names}

        result = find_duplicates(records(), rules, progress=progress)
        clusters: dict[UUID, UUID] = {}
        for cluster in result.clusters():
            group = uuid7()
            clusters.update({member: group for member in cluster if isinstance(member, UUID)})
        self._store(type, result.pairs, clusters)
        sure = len(result.sure())
        return FindReport(count, result.compared, result.possible, sure, len(result.pairs) - sure)

    def queue(
        self,
        type: str,
        *,
        status: Status = "pending",
        min_probability: float = 0.0,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[Match]:
        """Pairs of a status, the most probable first, with both records; pairs whose records are gone are left out."""
        self._may(type)
        cut(limit, 200)
        with self._database.transaction(readonly=True) as transaction:
            compiled = self._entities.types.for_reading(transaction, type)
            statement = (
                select(_match)
                .where(
                    _match.c.tenant_id == transaction.tenant,
                    _match.c.type == type,
                    _match.c.status == status,
                    _match.c.probability >= min_probability,
                )
                .order_by(_match.c.probability.desc(), _match.c.id.desc())
                .limit(limit + 1)
            )
            if cursor:
                statement = statement.where(tuple_(_match.c.probability, _match.c.id) < tuple_(*_after(cursor)))
            rows = transaction.execute(statement).all()
            items = self._present(transaction, compiled, rows[:limit])
        last = rows[limit - 1] if len(rows) > limit else None
        return Page(items, encode_cursor("matches", [last.probability, last.id]) if last is not None else None)

    def reject(self, match: UUID | str) -> None:
        """Decide that the two are different; the pair is not asked about again."""
        with self._database.transaction() as transaction:
            row = self._row(transaction, match)
            self._may(row.type)
            self._decide(transaction, row, "rejected")

    def confirm(self, match: UUID | str, *, choose: Mapping[str, Literal["winner", "loser"]] | None = None) -> Record:
        """Decide that the two are the same, and merge the younger record into the older one."""
        with self._database.transaction() as transaction:
            row = self._row(transaction, match)
            return self.merge(row.type, row.left_id, row.right_id, choose=choose)

    def merge(
        self,
        type: str,
        winner: UUID | str,
        loser: UUID | str,
        *,
        choose: Mapping[str, Literal["winner", "loser"]] | None = None,
    ) -> Record:
        """Merge two records. The winner keeps its values and takes the loser's where its own are empty; `choose` decides
        otherwise, by field. Links and references to the loser point to the winner afterwards; `unmerge` undoes it all.
        """
        self._may(type)
        ids = self._entities._id(type, winner), self._entities._id(type, loser)
        with self._database.transaction() as transaction:
            record = self._merging.merge(transaction, type, *ids, dict(choose or {}))
            self._after_merge(transaction, *ids)
            return record

    def merge_sure(self, type: str, *, progress: Callable[[int, int], None] | None = None) -> MergeReport:
        """Merge every cluster of pairs that the last search found sure, a transaction for each cluster.

        The survivor is the record with the most fields, the oldest of equals. A cluster that can't be merged (a rule of
        the type forbids the result, say) is left in the queue and told in the report.
        """
        self._may(type)
        clusters = self._clusters(type)
        merged, reasons = 0, list[str]()
        for n, group in enumerate(clusters, 1):
            try:
                merged += self._merge_cluster(type, group)
            except (ConflictError, ValidationError, NotFoundError) as error:
                reasons.append(error.message)
            if progress is not None:
                progress(n, len(clusters))
        return MergeReport(len(clusters), merged, len(reasons), tuple(reasons[:20]))

    def unmerge(self, merge: UUID | str) -> tuple[Record, Record]:
        """Undo a merge, named by its id or by the loser's; returns the winner and the loser as they are afterwards.

        Links and references that the merge re-pointed go back. A field of the winner that was changed since stays as it
        is. Merges that the winner itself went into must be undone first (`ConflictError`).
        """
        key = merge if isinstance(merge, UUID) else parse_id(merge)
        if key is None:
            raise NotFoundError(f"there is no merge {str(merge)[:80]!r}")
        with self._database.transaction() as transaction:
            winner, loser = self._merging.unmerge(transaction, key)
            self._may(winner.type)
            pair = sorted((winner.id, loser.id))
            transaction.execute(
                update(_match)
                .where(_match.c.tenant_id == transaction.tenant, _match.c.left_id == pair[0], _match.c.right_id == pair[1])
                .values(status="rejected")
            )
            return winner, loser

    def merges(self, type: str, id: UUID | str) -> list[MergeRecord]:
        """The merges that a record took part in, the newest first (at most 200)."""
        self._may(type)
        with self._database.transaction(readonly=True) as transaction:
            return self._merging.history(transaction, type, self._entities._id(type, id))

    # -- inside ----------------------------------------------------------------------------------------------------

    def _may(self, type: str) -> None:
        self._entities._guard.everywhere(type, "read", "merge")

    def _rules(self, type: str) -> DedupeRules:
        rules = self._entities.types.get(type).duplicates
        if rules is None:
            raise ValidationError(f"type {type!r} has no rules for duplicates; give `rules` or define `duplicates`")
        return rules

    def _store(self, type: str, pairs: Sequence[ScoredPair], clusters: Mapping[UUID, UUID]) -> None:
        """Bring the queue to what was found, in one transaction."""
        found = {_ordered(pair): pair for pair in pairs}
        with self._database.transaction() as transaction:
            now = self._database.clock.now()
            known = self._known(transaction, type)
            gone = [row.id for key, row in known.items() if row.status == "pending" and key not in found]
            for ids in _batches(gone):
                transaction.execute(delete(_match).where(_match.c.tenant_id == transaction.tenant, _match.c.id.in_(ids)))
            fresh, changed = [], []
            for key, pair in found.items():
                row = known.get(key)
                values = {"probability": round(pair.probability, 6), "cluster": _shared(key, clusters)}
                if row is None:
                    fresh.append(_new_row(transaction.tenant, type, key, pair, now) | values)
                elif row.status == "pending":
                    changed.append({"tenant": transaction.tenant, "key": row.id, **values})
            for rows in _batches(fresh):
                transaction.execute(insert(_match), rows)
            for rows in _batches(changed):
                transaction.execute(_REFRESH, rows)

    def _known(self, transaction: Transaction, type: str) -> dict[tuple[UUID, UUID], Any]:
        statement = select(_match.c.id, _match.c.left_id, _match.c.right_id, _match.c.status).where(
            _match.c.tenant_id == transaction.tenant, _match.c.type == type
        )
        return {(row.left_id, row.right_id): row for row in transaction.execute(statement)}

    def _present(self, transaction: Transaction, compiled: CompiledType, rows: Sequence[Any]) -> list[Match]:
        ids = {id for row in rows for id in (row.left_id, row.right_id)}
        found = self._entities._records.get_many(transaction, compiled, list(ids))
        records = {id: self._entities._records.record(transaction, compiled, row) for id, row in found.items()}
        return [
            Match(
                row.id,
                records[row.left_id],
                records[row.right_id],
                row.probability,
                tuple(Evidence(**entry) for entry in row.evidence),
                row.status,
                row.found_at,
                row.decided_by,
            )
            for row in rows
            if row.left_id in records and row.right_id in records
        ]

    def _row(self, transaction: Transaction, match: UUID | str) -> Any:
        key = match if isinstance(match, UUID) else parse_id(match)
        statement = select(_match).where(_match.c.tenant_id == transaction.tenant, _match.c.id == key).with_for_update()
        row = transaction.execute(statement).one_or_none() if key is not None else None
        if row is None:
            raise NotFoundError(f"there is no pair {str(match)[:80]!r} in the queue")
        if row.status != "pending":
            raise ConflictError(f"pair {row.id} is already {row.status}")
        return row

    def _decide(self, transaction: Transaction, row: Any, status: Status) -> None:
        statement = update(_match).where(_match.c.tenant_id == transaction.tenant, _match.c.id == row.id)
        transaction.execute(
            statement.values(status=status, decided_at=self._database.clock.now(), decided_by=transaction.context.actor)
        )

    def _after_merge(self, transaction: Transaction, winner: UUID, loser: UUID) -> None:
        """The pair is decided; other questions about the loser have lost their object."""
        left, right = sorted((winner, loser))
        mine = _match.c.tenant_id == transaction.tenant
        decided = {"status": "merged", "decided_at": self._database.clock.now(), "decided_by": transaction.context.actor}
        transaction.execute(update(_match).where(mine, _match.c.left_id == left, _match.c.right_id == right).values(**decided))
        transaction.execute(
            delete(_match).where(mine, _match.c.status == "pending", or_(_match.c.left_id == loser, _match.c.right_id == loser))
        )

    def _clusters(self, type: str) -> list[list[UUID]]:
        """The groups that the last search found sure, largest first."""
        with self._database.transaction(readonly=True) as transaction:
            statement = select(_match.c.cluster, _match.c.left_id, _match.c.right_id).where(
                _match.c.tenant_id == transaction.tenant,
                _match.c.type == type,
                _match.c.status == "pending",
                _match.c.cluster.is_not(None),
            )
            groups: dict[UUID, dict[UUID, None]] = {}
            for row in transaction.execute(statement):
                groups.setdefault(row.cluster, {}).update({row.left_id: None, row.right_id: None})
        return [sorted(members) for members in groups.values()]

    def _merge_cluster(self, type: str, ids: list[UUID]) -> int:
        with self._database.transaction() as transaction:
            compiled = self._entities.types.for_writing(transaction, type)
            rows = self._entities._records.get_many(transaction, compiled, ids, lock=True)
            live = [row for row in rows.values() if row.deleted_at is None]
            survivor, *others = sorted(live, key=lambda row: (-len(row.data) - len(row.sealed or ()), row.id))
            for row in others:
                self._merging.merge(transaction, type, survivor.id, row.id, {})
                self._after_merge(transaction, survivor.id, row.id)
        return len(others)


_REFRESH = (
    update(_match)
    .where(_match.c.tenant_id == bindparam("tenant"), _match.c.id == bindparam("key"))
    .values(probability=bindparam("probability"), cluster=bindparam("cluster"))
)


def _ordered(pair: ScoredPair) -> tuple[UUID, UUID]:
    left, right = sorted((pair.left, pair.right))  # type: ignore[type-var]
    return left, right  # type: ignore[return-value]


def _shared(key: tuple[UUID, UUID], clusters: Mapping[UUID, UUID]) -> UUID | None:
    group = clusters.get(key[0])
    return group if group is not None and group == clusters.get(key[1]) else None


def _new_row(tenant: str, type: str, key: tuple[UUID, UUID], pair: ScoredPair, now: datetime) -> dict[str, Any]:
    """A pair for the queue. The evidence holds no values: the records stand beside it, and may be sensitive."""
    evidence = [
        {"field": e.field, "similarity": e.similarity, "weight": round(e.weight, 2), "note": e.note} for e in pair.explain()
    ]
    ends = {"left_id": key[0], "right_id": key[1]}
    return {"tenant_id": tenant, "id": uuid7(), "type": type, **ends, "evidence": evidence, "status": "pending", "found_at": now}


def _batches(items: Iterable[Any]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for item in items:
        batch.append(item)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _after(cursor: str) -> tuple[float, UUID]:
    keys = decode_cursor(cursor, "matches")
    try:
        return float(keys[0]), UUID(keys[1])
    except (ValueError, IndexError, TypeError, AttributeError):
        raise ValidationError("the cursor is damaged; use the one from the page before", field="cursor") from None
