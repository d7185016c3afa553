"""The SQL of links: reference fields and declared relations are rows of one table, named "type.name"."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import attrs
from sqlalchemy import String, Uuid, bindparam, delete, insert, select

from brickwork.data.transaction import Transaction
from brickwork.entities.compiled import CompiledType, Data
from brickwork.entities.models import EntityLinkRow, record
from brickwork.entities.repository import BATCH, Records
from brickwork.entities.types import EntityTypes
from brickwork.errors import BrokenReferenceError, ConflictError, DuplicateError, Problem
from brickwork.kernel.ids import uuid7

link: Any = EntityLinkRow.__table__

_TENANT = link.c.tenant_id == bindparam("tenant", type_=String())
_SOURCES = link.c.source_id.in_(bindparam("sources", expanding=True, type_=Uuid()))
_DROP_REFERENCES = delete(link).where(_TENANT, _SOURCES, link.c.kind.in_(bindparam("kinds", expanding=True, type_=String())))
_TARGETS = select(record.c.id, record.c.type).where(
    record.c.tenant_id == bindparam("tenant", type_=String()),
    record.c.id.in_(bindparam("keys", expanding=True, type_=Uuid())),
    record.c.deleted_at.is_(None),
)
#: Links that point at records, from sources that are not deleted.
_INCOMING = (
    select(link.c.id, link.c.kind, link.c.source_id, link.c.target_id)
    .join(record, (record.c.tenant_id == link.c.tenant_id) & (record.c.id == link.c.source_id))
    .where(_TENANT, link.c.target_id.in_(bindparam("targets", expanding=True, type_=Uuid())), record.c.deleted_at.is_(None))
)


@attrs.frozen
class LinkKind:
    """What the definition of the source's type says of a kind of link."""

    type: str
    name: str
    target: str
    on_delete: str
    is_field: bool
    one_target: bool = False
    one_source: bool = False

    @property
    def kind(self) -> str:
        return f"{self.type}.{self.name}"


def kind_of(compiled: CompiledType, name: str) -> LinkKind | None:
    """The kind of link that a field or relation of the type is."""
    field = compiled.references.get(name)
    if field is not None:
        return LinkKind(compiled.name, name, field.target, field.on_delete, True, one_target=True)
    relation = compiled.definition.relations.get(name)
    if relation is None:
        return None
    return LinkKind(
        compiled.name,
        name,
        relation.target,
        relation.on_delete,
        False,
        one_target=relation.cardinality in ("many_to_one", "one_to_one"),
        one_source=relation.cardinality in ("one_to_many", "one_to_one"),
    )


class Links:
    """Writes links and finds out what hangs on a record."""

    def __init__(self, records: Records, types: EntityTypes) -> None:
        self._records = records
        self._types = types

    def set_references(
        self, transaction: Transaction, compiled: CompiledType, rows: Sequence[tuple[UUID, Data]], *, replace: bool = False
    ) -> None:
        """Make the links of reference fields fit the records' data; raises `BrokenReferenceError` naming the field."""
        self.check_targets(transaction, compiled, [data for _, data in rows])
        kinds = {name: f"{compiled.name}.{name}" for name in compiled.references}
        if replace:
            for start in range(0, len(rows), BATCH):
                sources = [id for id, _ in rows[start : start + BATCH]]
                transaction.execute(
                    _DROP_REFERENCES, {"tenant": transaction.tenant, "sources": sources, "kinds": list(kinds.values())}
                )
        self.add(
            transaction,
            [
                (LinkKind(compiled.name, name, field.target, field.on_delete, True, one_target=True), id, UUID(data[name]), None)
                for id, data in rows
                for name, field in compiled.references.items()
                if data.get(name)
            ],
        )

    def check_targets(self, transaction: Transaction, compiled: CompiledType, rows: Iterable[Data]) -> None:
        """Raise `BrokenReferenceError` unless every reference names a live record of the right type."""
        wanted = {
            (name, data[name]): field.target for data in rows for name, field in compiled.references.items() if data.get(name)
        }
        kinds = self.types_of(transaction, {UUID(id) for _, id in wanted})
        problems = [
            Problem(f"there is no {target} {id}", name, "broken_reference")
            for (name, id), target in wanted.items()
            if kinds.get(UUID(id)) != target
        ]
        if problems:
            told = "; ".join(f"{p.field}: {p.message}" for p in problems[:5])
            raise BrokenReferenceError(f"{compiled.name}: {told}", problems=problems)

    def types_of(self, transaction: Transaction, ids: Iterable[UUID]) -> dict[UUID, str]:
        """The types of the live records among `ids`."""
        keys, found = list(ids), dict[UUID, str]()
        for start in range(0, len(keys), BATCH):
            rows = transaction.execute(_TARGETS, {"tenant": transaction.tenant, "keys": keys[start : start + BATCH]})
            found.update({row.id: row.type for row in rows})
        return found

    def add(self, transaction: Transaction, items: Sequence[tuple[LinkKind, UUID, UUID, dict[str, Any] | None]]) -> list[UUID]:
        """Store links (kind, source, target, attributes); raises `ConflictError` where a cardinality forbids one."""
        now, actor = transaction._database.clock.now(), transaction.context.actor
        rows: list[dict[str, Any]] = [
            {
                "tenant_id": transaction.tenant,
                "id": uuid7(),
                "kind": kind.kind,
                "source_id": source,
                "target_id": target,
                "source_one": source if kind.one_target else None,
                "target_one": target if kind.one_source else None,
                "attributes": attributes,
                "created_at": now,
                "created_by": actor,
            }
            for kind, source, target, attributes in items
        ]
        if not rows:
            return []
        try:
            transaction.execute(insert(link), rows if len(rows) > 1 else rows[0])
        except DuplicateError as error:
            raise _taken(items[0][0], error) from None
        return [row["id"] for row in rows]

    def incoming(self, transaction: Transaction, targets: Sequence[UUID]) -> list[Any]:
        """Links from live records to `targets`."""
        found: list[Any] = []
        for start in range(0, len(targets), BATCH):
            keys = list(targets[start : start + BATCH])
            found += transaction.execute(_INCOMING, {"tenant": transaction.tenant, "targets": keys})
        return found

    def remove(self, transaction: Transaction, ids: Sequence[UUID]) -> None:
        """Drop links by id."""
        for start in range(0, len(ids), BATCH):
            keys = list(ids[start : start + BATCH])
            transaction.execute(delete(link).where(link.c.tenant_id == transaction.tenant, link.c.id.in_(keys)))

    def kind(self, transaction: Transaction, name: str) -> LinkKind:
        """The kind named "type.name", as the type's definition has it now."""
        type_name, _, part = name.partition(".")
        found = kind_of(self._types.for_reading(transaction, type_name), part)
        # a relation that a later definition dropped: its stored links protect nothing
        return found or LinkKind(type_name, part, "", "nullify", False)


def _taken(kind: LinkKind, error: DuplicateError) -> ConflictError:
    names = str(error.details.get("constraint") or "") + ",".join(map(str, error.details.get("columns") or []))  # type: ignore[call-overload]
    if "source_one" in names:
        return ConflictError(f"{kind.kind}: the source has its one {kind.target} already", field=kind.name)
    if "target_one" in names:
        return ConflictError(f"{kind.kind}: the {kind.target} is taken by another {kind.type}", field=kind.name)
    return DuplicateError(f"{kind.kind}: these two are linked already", field=kind.name)
