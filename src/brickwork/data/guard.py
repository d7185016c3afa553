"""The guard at execute: no statement that touches a tenant table runs unless it is held to the transaction's tenant.

It judges what SQLAlchemy's compiler really renders, wherever it came from (the ORM with its loader criteria and eager
joins, Core, subqueries, upserts, text): each tenant table in a FROM must be equated with the tenant, or with a table that
is. That happens once a statement, since compiled statements are cached; each execution then only compares parameters.
This is the first fence; row-level security on PostgreSQL and triggers on SQLite are the second, and know nothing of it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import attrs
from sqlalchemy import BindParameter, Connection, Delete, Engine, Insert, Select, Table, Update
from sqlalchemy.sql import ClauseElement, operators
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import BinaryExpression, BooleanClauseList, ColumnElement, Grouping, Label
from sqlalchemy.sql.selectable import CTE, FromClause, FromGrouping, Join, Subquery
from sqlalchemy.sql.selectable import FromClauseAlias as AnyAlias

from brickwork.data.models import Base, is_tenant_table, scope_of
from brickwork.errors import CrossTenantError, MissingTenantError, UnscopedStatementError

#: Execution option, set for the length of an audited block, under which raw statements pass.
UNSCOPED = "brickwork_unscoped"

_MEND = (
    "add `.where(table.c.tenant_id == tenant)` for each tenant table, use the ORM, or wrap it in "
    "`with transaction.unscoped(reason=...)`"
)
#: How SQLAlchemy names the parameters that a write gives to the column: one row's, or those of several rows.
_STAMPED = re.compile(r"tenant_id(_m\d+)?\Z")


@attrs.frozen
class Scope:
    """What a connection may touch: one tenant's rows, or every row where `system` is true."""

    tenant: str | None
    system: bool = False


def watch(engine: Engine) -> None:
    """Let nothing through `engine` that is not held to its connection's scope."""
    from sqlalchemy import event

    own = engine.dialect.statement_compiler
    engine.dialect.statement_compiler = type("GuardedCompiler", (_Judge, own), {})
    event.listen(engine, "before_cursor_execute", _before_cursor_execute)


@attrs.define
class Verdict:
    """What was found when a statement was compiled."""

    #: A tenant table that the statement touches, or None.
    touches: str | None = None
    #: Why it may not run for one tenant, or None.
    fault: str | None = None
    #: Parameters of which one a group must equal the tenant each time it runs.
    holds: list[list[BindParameter[Any]]] = attrs.field(factory=list)
    #: Pieces of SQL that were given as text.
    texts: list[str] = attrs.field(factory=list)
    #: The names of `holds`, known when the statement is complete.
    names: tuple[tuple[str, ...], ...] | None = None


def _before_cursor_execute(
    connection: Connection, cursor: Any, statement: str, parameters: Any, context: Any, executemany: bool
) -> None:
    """SQLAlchemy's event: raise unless the statement is held to the connection's tenant."""
    if context is None or context.execution_options.get(UNSCOPED):
        return
    scope: Scope | None = scope_of(connection)
    if scope is not None and scope.system:
        return
    compiled = context.compiled
    if not isinstance(compiled, _Judge):
        _refuse_text(statement)
        return
    verdict = compiled.verdict
    for text in verdict.texts:
        _refuse_text(text)
    if verdict.touches is None:
        return
    if scope is None or scope.tenant is None:
        raise MissingTenantError(f"a statement touches tenant table {verdict.touches!r} outside a tenant's transaction")
    if verdict.fault is not None:
        raise UnscopedStatementError(f"{verdict.fault}; {_MEND}")
    if getattr(context, "brickwork_judged", False):
        return  # a batch of an insert whose parameters were all compared with the first batch
    for given in context.compiled_parameters:
        _check_parameters(compiled, given, scope.tenant)
    context.brickwork_judged = True


def _check_parameters(compiled: "_Judge", given: Mapping[str, Any], tenant: str) -> None:
    for names in compiled.tenant_names():
        if all(given.get(name) != tenant for name in names):
            raise CrossTenantError(
                f"a statement on {compiled.verdict.touches!r} is held to, or carries, another tenant than the context's"
            )


