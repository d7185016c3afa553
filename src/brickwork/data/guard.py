"""The guard at execute: no statement that touches a tenant table runs unless it is held to the transaction's tenant.

The ORM's criteria cover ORM statements. Everything else (Core selects, bulk updates by primary key, upserts, inserts,
text) passes here, where the statement's structure is checked once and its tenant parameters on each execution. This is
the first fence; row-level security on PostgreSQL and triggers on SQLite are the second, and know nothing of this one.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import attrs
from sqlalchemy import BindParameter, Connection, Delete, Insert, Select, Table, TextClause, Update
from sqlalchemy.sql import ClauseElement, operators, visitors
from sqlalchemy.sql.elements import BinaryExpression, BooleanClauseList, ColumnElement, Grouping
from sqlalchemy.sql.selectable import CTE, Alias, CompoundSelect, FromClause, Join, SelectBase, Subquery

from brickwork.data.models import Base, is_tenant_table, scope_of
from brickwork.errors import CrossTenantError, MissingTenantError, UnscopedStatementError

#: Execution option that marks a statement whose tenant criteria the ORM session has already added.
CHECKED = "brickwork_checked"
#: Execution option, set for the length of an audited block, under which raw statements pass.
UNSCOPED = "brickwork_unscoped"

_MEND = (
    "add `.where(table.c.tenant_id == tenant)` for each tenant table, use the ORM, or wrap it in "
    "`with transaction.unscoped(reason=...)`"
)


@attrs.frozen
class Scope:
    """What a connection may touch: one tenant's rows, or every row where `system` is true."""

    tenant: str | None
    system: bool = False


@attrs.frozen
class Verdict:
    """The parameters that must equal the tenant each time the statement runs; `touches` names a tenant table or None."""

    touches: str | None = None
    binds: tuple[BindParameter[Any], ...] = ()
    inserts: bool = False


_verdicts: WeakKeyDictionary[ClauseElement, Verdict] = WeakKeyDictionary()


def before_execute(
    connection: Connection,
    statement: Any,
    multiparams: Sequence[Mapping[str, Any]],
    params: Mapping[str, Any],
    execution_options: Mapping[str, Any],
) -> None:
    """SQLAlchemy's event: raise unless `statement` is held to the connection's tenant."""
    if execution_options.get(CHECKED) or execution_options.get(UNSCOPED):
        return
    scope: Scope | None = scope_of(connection)
    if scope is not None and scope.system:
        return
    verdict = _verdicts.get(statement)
    if verdict is None:
        verdict = judge(statement)
        _verdicts[statement] = verdict
    if verdict.touches is None:
        return
    if scope is None or scope.tenant is None:
        raise MissingTenantError(f"a statement touches tenant table {verdict.touches!r} outside a tenant's transaction")
    for given in multiparams or (params,):
        _check_parameters(verdict, given, scope.tenant)


def before_cursor_execute(
    connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
) -> None:
    """SQLAlchemy's event for driver-level SQL (`exec_driver_sql`), which never passes `before_execute`."""
    if context is None or context.compiled is not None or context.execution_options.get(UNSCOPED):
        return
    scope: Scope | None = scope_of(connection)
    if scope is not None and scope.system:
        return
    _refuse_text(statement)


def judge(statement: Any, *, orm_checked: bool = False) -> Verdict:
    """What must hold for `statement`; raises `UnscopedStatementError` if nothing can make it safe.

    With `orm_checked`, tables that the ORM itself brought in are passed over: loader criteria hold those.
    """
    if isinstance(statement, TextClause):
        _refuse_text(statement.text)
        return Verdict()
    if not isinstance(statement, ClauseElement):
        return Verdict()
    judge_ = _Judge(orm_checked)
    judge_.statement(statement, outer=frozenset())
    return Verdict(judge_.touched, tuple(judge_.binds), isinstance(statement, Insert))


def _check_parameters(verdict: Verdict, given: Mapping[str, Any], tenant: str) -> None:
    for bind in verdict.binds:
        value = given.get(bind.key, bind.effective_value) if given else bind.effective_value
        if value != tenant:
            raise CrossTenantError(f"a statement on {verdict.touches!r} is held to another tenant than the context's")
    if verdict.inserts and given and given.get("tenant_id", tenant) != tenant:
        raise CrossTenantError(f"an insert into {verdict.touches!r} carries another tenant than the context's")


