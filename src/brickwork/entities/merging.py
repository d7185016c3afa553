"""Merging two records into one, with all that is needed to undo it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import attrs
import orjson
from sqlalchemy import delete, insert, or_, select, update

from brickwork.data.transaction import Transaction
from brickwork.data.types import dump_json
from brickwork.entities.compiled import CompiledType, Data
from brickwork.entities.events import EntitiesMerged, EntityCreated, EntityUpdated
from brickwork.entities.links import link
from brickwork.entities.models import EntityMergeRow
from brickwork.entities.record import Record
from brickwork.entities.repository import release
from brickwork.errors import ConflictError, NotFoundError, ValidationError
from brickwork.kernel.ids import uuid7

if TYPE_CHECKING:
    from brickwork.entities.service import Entities

_merge: Any = EntityMergeRow.__table__
_ENDS = ("source_id", "target_id", "source_one", "target_one")


@attrs.frozen
class MergeRecord:
    """A merge that took place; `undone_at` is None while it stands."""

    id: UUID
    winner: UUID
    loser: UUID
    fields: tuple[str, ...]
    merged_at: datetime
    merged_by: str
    undone_at: datetime | None


class Merging:
    """The steps of merging and of its undoing, within the caller's transaction."""

    def __init__(self, entities: "Entities") -> None:
        self._entities = entities
        self._records = entities._records
        self._links = entities._links

    # -- merging -----------------------------------------------------------------------------------------------------

    def merge(self, transaction: Transaction, type: str, winner: UUID, loser: UUID, choose: Mapping[str, str]) -> Record:
        """See `Duplicates.merge`."""
        compiled = self._entities.types.for_writing(transaction, type)
        top, gone = self._pair(transaction, compiled, winner, loser)
        before = self._records.data(transaction, compiled, top)
        after = _combined(compiled, before, self._records.data(transaction, compiled, gone), choose)
        for name in compiled.references:
            if after.get(name) in (str(winner), str(loser)) and after.get(name) != before.get(name):
                after.pop(name)  # the merged record would refer to itself
        now = transaction._database.clock.now()
        hidden = {"deleted_at": now, "merged_into": winner, **release()}
        self._records.write(transaction, compiled, [{"key": loser, "expected": gone.version, **hidden}])
        record = self._write(transaction, compiled, top, before, after)
        moved = self._move_links(transaction, compiled, winner, loser)
        changed = {
            n: [before.get(n), record.data.get(n)] for n in {**before, **record.data} if before.get(n) != record.data.get(n)
        }
        self._remember(transaction, compiled, winner, loser, changed, moved)
        transaction.publish(EntitiesMerged(type=type, winner=winner, loser=loser))
        return record

    def history(self, transaction: Transaction, type: str, id: UUID) -> list[MergeRecord]:
        """Merges with `id` at either end."""
        statement = (
            select(_merge)
            .where(
                _merge.c.tenant_id == transaction.tenant,
                _merge.c.type == type,
                or_(_merge.c.winner_id == id, _merge.c.loser_id == id),
            )
            .order_by(_merge.c.id.desc())
            .limit(200)
        )
        return [
            MergeRecord(r.id, r.winner_id, r.loser_id, (*r.changed, *(r.sealed or {})), r.merged_at, r.merged_by, r.undone_at)
            for r in transaction.execute(statement)
        ]

    def _pair(self, transaction: Transaction, compiled: CompiledType, winner: UUID, loser: UUID) -> tuple[Any, Any]:
        """Both rows, locked; raises `NotFoundError` unless both are there."""
        if winner == loser:
            raise ValidationError("a record can't be merged with itself", field="loser")
        rows = [self._records.get(transaction, compiled, id, lock=True) for id in sorted((winner, loser))]
        by_id = {row.id: row for row in rows}
        return by_id[winner], by_id[loser]

    def _write(self, transaction: Transaction, compiled: CompiledType, row: Any, before: Data, after: Data) -> Record:
        """Give the winner its new fields, checked as any change is."""
        now = transaction._database.clock.now()
        changes = {n: after.get(n) for n in {**before, **after} if n not in compiled.computed and before.get(n) != after.get(n)}
        data = compiled.check_changes(changes, before, now)
        content = self._records.content(transaction, compiled, row.id, data)
        self._records.write(transaction, compiled, [{"key": row.id, "expected": row.version, "updated_at": now, **content}])
        if compiled.references.keys() & changes.keys():
            self._links.set_references(transaction, compiled, [(row.id, data)], replace=True)
        transaction.publish(EntityUpdated(type=compiled.name, id=row.id, version=row.version + 1, fields=tuple(changes)))
        actor = transaction.context.actor
        return Record(compiled.name, row.id, row.version + 1, data, row.created_at, row.created_by, now, actor, None, compiled)

    def _move_links(self, transaction: Transaction, compiled: CompiledType, winner: UUID, loser: UUID) -> list[Any]:
        """Point the loser's links to the winner; returns them as they were. The loser's own reference fields stay, so that
        they are right again if the merge is undone; what the winner takes of them was written with its fields."""
        own = {f"{compiled.name}.{name}" for name in compiled.references}
        rows = [r for r in self._of(transaction, loser) if not (r.source_id == loser and r.kind in own)]
        taken = _Taken(self._of(transaction, winner))
        moves: list[dict[str, Any]] = []
        for row in rows:
            ends = {end: winner if getattr(row, end) == loser else getattr(row, end) for end in _ENDS}
            possible = ends["source_id"] != ends["target_id"] and taken.free(row.kind, ends)
            if possible:
                transaction.execute(_by_id(update(link), transaction, row.id).values(**ends))
                taken.add(row.kind, ends)
            else:
                transaction.execute(_by_id(delete(link), transaction, row.id))
            moves.append({**_kept(row), "moved": possible})
        self._rewrite(transaction, moves, loser, winner)
        return moves

    def _rewrite(self, transaction: Transaction, moves: Sequence[Mapping[str, Any]], old: UUID, new: UUID) -> None:
        """Make the reference fields of other records say what their links say now, a batch a type."""
        fields: dict[str, dict[UUID, list[tuple[str, UUID | None]]]] = {}
        for move in moves:
            kind = self._links.kind(transaction, move["kind"])
            if kind.is_field and UUID(move["target_id"]) in (old, new):
                value = new if move["moved"] else None
                fields.setdefault(kind.type, {}).setdefault(UUID(move["source_id"]), []).append((kind.name, value))
        now = transaction._database.clock.now()
        for name, sources in fields.items():
            type_ = self._entities.types.for_writing(transaction, name)
            rows = self._records.get_many(transaction, type_, list(sources), lock=True)
            changes = []
            for row in rows.values():
                data = self._records.data(transaction, type_, row)
                values = {n: str(v) if v else None for n, v in sources[row.id] if data.get(n) in (str(old), str(new))}
                if not values:
                    continue
                content = self._records.content(transaction, type_, row.id, type_.check_changes(values, data, now))
                changes.append({"key": row.id, "expected": row.version, **content})
                transaction.publish(EntityUpdated(type=name, id=row.id, version=row.version + 1, fields=tuple(values)))
            self._records.write(transaction, type_, changes)

    def _remember(
        self, transaction: Transaction, compiled: CompiledType, winner: UUID, loser: UUID, changed: Data, moves: list[Any]
    ) -> None:
        key, tenant = uuid7(), transaction.tenant
        secret = {n: v for n, v in changed.items() if n in compiled.sensitive}
        keyring = self._records.keyring() if secret else None
        sealed = {n: keyring.encrypt(tenant, f"merge.{key}.{n}", dump_json(v)) for n, v in secret.items()} if keyring else None
        transaction.execute(
            insert(_merge),
            {
                "tenant_id": tenant,
                "id": key,
                "type": compiled.name,
                "winner_id": winner,
                "loser_id": loser,
                "changed": {n: v for n, v in changed.items() if n not in secret},
                "sealed": sealed,
                "links": moves,
                "merged_at": transaction._database.clock.now(),
                "merged_by": transaction.context.actor,
            },
        )

    # -- undoing -----------------------------------------------------------------------------------------------------

    def unmerge(self, transaction: Transaction, key: UUID) -> tuple[Record, Record]:
        """See `Duplicates.unmerge`."""
        row = self._standing(transaction, key)
        compiled = self._entities.types.for_writing(transaction, row.type)
        top = self._records.find(transaction, compiled, row.winner_id, lock=True)
        gone = self._records.find(transaction, compiled, row.loser_id, lock=True)
        if top is None or gone is None:
            raise NotFoundError(f"merge {row.id} can't be undone: a record was purged since")
        if top.merged_into is not None:
            raise ConflictError(f"{row.type} {top.id} was itself merged into {top.merged_into}; undo that merge first")
        if top.deleted_at is not None:
            raise ConflictError(f"{row.type} {top.id} is deleted; restore it before undoing the merge")
        self._restore_winner(transaction, compiled, top, row)
        self._restore_loser(transaction, compiled, gone)
        self._restore_links(transaction, row)
        statement = update(_merge).where(_merge.c.tenant_id == transaction.tenant, _merge.c.id == row.id)
        transaction.execute(statement.values(undone_at=transaction._database.clock.now()))
        transaction.publish(EntityCreated(type=row.type, id=gone.id, version=gone.version + 1))
        rows = [self._records.get(transaction, compiled, id) for id in (top.id, gone.id)]
        winner, loser = (self._records.record(transaction, compiled, found) for found in rows)
        return winner, loser

    def _standing(self, transaction: Transaction, key: UUID) -> Any:
        statement = (
            select(_merge)
            .where(
                _merge.c.tenant_id == transaction.tenant,
                or_(_merge.c.id == key, _merge.c.loser_id == key),
                _merge.c.undone_at.is_(None),
            )
            .order_by(_merge.c.id.desc())
            .limit(1)
        )
        row = transaction.execute(statement).one_or_none()
        if row is None:
            raise NotFoundError(f"there is no standing merge {key}")
        return row

    def _restore_winner(self, transaction: Transaction, compiled: CompiledType, top: Any, row: Any) -> None:
        """Put back the fields that are still as the merge set them."""
        current = self._records.data(transaction, compiled, top)
        keyring = self._records.keyring() if row.sealed else None
        changed: dict[str, Any] = dict(row.changed)
        for name, token in (row.sealed or {}).items():
            assert keyring is not None
            changed[name] = orjson.loads(keyring.decrypt(transaction.tenant, f"merge.{row.id}.{name}", token))
        back = dict(current)
        for name, (before, after) in changed.items():
            if name in compiled.definition.fields and name not in compiled.computed and current.get(name) == after:
                back[name] = before
        if back != current:
            self._write(transaction, compiled, top, current, back)

    def _restore_loser(self, transaction: Transaction, compiled: CompiledType, gone: Any) -> None:
        data = self._records.data(transaction, compiled, gone)
        content = self._records.content(transaction, compiled, gone.id, data)
        shown = {"deleted_at": None, "merged_into": None, **content}
        self._records.write(transaction, compiled, [{"key": gone.id, "expected": gone.version, **shown}])

    def _restore_links(self, transaction: Transaction, row: Any) -> None:
        """Point moved links back where they still are as the merge left them, and make dropped ones again."""
        winner, loser = row.winner_id, row.loser_id
        there = {r.id: r for r in self._of(transaction, winner)}
        undone = []
        for kept in row.links:
            was = {end: UUID(kept[end]) if kept[end] else None for end in _ENDS}
            key = UUID(kept["id"])
            found = there.get(key)
            if kept["moved"]:
                merged = {end: winner if value == loser else value for end, value in was.items()}
                if found is None or any(getattr(found, end) != merged[end] for end in ("source_id", "target_id")):
                    continue
                transaction.execute(_by_id(update(link), transaction, key).values(**was))
            else:
                values = {"tenant_id": transaction.tenant, "id": key, "kind": kept["kind"], **was}
                made = {"attributes": kept["attributes"], "created_by": kept["created_by"]}
                transaction.execute(insert(link), {**values, **made, "created_at": datetime.fromisoformat(kept["created_at"])})
            undone.append({**kept, "moved": True})
        self._rewrite_back(transaction, undone, winner, loser)

    def _rewrite_back(self, transaction: Transaction, undone: Sequence[Mapping[str, Any]], winner: UUID, loser: UUID) -> None:
        fields: dict[str, dict[UUID, list[str]]] = {}
        for move in undone:
            kind = self._links.kind(transaction, move["kind"])
            if kind.is_field and UUID(move["target_id"]) == loser:
                fields.setdefault(kind.type, {}).setdefault(UUID(move["source_id"]), []).append(kind.name)
        now = transaction._database.clock.now()
        for name, sources in fields.items():
            type_ = self._entities.types.for_writing(transaction, name)
            rows = self._records.get_many(transaction, type_, list(sources), lock=True)
            changes = []
            for row in rows.values():
                data = self._records.data(transaction, type_, row)
                values = {n: str(loser) for n in sources[row.id] if data.get(n) in (str(winner), None)}
                if values:
                    content = self._records.content(transaction, type_, row.id, type_.check_changes(values, data, now))
                    changes.append({"key": row.id, "expected": row.version, **content})
                    transaction.publish(EntityUpdated(type=name, id=row.id, version=row.version + 1, fields=tuple(values)))
            self._records.write(transaction, type_, changes)

    def _of(self, transaction: Transaction, id: UUID) -> list[Any]:
        """Every link of a record, in the order they were made."""
        statement = select(link).where(
            link.c.tenant_id == transaction.tenant, or_(link.c.source_id == id, link.c.target_id == id)
        )
        return list(transaction.execute(statement.order_by(link.c.id)))


