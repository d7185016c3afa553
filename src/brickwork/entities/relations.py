"""`platform.entities.relations`: the graph of records, over declared relations and reference fields alike.

Walks are one recursive query each, whatever their depth; deleted records neither appear nor are passed through.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NotRequired
from uuid import UUID

import attrs
from pydantic import TypeAdapter
from pydantic import ValidationError as PydanticError
from sqlalchemy import Integer, Select, String, and_, bindparam, case, func, literal, not_, or_, select, type_coerce, update

from brickwork.data import Page
from brickwork.data.pagination import cut, decode_cursor, encode_cursor
from brickwork.data.transaction import Transaction
from brickwork.entities.compiled import CompiledType
from brickwork.entities.links import LinkKind, kind_of, link
from brickwork.entities.models import record
from brickwork.entities.record import EntityRef, Record
from brickwork.entities.values import annotation, typed_dict
from brickwork.errors import BrokenReferenceError, NotFoundError, Problem, ValidationError

if TYPE_CHECKING:
    from brickwork.entities.links import Links
    from brickwork.entities.service import Entities

Direction = Literal["out", "in", "both"]
MAX_DEPTH = 10
MAX_NODES = 10_000


@attrs.frozen
class Link:
    """A directed link between two records."""

    id: UUID
    kind: str
    source: UUID
    target: UUID
    attributes: dict[str, Any]
    created_at: datetime
    created_by: str


@attrs.frozen
class Node:
    """A record met on a walk: its shortest `depth` from the start, and the ids on that way, start and record included."""

    ref: EntityRef
    depth: int
    path: tuple[UUID, ...]


class Relations:
    """Links records and walks the graph. Records are named by `EntityRef`, `record.ref` or text like "patient:0192…"."""

    def __init__(self, entities: "Entities", links: "Links") -> None:
        self._entities = entities
        self._database = entities._database
        self._types = entities.types
        self._records = entities._records
        self._guard = entities._guard
        self._links = links

    # -- links -----------------------------------------------------------------------------------------------------

    def link(
        self,
        source: EntityRef | str,
        relation: str,
        target: EntityRef | str,
        attributes: Mapping[str, Any] | None = None,
    ) -> UUID:
        """Link two records by a relation of the source's type; returns the link's id.

        Raises `ConflictError` where the cardinality is used up, `BrokenReferenceError` where the target is missing.
        """
        start, end = _ref(source), _ref(target)
        with self._database.transaction() as transaction:
            compiled = self._types.for_writing(transaction, start.type)
            kind = self._declared(compiled, relation)
            self._check_ends(transaction, start, end)
            self._records.get(transaction, compiled, start.id)
            found = self._links.types_of(transaction, [end.id])
            if found.get(end.id) != kind.target or end.type != kind.target:
                raise BrokenReferenceError(f"{kind.kind}: there is no {kind.target} {end.id}", field=relation)
            checked = _check_attributes(compiled, relation, attributes or {})
            return self._links.add(transaction, [(kind, start.id, end.id, checked or None)])[0]

    def unlink(self, source: EntityRef | str, relation: str, target: EntityRef | str) -> None:
        """Remove a link; raises `NotFoundError` if there is none."""
        start, end = _ref(source), _ref(target)
        with self._database.transaction() as transaction:
            self._declared(self._types.for_writing(transaction, start.type), relation)
            self._check_ends(transaction, start)
            self._links.remove(transaction, [self._find(transaction, start, relation, end)])

    def set_attributes(
        self, source: EntityRef | str, relation: str, target: EntityRef | str, attributes: Mapping[str, Any]
    ) -> None:
        """Replace the attributes of a link."""
        start, end = _ref(source), _ref(target)
        with self._database.transaction() as transaction:
            compiled = self._types.for_writing(transaction, start.type)
            self._declared(compiled, relation)
            self._check_ends(transaction, start)
            checked = _check_attributes(compiled, relation, attributes)
            key = self._find(transaction, start, relation, end)
            statement = update(link).where(link.c.tenant_id == transaction.tenant, link.c.id == key)
            transaction.execute(statement.values(attributes=checked or None))

    def links(
        self,
        of: EntityRef | str,
        relation: str | None = None,
        *,
        direction: Direction = "out",
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[Link]:
        """Links of a record to and from live records, the oldest first. `relation` is "type.name", or a name of its type."""
        ref = _ref(of)
        cut(limit, 500)
        with self._database.transaction(readonly=True) as transaction:
            self._seen(transaction, ref)
            kinds = self._kinds(transaction, ref, [relation] if relation else None)
            other = _other_end(direction, ref.id)
            statement = (
                select(link)
                .join(record, and_(record.c.tenant_id == link.c.tenant_id, record.c.id == other))
                .where(link.c.tenant_id == transaction.tenant, _touching(direction, ref.id), record.c.deleted_at.is_(None))
                .order_by(link.c.id)
                .limit(limit + 1)
            )
            if kinds:
                statement = statement.where(link.c.kind.in_(kinds))
            if cursor:
                statement = statement.where(link.c.id > UUID(str(decode_cursor(cursor, "links")[0])))
            rows = transaction.execute(statement).all()
            ends = {(row.target_id if row.source_id == ref.id else row.source_id) for row in rows}
            hidden = self._hidden(transaction, ends)
        items = [
            Link(r.id, r.kind, r.source_id, r.target_id, r.attributes or {}, r.created_at, r.created_by)
            for r in rows[:limit]
            if r.source_id not in hidden and r.target_id not in hidden
        ]
        return Page(items, encode_cursor("links", [rows[limit - 1].id]) if len(rows) > limit else None)

    # -- walks -----------------------------------------------------------------------------------------------------

    def neighbours(
        self, of: EntityRef | str, relations: Sequence[str] | None = None, *, direction: Direction = "both", limit: int = 500
    ) -> list[Node]:
        """The records one link away."""
        return self.subtree(of, relations, direction=direction, depth=1, limit=limit)

    def subtree(
        self,
        of: EntityRef | str,
        relations: Sequence[str] | None = None,
        *,
        direction: Direction = "out",
        depth: int = 3,
        limit: int = 1_000,
    ) -> list[Node]:
        """The records within `depth` links (1 to 10), the nearest first, each once, at most `limit` (10,000)."""
        ref = _ref(of)
        _check_depth(depth)
        cut(limit, MAX_NODES)
        with self._database.transaction(readonly=True) as transaction:
            self._exists(transaction, ref)
            kinds = self._kinds(transaction, ref, relations)
            statement = _walk(direction, bool(kinds), False, transaction.connection.dialect.name)
            rows = transaction.execute(statement, _parameters(transaction, ref.id, kinds, depth, limit * 4)).all()
            hidden = self._hidden(transaction, {row.id for row in rows})
        nodes: dict[UUID, Node] = {}
        for row in rows:
            if row.id != ref.id and row.id not in nodes and len(nodes) < limit and hidden.isdisjoint(_path(row.path)):
                nodes[row.id] = Node(EntityRef(row.type, row.id), row.depth, _path(row.path))
        return list(nodes.values())

    def paths(
        self,
        source: EntityRef | str,
        target: EntityRef | str,
        relations: Sequence[str] | None = None,
        *,
        direction: Direction = "both",
        depth: int = 5,
        limit: int = 10,
    ) -> list[tuple[UUID, ...]]:
        """Ways from one record to another without a loop, the shortest first: the ids on each, both ends included."""
        start, end = _ref(source), _ref(target)
        _check_depth(depth)
        cut(limit, 100)
        with self._database.transaction(readonly=True) as transaction:
            self._exists(transaction, start)
            kinds = self._kinds(transaction, start, relations)
            statement = _walk(direction, bool(kinds), True, transaction.connection.dialect.name)
            parameters = {**_parameters(transaction, start.id, kinds, depth, limit), "goal": end.id}
            found = [_path(row.path) for row in transaction.execute(statement, parameters)]
            hidden = self._hidden(transaction, {id for path in found for id in path})
            return [path for path in found if hidden.isdisjoint(path)]

    # -- inside ----------------------------------------------------------------------------------------------------

    def _declared(self, compiled: CompiledType, relation: str) -> LinkKind:
        kind = kind_of(compiled, relation)
        if kind is None:
            known = ", ".join(compiled.definition.relations) or "none"
            raise ValidationError(f"{compiled.name} has no relation {relation!r}; it has {known}", field="relation")
        if kind.is_field:
            raise ValidationError(f"{kind.kind} is a reference field; update the record instead", field="relation")
        return kind

    def _find(self, transaction: Transaction, start: EntityRef, relation: str, end: EntityRef) -> UUID:
        found = transaction.execute(
            select(link.c.id).where(
                link.c.tenant_id == transaction.tenant,
                link.c.source_id == start.id,
                link.c.kind == f"{start.type}.{relation}",
                link.c.target_id == end.id,
            )
        ).scalar_one_or_none()
        if found is None:
            raise NotFoundError(f"{start} and {end} are not linked by {relation!r}")
        key: UUID = found
        return key

    def _kinds(self, transaction: Transaction, ref: EntityRef, relations: Sequence[str] | None) -> list[str]:
        kinds = []
        for name in relations or ():
            type_name, _, part = name.rpartition(".")
            compiled = self._types.for_reading(transaction, type_name or ref.type)
            if kind_of(compiled, part) is None:
                raise ValidationError(f"{compiled.name} has no relation or reference {part!r}", field="relation")
            kinds.append(f"{compiled.name}.{part}")
        return kinds

    def _exists(self, transaction: Transaction, ref: EntityRef) -> None:
        self._records.get(transaction, self._types.for_reading(transaction, ref.type), ref.id)
        self._seen(transaction, ref)

    def _seen(self, transaction: Transaction, ref: EntityRef) -> None:
        """Raise unless the caller may see the record."""
        if self._guard.holds(ref.type, "read") is not None:
            self._guard.seen(self._record(transaction, ref))

    def _check_ends(self, transaction: Transaction, start: EntityRef, end: EntityRef | None = None) -> None:
        """Raise unless the caller may change the one and see the other."""
        if self._guard.holds(start.type, "update") is not None:
            self._guard.check(self._record(transaction, start), "update")
            if end is not None:
                self._seen(transaction, end)

    def _record(self, transaction: Transaction, ref: EntityRef) -> Record:
        compiled = self._types.for_reading(transaction, ref.type)
        return self._records.record(transaction, compiled, self._records.get(transaction, compiled, ref.id))

    def _hidden(self, transaction: Transaction, ids: set[UUID]) -> set[UUID]:
        """Those that the caller may not see: a query for each of their types."""
        access = self._guard.access()
        if access is None or not ids:
            return set()
        hidden: set[UUID] = set()
        by_type: dict[str, list[UUID]] = {}
        for id, type in self._links.types_of(transaction, list(ids)).items():
            by_type.setdefault(type, []).append(id)
        for type, some in by_type.items():
            if not access.holds(f"entities.{type}.read"):
                hidden.update(some)
            elif not access.everywhere(f"entities.{type}.read"):
                hidden.update(set(some) - self._entities._get_visible(type, some).keys())
        return hidden


def _ref(of: EntityRef | str) -> EntityRef:
    return EntityRef.parse(of) if isinstance(of, str) else of


def _check_depth(depth: int) -> None:
    if not 1 <= depth <= MAX_DEPTH:
        raise ValidationError(f"depth is {depth}; it takes 1 to {MAX_DEPTH}", field="depth")


def _touching(direction: Direction, id: UUID) -> Any:
    if direction == "both":
        return or_(link.c.source_id == id, link.c.target_id == id)
    return (link.c.source_id if direction == "out" else link.c.target_id) == id


def _other_end(direction: Direction, id: UUID) -> Any:
    if direction == "both":
        return case((link.c.source_id == id, link.c.target_id), else_=link.c.source_id)
    return link.c.target_id if direction == "out" else link.c.source_id


@lru_cache(maxsize=32)
def _walk(direction: Direction, some: bool, goal: bool, dialect: str) -> Select[Any]:
    """The recursive query: breadth first, the ids of each way kept as text so that no way runs in a circle."""
    tenant = bindparam("tenant", type_=String())
    start = bindparam("start", type_=record.c.id.type)
    begin = _as_text(start, dialect)
    base = select(
        record.c.id.label("id"), literal(0, Integer()).label("depth"), (literal("/") + begin + literal("/")).label("path")
    ).where(record.c.tenant_id == tenant, record.c.id == start)
    walk = base.cte("walk", recursive=True)
    steps = [_step(walk, tenant, some, dialect, outward) for outward in _ways(direction)]
    walk = walk.union_all(*steps)
    found = (
        select(record.c.id, record.c.type, walk.c.depth, walk.c.path)
        .join(walk, and_(walk.c.id == record.c.id))
        .where(record.c.tenant_id == tenant, walk.c.depth > 0)
        .order_by(walk.c.depth, walk.c.path)
        .limit(bindparam("limit", type_=Integer()))
    )
    return found.where(record.c.id == bindparam("goal", type_=record.c.id.type)) if goal else found


def _ways(direction: Direction) -> list[bool | None]:
    """PostgreSQL allows the recursive table once in a query, so both directions are one step with a CASE."""
    return {"out": [True], "in": [False], "both": [None]}[direction]  # type: ignore[return-value]


def _step(walk: Any, tenant: Any, some: bool, dialect: str, outward: bool | None) -> Select[Any]:
    nearer, farther = link.c.source_id, link.c.target_id
    if outward is False:
        nearer, farther = farther, nearer
    if outward is None:
        meets: Any = or_(link.c.source_id == walk.c.id, link.c.target_id == walk.c.id)
        farther = case((link.c.source_id == walk.c.id, link.c.target_id), else_=link.c.source_id)
    else:
        meets = nearer == walk.c.id
    step = (
        select(farther.label("id"), walk.c.depth + 1, walk.c.path + _as_text(farther, dialect) + literal("/"))
        .select_from(walk)
        .join(link, and_(link.c.tenant_id == tenant, meets))
        .join(record, and_(record.c.tenant_id == tenant, record.c.id == farther, record.c.deleted_at.is_(None)))
        .where(
            walk.c.depth < bindparam("depth", type_=Integer()),
            not_(_holds(walk.c.path, _as_text(farther, dialect), dialect)),
        )
    )
    return step.where(link.c.kind.in_(bindparam("kinds", expanding=True, type_=String()))) if some else step


def _as_text(column: Any, dialect: str) -> Any:
    """An id as text: SQLite keeps it as such."""
    return column.cast(String(36)) if dialect == "postgresql" else type_coerce(column, String())


def _holds(path: Any, part: Any, dialect: str) -> Any:
    wrapped = literal("/") + part + literal("/")
    return (func.strpos(path, wrapped) if dialect == "postgresql" else func.instr(path, wrapped)) > 0


def _path(text: str) -> tuple[UUID, ...]:
    return tuple(UUID(part) for part in text.strip("/").split("/"))


def _parameters(transaction: Transaction, start: UUID, kinds: list[str], depth: int, limit: int) -> dict[str, Any]:
    parameters: dict[str, Any] = {"tenant": transaction.tenant, "start": start, "depth": depth, "limit": limit}
    return {**parameters, "kinds": kinds} if kinds else parameters


def _check_attributes(compiled: CompiledType, relation: str, given: Mapping[str, Any]) -> dict[str, Any]:
    fields = compiled.definition.relations[relation].attributes
    try:
        checked = _attribute_adapter(compiled, relation).validate_python(dict(given))
    except PydanticError as error:
        problems = [
            Problem(p["msg"].removeprefix("Value error, "), f"attributes.{p['loc'][0]}") for p in error.errors(include_url=False)
        ]
        raise ValidationError(f"{relation}: {problems[0].field}: {problems[0].message}", problems=problems) from None
    defaults = {n: f.default for n, f in fields.items() if f.default is not None}
    return {n: v for n, v in {**defaults, **checked}.items() if v is not None}


@lru_cache(maxsize=256)
def _attribute_adapter(compiled: CompiledType, relation: str) -> TypeAdapter[dict[str, Any]]:
    fields = compiled.definition.relations[relation].attributes
    shape = {
        n: annotation(f) if f.required and f.default is None else NotRequired[annotation(f) | None] for n, f in fields.items()
    }
    return typed_dict(relation, shape)
