"""Small things of the kernel: expressions, money, ids, errors."""

import inspect
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from brickwork import Money, errors
from brickwork.errors import ExpressionError, ValidationError
from brickwork.kernel.expressions import compile_expression, loops_in
from brickwork.kernel.ids import parse_id, uuid7


@pytest.mark.parametrize(
    ("source", "values", "result"),
    [
        ("a + b", {"a": 1, "b": 2}, 3),
        ("price > 9.5", {"price": Decimal("10")}, True),
        ("born < timestamp('2000-01-01T00:00:00Z')", {"born": date(1999, 12, 31)}, True),
        ("at == at", {"at": datetime.now(UTC)}, True),
        ("items.exists(i, i.n > 1)", {"items": [{"n": 1}, {"n": 2}]}, True),
        ("fee.currency == 'EUR'", {"fee": {"currency": "EUR", "amount": Decimal(1)}}, True),
    ],
)
def test_expressions_take_the_values_that_records_hold(source, values, result):
    assert compile_expression(source).evaluate(values) == result


def test_wrong_expressions_are_told():
    with pytest.raises(ExpressionError, match="does not compile"):
        compile_expression("a +")
    with pytest.raises(ExpressionError, match=r"names z; known are a"):
        compile_expression("a + z").check_names({"a"}, where="x")
    compile_expression("items.all(i, i > 0)").check_names({"items"}, where="x")
    with pytest.raises(ExpressionError, match="failed"):
        compile_expression("a + 1").evaluate({"a": "x"})


def test_equal_expressions_are_compiled_once():
    assert compile_expression("a + 1") is compile_expression("a + 1")


def test_money_is_exact_and_knows_its_minor_unit():
    assert Money.of("0.10", "EUR") + Money.of("0.20", "EUR") == Money.of("0.30", "EUR")
    assert str(Money.of(5, "JPY")) == "5 JPY"
    assert Money.of(1, "EUR") < Money.of(2, "EUR")
    assert -Money.of(1, "EUR") - Money.of(1, "EUR") == Money.of(-2, "EUR")
    for amount, currency in (("0.001", "EUR"), ("0.5", "JPY"), (1, "EURO"), ("x", "EUR"), ("NaN", "EUR"), ("1e30", "EUR")):
        with pytest.raises(ValidationError):
            Money.of(amount, currency)
    with pytest.raises(ValidationError, match="together"):
        Money.of(1, "EUR") + Money.of(1, "USD")


def test_ids_are_version_7_and_sort_by_time():
    ids = [uuid7() for _ in range(1000)]
    assert ids == sorted(ids)
    assert {id.version for id in ids} == {7}
    assert parse_id(str(ids[0])) == ids[0]
    assert parse_id("nonsense") is None


def test_every_error_has_a_code_of_its_own_and_a_status():
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, errors.BrickworkError)]
    assert len({c.code for c in classes}) == len(classes)
    assert all(400 <= c.status < 600 for c in classes)


def test_a_missing_package_tells_the_line_that_installs_it():
    assert str(errors.MissingDependencyError("numpy", "dedupe")) == "numpy is not installed; run: pip install 'brickwork[dedupe]'"


@pytest.mark.parametrize(
    ("source", "loops"),
    [
        ("a.all(x, x > 0)", 1),
        ("a.all(x, b.exists(y, y == x)) && c.map(z, z) == []", 2),
        ("a.all(x, (b).exists(y, c.filter(z, z == x) == []))", 3),
        ("'a.all(x, ' + \"b.all(\" == r'\\' || a . all (x, true)", 1),
        ('"""a"b""" == c || a.all(x, b.all(y, c.all(z, true)))', 3),
        ("r'\\' == '' || a.all(x, b.all(y, c.all(z, '' == ')')))", 3),
        ("true // '\n || a.all(x, b.all(y, true))", 2),
    ],
)
def test_comprehensions_in_one_another_are_counted_whatever_stands_in_texts(source, loops):
    assert loops_in(source) == loops
    if loops > 2:
        with pytest.raises(ExpressionError, match="comprehensions"):
            compile_expression(source)