class _Taken:
    """What links a record has, so that no second one of a kind is made where one is all there may be."""

    def __init__(self, rows: Sequence[Any]) -> None:
        self._keys: set[tuple[Any, ...]] = set()
        for row in rows:
            self.add(row.kind, {end: getattr(row, end) for end in _ENDS})

    def free(self, kind: str, ends: Mapping[str, Any]) -> bool:
        return not self._keys & self._of(kind, ends)

    def add(self, kind: str, ends: Mapping[str, Any]) -> None:
        self._keys |= self._of(kind, ends)

    @staticmethod
    def _of(kind: str, ends: Mapping[str, Any]) -> set[tuple[Any, ...]]:
        keys: set[tuple[Any, ...]] = {(kind, "both", ends["source_id"], ends["target_id"])}
        return keys | {(kind, end, ends[end]) for end in ("source_one", "target_one") if ends[end] is not None}


def _combined(compiled: CompiledType, winner: Data, loser: Data, choose: Mapping[str, str]) -> Data:
    unknown = [name for name in choose if name not in compiled.definition.fields or choose[name] not in ("winner", "loser")]
    if unknown:
        raise ValidationError(
            f"choose takes fields of {compiled.name} with 'winner' or 'loser'; not {', '.join(unknown)}", field="choose"
        )
    combined = {**loser, **winner}
    for name, side in choose.items():
        chosen = (winner if side == "winner" else loser).get(name)
        combined[name] = chosen
    return {n: v for n, v in combined.items() if n not in compiled.computed and (v is not None or winner.get(n) is not None)}


def _by_id(statement: Any, transaction: Transaction, key: UUID) -> Any:
    return statement.where(link.c.tenant_id == transaction.tenant, link.c.id == key)


def _kept(row: Any) -> dict[str, Any]:
    ends = {end: str(getattr(row, end)) if getattr(row, end) else None for end in _ENDS}
    more = {"attributes": row.attributes, "created_by": row.created_by, "created_at": row.created_at.isoformat()}
    return {"id": str(row.id), "kind": row.kind, **ends, **more}