@lru_cache(maxsize=8)
def _table_names(_: int) -> re.Pattern[str]:
    names = [re.escape(table.name) for table in Base.metadata.tables.values() if is_tenant_table(table)]
    return re.compile(rf"\b({'|'.join(names)})\b", re.IGNORECASE) if names else re.compile(r"(?!)")


def _refuse_text(text: str) -> None:
    found = _table_names(len(Base.metadata.tables)).search(text)
    if found:
        raise UnscopedStatementError(
            f"raw SQL touches tenant table {found.group(1)!r}; wrap it in `with transaction.unscoped(reason=...)`"
        )


class _Judge:
    """Walks one statement and collects what holds its tenant tables."""

    def __init__(self, orm_checked: bool) -> None:
        self.orm_checked = orm_checked
        self.touched: str | None = None
        self.binds: list[BindParameter[Any]] = []
        self._seen: set[int] = set()

    def statement(self, statement: ClauseElement, outer: frozenset[FromClause]) -> None:
        if id(statement) in self._seen:
            return
        self._seen.add(id(statement))
        if isinstance(statement, Select):
            self._select(statement, outer)
        elif isinstance(statement, CompoundSelect):
            for part in statement.selects:
                self.statement(part, outer)
        elif isinstance(statement, (Update, Delete)):
            self._write(statement)
        elif isinstance(statement, Insert):
            self._insert(statement)
        elif isinstance(statement, (Grouping, Subquery, CTE)):
            self.statement(statement.element, outer)
        else:
            self._nested(statement, outer)

    def _select(self, select: Select[Any], outer: frozenset[FromClause]) -> None:
        froms = [source for source in select.get_final_froms() if source not in outer]
        if not froms:
            froms = list(select.get_final_froms())
        conditions = list(_conjuncts(select.whereclause))
        self._sources(froms, conditions, outer)
        parts: list[ClauseElement] = [*select.selected_columns, *conditions, *froms]
        parts += [part for part in (*select._group_by_clauses, *select._order_by_clauses, *select._having_criteria)]
        inner = outer | frozenset(_leaves(froms))
        for part in parts:
            self._nested(part, inner)

    def _write(self, statement: Update | Delete) -> None:
        conditions = [c for criterion in statement._where_criteria for c in _conjuncts(criterion)]
        sources: list[FromClause] = [statement.table]
        for condition in conditions:
            sources += [t for t in _tables_in(condition) if t not in sources]
        self._sources(sources, conditions, frozenset())
        for condition in conditions:
            self._nested(condition, frozenset(sources))
        for value in getattr(statement, "_values", None) or {}:
            self._tenant_value(statement, value, (statement._values or {})[value])
        for value in dict(getattr(statement, "_values", None) or {}).values():
            if isinstance(value, ClauseElement):
                self._nested(value, frozenset(sources))

    def _insert(self, statement: Insert) -> None:
        if isinstance(statement.table, Table) and is_tenant_table(statement.table):
            self.touched = statement.table.name
        rows: list[Mapping[Any, Any]] = [statement._values] if statement._values else []
        for group in statement._multi_values:
            rows += [row if isinstance(row, Mapping) else dict(zip(statement.table.c, row, strict=False)) for row in group]
        for row in rows:
            for column, value in row.items():
                self._tenant_value(statement, column, value)
        if statement.select is not None:
            self.statement(statement.select, frozenset())

    def _tenant_value(self, statement: Any, column: Any, value: Any) -> None:
        name = column if isinstance(column, str) else getattr(column, "key", None)
        if name != "tenant_id" or not self.touched:
            return
        if isinstance(value, BindParameter):
            self.binds.append(value)
        elif isinstance(value, ClauseElement):
            raise UnscopedStatementError(f"a write to {self.touched!r} computes tenant_id; leave it out, it is stamped")
        else:
            self.binds.append(BindParameter(None, value))

    def _sources(self, froms: list[FromClause], conditions: list[ClauseElement], outer: frozenset[FromClause]) -> None:
        """Check that each tenant table among `froms` is equated with the tenant or with one that is."""
        general = list(conditions)
        sided: list[tuple[frozenset[FromClause], list[ClauseElement]]] = []
        _unjoin(froms, general, sided)
        need = [leaf for leaf in _leaves(froms) if self._needs_tenant(leaf)]
        held: set[FromClause] = {leaf for leaf in outer}
        held |= {leaf for leaf in _leaves(froms) if isinstance(leaf, (Subquery, CTE))}
        changed = True
        while changed:
            before = len(held)
            self._hold(general, held, None)
            for side, on in sided:
                self._hold(on, held, side)
            changed = len(held) > before
        for leaf in need:
            if leaf not in held:
                raise UnscopedStatementError(f"a statement touches tenant table {_name(leaf)!r} for every tenant; {_MEND}")

    def _hold(self, conditions: Sequence[ClauseElement], held: set[FromClause], only: frozenset[FromClause] | None) -> None:
        for left, right in _tenant_equations(conditions):
            for column, other in ((left, right), (right, left)):
                owner = _owner(column)
                if owner is None or owner in held or (only is not None and owner not in only):
                    continue
                if isinstance(other, BindParameter):
                    self.binds.append(other)
                    held.add(owner)
                elif _owner(other) in held:
                    held.add(owner)

    def _needs_tenant(self, leaf: FromClause) -> bool:
        table = leaf.element if isinstance(leaf, Alias) else leaf
        if self.orm_checked and ("parententity" in leaf._annotations or "parententity" in table._annotations):
            return False
        if isinstance(table, TextClause):
            _refuse_text(table.text)
        if isinstance(table, Table) and is_tenant_table(table):
            self.touched = self.touched or table.name
            return True
        return False

    def _nested(self, element: ClauseElement, outer: frozenset[FromClause]) -> None:
        """Judge the selects and texts that lie inside `element`."""
        stack: list[Any] = [element]
        while stack:
            part = stack.pop()
            if isinstance(part, TextClause):
                _refuse_text(part.text)
            elif isinstance(part, (SelectBase, Subquery, CTE)):
                self.statement(part, outer)
            elif not isinstance(part, Table):
                stack.extend(part.get_children())


