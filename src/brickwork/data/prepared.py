"""Statements compiled once and sent straight to the driver: the hot path's way past SQLAlchemy's execution layers.

The compiler's guard has judged the statement all the same, the tenant parameter is the transaction's own, and values pass
SQLAlchemy's type processors; what is saved is the work that SQLAlchemy repeats at each execution (about 70 µs).
"""

from collections import namedtuple
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import attrs
from sqlalchemy import Dialect, Executable

from brickwork.data.guard import tenant_parameters
from brickwork.data.port import Bound

if TYPE_CHECKING:
    from brickwork.data.transaction import Transaction

Convert = Callable[[Any], Any]


@attrs.frozen
class _Plan:
    """What one dialect makes of a statement."""

    sql: str
    names: tuple[str, ...]
    fixed: dict[str, Any]
    binds: tuple[tuple[str, Convert], ...]
    tenant: tuple[str, ...]
    positional: bool
    row: Any
    results: tuple[tuple[int, Convert], ...]


class Prepared:
    """A statement without lists of unknown length (`IN` with expanding parameters can't be prepared).

    `parameters` of the methods name every value but the tenant, which is filled in.
    """

    def __init__(self, statement: Executable) -> None:
        self._statement = statement
        self._plans: dict[str, _Plan] = {}

    def one(self, transaction: "Transaction", parameters: Mapping[str, Any]) -> Any:
        """The first row, with the columns as attributes, or None."""
        cursor, plan = self._send(transaction, parameters)
        raw = cursor.fetchone()
        cursor.close()
        return None if raw is None else _convert(plan, raw)

    def all(self, transaction: "Transaction", parameters: Mapping[str, Any]) -> list[Any]:
        """Every row."""
        cursor, plan = self._send(transaction, parameters)
        rows = [_convert(plan, raw) for raw in cursor.fetchall()]
        cursor.close()
        return rows

    def run(self, transaction: "Transaction", parameters: Mapping[str, Any]) -> int:
        """The number of rows that were written."""
        cursor, _ = self._send(transaction, parameters)
        count = int(cursor.rowcount)
        cursor.close()
        return count

    def bound(self, transaction: "Transaction", parameters: Mapping[str, Any]) -> Bound:
        """The statement with its values, for the message that begins or ends `transaction`."""
        plan, values = self._values(transaction, parameters)
        return Bound(plan.sql, values)

    def _send(self, transaction: "Transaction", parameters: Mapping[str, Any]) -> tuple[Any, _Plan]:
        plan, values = self._values(transaction, parameters)
        return transaction.send(plan.sql, values), plan

    def _values(self, transaction: "Transaction", parameters: Mapping[str, Any]) -> tuple[_Plan, Any]:
        dialect = transaction.connection.dialect
        plan = self._plans.get(dialect.name)
        if plan is None:
            plan = self._plans[dialect.name] = self._plan(dialect)
        values = {**plan.fixed, **parameters}
        for name in plan.tenant:
            values[name] = transaction.tenant
        for name, convert in plan.binds:
            values[name] = convert(values[name])
        return plan, [values[name] for name in plan.names] if plan.positional else values

    def _plan(self, dialect: Dialect) -> _Plan:
        compiled: Any = self._statement.compile(dialect=dialect)  # type: ignore[attr-defined]
        tenant = tenant_parameters(compiled)
        processors = {**compiled._bind_processors}
        fixed = {name: value for name, value in compiled.params.items() if value is not None}
        columns = [entry[3] for entry in compiled._result_columns] if compiled._result_columns else []
        names = [entry[0] for entry in compiled._result_columns] if compiled._result_columns else []
        made = [column._cached_result_processor(dialect, None) for column in columns]
        return _Plan(
            sql=str(compiled),
            names=tuple(compiled.positiontup or ()),
            fixed=fixed,
            binds=tuple((name, convert) for name, convert in processors.items() if callable(convert)),
            tenant=tenant,
            positional=compiled.positional,
            row=namedtuple("Row", names, rename=True) if names else None,
            results=tuple((n, convert) for n, convert in enumerate(made) if convert is not None),
        )


def _convert(plan: _Plan, raw: Any) -> Any:
    values = list(raw)
    for n, convert in plan.results:
        values[n] = convert(values[n])
    return plan.row._make(values)
