"""Writing something down that must happen once, whoever else is trying at the same moment."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from brickwork.data import Transaction
    from brickwork.data.models import Base


def insert_once(transaction: "Transaction", model: "type[Base]", **values: object) -> bool:
    """Whether the row was new. A second transaction with the same key waits for the first."""
    return insert_missing(transaction, model, [{"tenant_id": transaction.tenant, **values}]) == 1


def insert_missing(transaction: "Transaction", model: "type[Base]", rows: Sequence[Mapping[str, object]]) -> int:
    """As `insert_once` for many rows; how many were new."""
    table: Any = model.__table__
    if transaction.connection.dialect.name == "postgresql":
        insert: Any = postgresql.insert(table)
    else:
        insert = sqlite.insert(table)
    # the row itself tells: drivers don't agree on what an insert counts
    made = transaction.execute(insert.values(list(rows)).on_conflict_do_nothing().returning(table.c.tenant_id))
    return len(made.all())