def _conjuncts(clause: Any) -> Iterator[ClauseElement]:
    if clause is None:
        return
    if isinstance(clause, Grouping):
        yield from _conjuncts(clause.element)
    elif isinstance(clause, BooleanClauseList) and clause.operator is operators.and_:
        for part in clause.clauses:
            yield from _conjuncts(part)
    else:
        yield clause


def _unjoin(
    froms: Sequence[FromClause],
    general: list[ClauseElement],
    sided: list[tuple[frozenset[FromClause], list[ClauseElement]]],
) -> None:
    """Sort ON clauses: an inner join's restrict both sides, a left join's only its right side, a full join's neither."""
    for source in froms:
        if isinstance(source, Join):
            on = list(_conjuncts(source.onclause))
            if source.full:
                pass
            elif source.isouter:
                sided.append((frozenset(_leaves([source.right])), on))
            else:
                general.extend(on)
            _unjoin([source.left, source.right], general, sided)


def _leaves(froms: Sequence[FromClause]) -> Iterator[FromClause]:
    for source in froms:
        if isinstance(source, Join):
            yield from _leaves([source.left, source.right])
        else:
            yield source


def _tenant_equations(conditions: Sequence[ClauseElement]) -> Iterator[tuple[Any, Any]]:
    for condition in conditions:
        if isinstance(condition, BinaryExpression) and condition.operator is operators.eq:
            left, right = condition.left, condition.right
            if any(getattr(side, "key", None) == "tenant_id" and _owner(side) is not None for side in (left, right)):
                yield left, right


def _owner(column: Any) -> FromClause | None:
    table = getattr(column, "table", None) if isinstance(column, ColumnElement) else None
    return table if table is not None and getattr(column, "key", None) == "tenant_id" else None


def _tables_in(element: ClauseElement) -> Iterator[FromClause]:
    for part in visitors.iterate(element):
        table = getattr(part, "table", None)
        if isinstance(table, (Table, Alias)):
            yield table


def _name(leaf: FromClause) -> str:
    table = leaf.element if isinstance(leaf, Alias) else leaf
    return str(getattr(table, "name", leaf))
