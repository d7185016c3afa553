"""PostgreSQL's messages of several statements: values as literals, and results by statement."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from psycopg import DataError

from brickwork.data.port import Bound
from brickwork.kernel.context import Context


@pytest.fixture
def database_kind():
    return "postgres"


@pytest.fixture
def transaction(ward):
    with ward.database.begin(Context(tenant="alpha", actor="user:a")) as transaction:
        yield transaction


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -7,
        2**62,
        1.5,
        "it's",
        "\\' OR 1=1 --",
        "%s %(x)s %%",
        "☃",
        Decimal("-1.50"),
        date(2026, 1, 5),
        datetime(2026, 1, 5, 9, 0, 0, 123456, tzinfo=UTC),
        UUID("0190a0b0-0000-7000-8000-000000000001"),
        b"\x00\xff'\\",
    ],
    ids=repr,
)
def test_a_value_arrives_as_it_is(transaction, value):
    """Beside the driver's own way of binding, on the same column type."""
    driver = transaction.connection.connection.driver_connection
    kind = {bool: "bool", int: "int8", float: "float8", str: "text", Decimal: "numeric", bytes: "bytea"}
    name = kind.get(type(value), {type(None): "text", date: "date", datetime: "timestamptz", UUID: "uuid"}.get(type(value)))
    backend = transaction._database.backend
    driver.execute(f"CREATE TEMP TABLE kept (value {name}) ON COMMIT DROP")
    backend.run(transaction.connection, [Bound("INSERT INTO kept VALUES (%(value)s)", {"value": value})])
    assert driver.execute("SELECT value FROM kept").fetchone()[0] == value
    assert driver.execute("SELECT count(*) FROM kept WHERE value IS NOT DISTINCT FROM %s", [value]).fetchone()[0] == 1


def test_a_nul_is_refused_as_the_driver_does(transaction):
    with pytest.raises(DataError, match="NUL"):
        transaction._database.backend.run(transaction.connection, [Bound("SELECT %(a)s", {"a": "a\0'; DROP TABLE x"})])


def test_each_statement_has_its_own_results(transaction):
    driver = transaction.connection.connection.driver_connection
    driver.execute("CREATE TEMP TABLE kept (id int GENERATED ALWAYS AS IDENTITY, name text) ON COMMIT DROP")
    adds = [Bound("INSERT INTO kept (name) VALUES (%(n)s) RETURNING id", {"n": n}) for n in "abc"]
    gone = Bound("DELETE FROM kept WHERE name <> %(n)s", {"n": "b"})
    transaction._database.backend.run(transaction.connection, [*adds, gone])
    assert [add.numbers for add in adds] == [[1], [2], [3]]
    assert [add.count for add in adds] == [1, 1, 1]
    assert (gone.count, list(gone.numbers)) == (2, [])
