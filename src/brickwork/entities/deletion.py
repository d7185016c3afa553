"""Deleting records with what hangs on them, restoring, and erasing for good."""

from collections import Counter
from typing import Any
from uuid import UUID

from sqlalchemy import delete, or_, select

from brickwork.data.transaction import Transaction
from brickwork.entities.compiled import CompiledType
from brickwork.entities.events import EntityCreated, EntityDeleted, EntityUpdated
from brickwork.entities.links import LinkKind, Links, link
from brickwork.entities.models import EntityMatchRow, record
from brickwork.entities.repository import Records, release
from brickwork.entities.types import EntityTypes
from brickwork.errors import RestrictedError
from brickwork.kernel.ids import uuid7

_match: Any = EntityMatchRow.__table__


class Deletions:
    """Follows the delete rules of links, a level at a time: one query a level, not one a record."""

    def __init__(self, records: Records, types: EntityTypes, links: Links) -> None:
        self._records = records
        self._types = types
        self._links = links

    def delete(self, transaction: Transaction, compiled: CompiledType, row: Any) -> None:
        """Soft-delete `row`, cascade, and empty references that the rules say to empty."""
        doomed, nullified = self._closure(transaction, compiled, row.id)
        batch, now = uuid7(), transaction._database.clock.now()
        self._nullify(transaction, [item for item in nullified if item[1].source_id not in doomed])
        for name, ids in _by_type(doomed).items():
            type_ = self._types.for_writing(transaction, name)
            rows = self._records.get_many(transaction, type_, ids, lock=True)
            changes = [
                {"key": r.id, "expected": r.version, "deleted_at": now, "deletion_id": batch, **release()}
                for r in rows.values()
                if r.deleted_at is None
            ]
            self._records.write(transaction, type_, changes)
            for change in changes:
                transaction.publish(EntityDeleted(type=name, id=change["key"]))

    def restore(self, transaction: Transaction, batch: UUID) -> None:
        """Bring back everything that one deletion hid."""
        statement = select(record.c.id, record.c.type).where(
            record.c.tenant_id == transaction.tenant, record.c.deletion_id == batch, record.c.deleted_at.is_not(None)
        )
        gone = {row.id: row.type for row in transaction.execute(statement)}
        for name, ids in _by_type(gone).items():
            type_ = self._types.for_writing(transaction, name)
            rows = self._records.get_many(transaction, type_, ids, lock=True)
            changes = []
            for row in rows.values():
                data = self._records.data(transaction, type_, row)
                content = self._records.content(transaction, type_, row.id, data)
                changes.append({"key": row.id, "expected": row.version, "deleted_at": None, "deletion_id": None, **content})
                transaction.publish(EntityCreated(type=name, id=row.id, version=row.version + 1))
            self._records.write(transaction, type_, changes)

    def purge(self, transaction: Transaction, compiled: CompiledType, id: UUID) -> None:
        """Remove the row, its links and what duplicate search knows of it."""
        tenant = transaction.tenant
        transaction.execute(delete(link).where(link.c.tenant_id == tenant, or_(link.c.source_id == id, link.c.target_id == id)))
        transaction.execute(
            delete(_match).where(_match.c.tenant_id == tenant, or_(_match.c.left_id == id, _match.c.right_id == id))
        )
        self._records.purge(transaction, [id])
        transaction.publish(EntityDeleted(type=compiled.name, id=id, purged=True))

    def _closure(
        self, transaction: Transaction, compiled: CompiledType, id: UUID
    ) -> tuple[dict[UUID, str], list[tuple[LinkKind, Any]]]:
        """What goes along (with its type) and which links are dropped; raises `RestrictedError`."""
        doomed: dict[UUID, str] = {id: compiled.name}
        nullified: list[tuple[LinkKind, Any]] = []
        restricting: list[tuple[LinkKind, Any]] = []
        level = [id]
        while level:
            following: list[UUID] = []
            for item in self._links.incoming(transaction, level):
                kind = self._links.kind(transaction, item.kind)
                if kind.on_delete == "cascade" and item.source_id not in doomed:
                    doomed[item.source_id] = kind.type
                    following.append(item.source_id)
                elif kind.on_delete == "restrict":
                    restricting.append((kind, item))
                elif kind.on_delete == "nullify":
                    nullified.append((kind, item))
            level = following
        blocked = Counter(kind.kind for kind, item in restricting if item.source_id not in doomed)
        if blocked:
            told = ", ".join(f"{count} by {kind}" for kind, count in sorted(blocked.items()))
            raise RestrictedError(
                f"{compiled.name} {id} can't be deleted while it is referred to ({told}); delete or re-point those first",
                referrers=dict(blocked),
            )
        return doomed, nullified

    def _nullify(self, transaction: Transaction, items: list[tuple[LinkKind, Any]]) -> None:
        """Drop links, and empty the fields that were such links."""
        self._links.remove(transaction, [item.id for _, item in items])
        fields: dict[str, dict[UUID, list[str]]] = {}
        for kind, item in items:
            if kind.is_field:
                fields.setdefault(kind.type, {}).setdefault(item.source_id, []).append(kind.name)
        for name, sources in fields.items():
            type_ = self._types.for_writing(transaction, name)
            rows = self._records.get_many(transaction, type_, list(sources), lock=True)
            changes = []
            for row in rows.values():
                data = self._records.data(transaction, type_, row)
                emptied = type_.check_changes(dict.fromkeys(sources[row.id]), data, transaction._database.clock.now())
                content = self._records.content(transaction, type_, row.id, emptied)
                changes.append({"key": row.id, "expected": row.version, **content})
            self._records.write(transaction, type_, changes)
            for row in rows.values():
                transaction.publish(EntityUpdated(type=name, id=row.id, version=row.version + 1, fields=tuple(sources[row.id])))


def _by_type(ids: dict[UUID, str]) -> dict[str, list[UUID]]:
    grouped: dict[str, list[UUID]] = {}
    for id, name in ids.items():
        grouped.setdefault(name, []).append(id)
    return grouped