def tenant_parameters(compiled: Any) -> tuple[str, ...]:
    """The parameters of a compiled statement that must be the tenant; raises if it can't be held to one."""
    verdict: Verdict = compiled.verdict
    for text in verdict.texts:
        _refuse_text(text)
    if verdict.fault is not None:
        raise UnscopedStatementError(f"{verdict.fault}; {_MEND}")
    return tuple(names[0] for names in compiled.tenant_names())


@lru_cache(maxsize=8)
def _table_names(_: int) -> re.Pattern[str]:
    names = [re.escape(table.name) for table in Base.metadata.tables.values() if is_tenant_table(table)]
    return re.compile(rf"\b({'|'.join(names)})\b", re.IGNORECASE) if names else re.compile(r"(?!)")


@lru_cache(maxsize=4096)
def _named_in(text: str, tables: int) -> str | None:
    found = _table_names(tables).search(text)
    return found.group(1) if found else None


def _refuse_text(text: str) -> None:
    name = _named_in(text, len(Base.metadata.tables))
    if name:
        raise UnscopedStatementError(f"raw SQL touches tenant table {name!r}; wrap it in `with transaction.unscoped(reason=...)`")


class _Judge(SQLCompiler):
    """Mixed into a dialect's compiler; SQLAlchemy calls these methods at the moment each part is rendered.

    At that moment correlation is settled, ORM entities are tables, and loader criteria stand in WHERE and ON.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        self.verdict = Verdict()
        self._judged: set[Any] = set()
        super().__init__(*args, **options)

    def tenant_names(self) -> tuple[tuple[str, ...], ...]:
        """Groups of parameter names; one of each must equal the tenant."""
        if self.verdict.names is None:
            groups = [tuple(self.bind_names[bind] for bind in group) for group in self.verdict.holds]
            if self.isinsert or self.isupdate:
                groups += [(name,) for name in self.binds if _STAMPED.match(name)]
            self.verdict.names = tuple(dict.fromkeys(groups))
        return self.verdict.names

    # -- where tables come in --------------------------------------------------------------------------------------

    def _compose_select_body(
        self, text: Any, select: Select[Any], compile_state: Any, inner_columns: Any, froms: Any, *rest: Any
    ) -> Any:
        self._sources(froms, select._where_criteria)
        return super()._compose_select_body(text, select, compile_state, inner_columns, froms, *rest)  # type: ignore[no-untyped-call]

    def update_tables_clause(self, update_stmt: Update, from_table: Any, extra_froms: Any, **options: Any) -> Any:
        self._sources([from_table, *extra_froms], update_stmt._where_criteria)
        self._values(update_stmt, update_stmt._values or {})
        return super().update_tables_clause(update_stmt, from_table, extra_froms, **options)  # type: ignore[no-untyped-call]

    def delete_table_clause(self, delete_stmt: Delete, from_table: Any, extra_froms: Any, **options: Any) -> Any:
        self._sources([from_table, *extra_froms], delete_stmt._where_criteria)
        return super().delete_table_clause(delete_stmt, from_table, extra_froms, **options)  # type: ignore[no-untyped-call]

    def visit_insert(self, insert_stmt: Insert, *args: Any, **options: Any) -> Any:
        if _is_tenant(insert_stmt.table):
            self.verdict.touches = self.verdict.touches or str(getattr(insert_stmt.table, "name", ""))
            self._values(insert_stmt, insert_stmt._values or {})
            for group in insert_stmt._multi_values:
                for row in group:
                    named = row if isinstance(row, Mapping) else dict(zip(insert_stmt.table.c, row, strict=False))
                    self._values(insert_stmt, named)
            self._values_of_select(insert_stmt)
            clause = insert_stmt._post_values_clause
            self._values(insert_stmt, dict(getattr(clause, "update_values_to_set", None) or {}), upsert=True)
        return super().visit_insert(insert_stmt, *args, **options)  # type: ignore[no-untyped-call]

    def visit_table(self, table: Any, asfrom: bool = False, **options: Any) -> Any:  # type: ignore[override]
        if not isinstance(table, Table):
            self.verdict.texts.append(str(table.name))  # `table("name")` is text by another name
        elif asfrom and _is_tenant(table) and table not in self._judged:
            self._fault(table, f"a statement brings in tenant table {table.name!r} by a way that can't be judged")
        return super().visit_table(table, asfrom=asfrom, **options)  # type: ignore[no-untyped-call]

    # -- where text comes in ---------------------------------------------------------------------------------------

    def visit_textclause(self, textclause: Any, *args: Any, **options: Any) -> Any:
        self.verdict.texts.append(textclause.text)
        return super().visit_textclause(textclause, *args, **options)  # type: ignore[no-untyped-call]

    def visit_tstring(self, tstring: Any, *args: Any, **options: Any) -> Any:
        rendered = super().visit_tstring(tstring, *args, **options)  # type: ignore[no-untyped-call]
        self.verdict.texts.append(rendered)
        return rendered

    def escape_literal_column(self, text: str) -> str:
        self.verdict.texts.append(text)
        escaped: str = super().escape_literal_column(text)  # type: ignore[no-untyped-call]
        return escaped

    def get_statement_hint_text(self, hint_texts: Any) -> Any:
        self.verdict.texts.extend(hint_texts)
        return super().get_statement_hint_text(hint_texts)  # type: ignore[no-untyped-call]

    # -- the judgement ---------------------------------------------------------------------------------------------

    def _sources(self, froms: Iterable[FromClause], criteria: Sequence[Any]) -> None:
        """Check that each tenant table among `froms` is equated with the tenant or with one that is."""
        sources = list(froms)
        leaves = set(_leaves(sources))
        self._judged |= {_table_of(leaf) for leaf in leaves}
        need = [leaf for leaf in leaves if _is_tenant(_table_of(leaf))]
        if not need:
            return
        self.verdict.touches = self.verdict.touches or need[0].name  # type: ignore[attr-defined]
        general = [part for clause in criteria for part in _conjuncts(clause)]
        sided: list[tuple[frozenset[FromClause], list[ClauseElement]]] = []
        _unjoin(sources, general, sided)
        # tables of enclosing statements were, or will be, judged with them
        outer = {leaf for entry in self.stack for leaf in entry["correlate_froms"]} - leaves
        held = {leaf for leaf in outer if _is_tenant(_table_of(leaf))}
        equations = list(_equations(general, None))
        for side, conditions in sided:
            equations += _equations(conditions, side)
        for leaf in need:
            group = [other for owner, other in equations if owner == leaf and isinstance(other, BindParameter)]
            if group:
                self.verdict.holds.append(group)
                held.add(leaf)
        self._follow(equations, held)
        for leaf in need:
            if leaf not in held:
                self._fault(leaf, f"a statement touches tenant table {_table_of(leaf).name!r} for every tenant")

    def _follow(self, equations: Sequence[tuple[FromClause, Any]], held: set[FromClause]) -> None:
        """Add to `held` the tables whose tenant equals that of a held one, or of a derived table that is held inside."""
        before = -1
        while len(held) > before:
            before = len(held)
            for owner, other in equations:
                if owner in held:
                    continue
                if _owner(other) in held:
                    held.add(owner)
                elif (binds := _derived_from(other)) is not None:
                    self.verdict.holds += [[bind] for bind in binds]
                    held.add(owner)

    def _values(self, statement: Insert | Update, values: Mapping[Any, Any], *, upsert: bool = False) -> None:
        """A tenant is a parameter (compared at each execution) or, in an upsert, the one of the row that was refused."""
        for column, value in values.items():
            name = column if isinstance(column, str) else getattr(column, "key", None)
            if name != "tenant_id" or not _is_tenant(statement.table):
                continue
            kept = upsert and getattr(getattr(value, "table", None), "name", None) == "excluded" and value.key == name
            if not kept and (upsert or (isinstance(value, ClauseElement) and not isinstance(value, BindParameter))):
                self._fault(
                    statement.table, f"a write to {getattr(statement.table, 'name', '?')!r} computes tenant_id (leave it out)"
                )

    def _values_of_select(self, statement: Insert) -> None:
        names = list(statement._select_names or ())
        if statement.select is None or "tenant_id" not in names:
            return
        columns = list(getattr(statement.select, "selected_columns", ()))
        value = columns[names.index("tenant_id")] if len(columns) == len(names) else None
        value = value.element if isinstance(value, Label) else value
        if isinstance(value, BindParameter):
            self.verdict.holds.append([value])
        elif _owner(value) is None:
            self._fault(statement.table, f"an insert into {statement.table.name!r} computes tenant_id (leave it out)")

    def _fault(self, leaf: Any, fault: str) -> None:
        self.verdict.touches = self.verdict.touches or str(_table_of(leaf).name)
        self.verdict.fault = self.verdict.fault or fault


def _is_tenant(table: Any) -> bool:
    return isinstance(table, Table) and is_tenant_table(table)


def _table_of(leaf: Any) -> Any:
    """The table under aliases, samples and lateral brackets."""
    while isinstance(leaf, AnyAlias) and not isinstance(leaf, (Subquery, CTE)):
        leaf = leaf.element
    return leaf


def _conjuncts(clause: Any) -> Iterator[ClauseElement]:
    if isinstance(clause, Grouping):
        yield from _conjuncts(clause.element)
    elif isinstance(clause, BooleanClauseList) and clause.operator is operators.and_:
        for part in clause.clauses:
            yield from _conjuncts(part)
    elif clause is not None:
        yield clause


def _unjoin(
    froms: Sequence[FromClause],
    general: list[ClauseElement],
    sided: list[tuple[frozenset[FromClause], list[ClauseElement]]],
) -> None:
    """Sort ON clauses: an inner join's restrict both sides, a left join's only its right side, a full join's neither."""
    for source in froms:
        if isinstance(source, FromGrouping):
            _unjoin([source.element], general, sided)
        elif isinstance(source, Join):
            on = list(_conjuncts(source.onclause))
            if source.full:
                pass
            elif source.isouter:
                sided.append((frozenset(_leaves([source.right])), on))
            else:
                general.extend(on)
            _unjoin([source.left, source.right], general, sided)


