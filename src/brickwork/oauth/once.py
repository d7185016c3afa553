"""Writing something down that must happen once, whoever else is trying at the same moment."""

from typing import TYPE_CHECKING, Any

from sqlalchemy import CursorResult
from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from brickwork.data import Transaction
    from brickwork.data.models import Base


def insert_once(transaction: "Transaction", model: "type[Base]", **values: object) -> bool:
    """Whether the row was new. A second transaction with the same key waits for the first."""
    table: Any = model.__table__
    row = {"tenant_id": transaction.tenant, **values}
    result: CursorResult[Any]
    if transaction.connection.dialect.name == "postgresql":
        result = transaction.execute(postgresql.insert(table).values(row).on_conflict_do_nothing())
    else:
        result = transaction.execute(sqlite.insert(table).values(row).on_conflict_do_nothing())
    return bool(result.rowcount)