def _leaves(froms: Iterable[FromClause]) -> Iterator[FromClause]:
    for source in froms:
        if isinstance(source, Join):
            yield from _leaves([source.left, source.right])
        elif isinstance(source, FromGrouping):
            yield from _leaves([source.element])
        else:
            yield source


def _equations(conditions: Sequence[Any], only: frozenset[FromClause] | None) -> Iterator[tuple[FromClause, Any]]:
    """Each table (of `only`, if given) whose tenant a condition equates with something, and that."""
    for condition in conditions:
        if isinstance(condition, BinaryExpression) and condition.operator is operators.eq:
            for column, other in ((condition.left, condition.right), (condition.right, condition.left)):
                owner = _owner(column)
                if owner is not None and (only is None or owner in only):
                    yield owner, other


def _derived_from(value: Any) -> list[BindParameter[Any]] | None:
    """If `value` is a derived table's tenant, the parameters it stands for (none if it is a column); otherwise None."""
    if not isinstance(value, ColumnElement) or not isinstance(getattr(value, "table", None), (Subquery, CTE)):
        return None
    bases = [base.element if isinstance(base, Label) else base for base in value.base_columns]
    if not all(isinstance(base, BindParameter) or _is_tenant(_table_of(_owner(base))) for base in bases):
        return None
    return [base for base in bases if isinstance(base, BindParameter)]


def _owner(column: Any) -> FromClause | None:
    """The table whose `tenant_id` this is, or None."""
    table = getattr(column, "table", None) if isinstance(column, ColumnElement) else None
    return table if table is not None and getattr(column, "key", None) == "tenant_id" else None
