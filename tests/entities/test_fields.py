"""What each kind of field takes, how it is kept, and how it refuses."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import uuid4

import pytest

from brickwork import Money
from brickwork.entities import Entities
from brickwork.errors import BrokenReferenceError, ExpressionError, ValidationError


def make(clinic: Entities, **fields):
    return clinic.create("patient", {"family_name": "Okafor", **fields})


@pytest.mark.parametrize(
    ("field", "given", "kept", "typed"),
    [
        ("given_name", "Zoë 🏥", "Zoë 🏥", "Zoë 🏥"),
        ("birth_date", "1980-02-11", "1980-02-11", date(1980, 2, 11)),
        ("birth_date", date(1980, 2, 11), "1980-02-11", date(1980, 2, 11)),
        ("weight", "81.5", "81.50", Decimal("81.50")),
        ("weight", 81, "81.00", Decimal("81.00")),
        ("height", "1.85", 1.85, 1.85),
        ("email", "Ann@Example.ORG", "Ann@example.org", "Ann@example.org"),
        ("phone", "030 123456", "+4930123456", "+4930123456"),
        ("phone", "+49 30 123456", "+4930123456", "+4930123456"),
        ("site", "https://example.org/a?b=c", "https://example.org/a?b=c", "https://example.org/a?b=c"),
        ("ward", "icu", "icu", "icu"),
        ("allergies", ["nuts", "latex"], ["nuts", "latex"], ["nuts", "latex"]),
        ("active", "no", False, False),
        ("fee", "12.5 EUR", {"amount": "12.50", "currency": "EUR"}, Money.of("12.50", "EUR")),
        ("fee", {"amount": 100, "currency": "JPY"}, {"amount": "100", "currency": "JPY"}, Money.of(100, "JPY")),
        (
            "admitted",
            "2026-01-02T10:00:00+02:00",
            "2026-01-02T08:00:00.000000Z",
            datetime(2026, 1, 2, 8, tzinfo=UTC),
        ),
        ("extra", {"a": [1, None, "x"]}, {"a": [1, None, "x"]}, {"a": [1, None, "x"]}),
        (
            "scan",
            {"key": "a/b", "name": "x.png", "size": 3, "media_type": "image/png"},
            {"key": "a/b", "name": "x.png", "size": 3, "media_type": "image/png"},
            {"key": "a/b", "name": "x.png", "size": 3, "media_type": "image/png"},
        ),
    ],
)
def test_a_value_is_kept_in_canonical_form_and_read_typed(clinic, field, given, kept, typed):
    record = clinic.get("patient", make(clinic, **{field: given}).id)
    assert record.data[field] == kept
    assert record[field] == typed


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("given_name", 7),
        ("given_name", "x" * 10_001),
        ("birth_date", "11.02.1980"),
        ("birth_date", "1980-02-30"),
        ("birth_date", 319075200),
        ("birth_date", "20260101T10"),
        ("weight", "heavy"),
        ("weight", "1.005"),
        ("weight", "-1"),
        ("weight", "NaN"),
        ("weight", True),
        ("height", "tall"),
        ("height", float("inf")),
        ("email", "ann@"),
        ("email", "a b@example.org"),
        ("phone", "1"),
        ("phone", "+49"),
        ("site", "ftp://example.org"),
        ("site", "https://"),
        ("site", "javascript:alert(1)"),
        ("ward", "morgue"),
        ("allergies", ["nuts", "nuts"]),
        ("allergies", ["dust"]),
        ("active", "perhaps"),
        ("fee", "12.50"),
        ("fee", "1.001 EUR"),
        ("fee", "1 XYZ"),
        ("admitted", "2026-01-02T10:00:00"),
        ("admitted", "yesterday"),
        ("scan", {"name": "x"}),
        ("extra", {"a": "x" * 100}),
        ("surgeon", "Dr. House"),
    ],
)
def test_a_wrong_value_is_refused_naming_the_field_and_nothing_is_stored(clinic, field, wrong):
    with pytest.raises(ValidationError) as caught:
        make(clinic, **{field: wrong})
    assert caught.value.problems[0].field is not None
    assert caught.value.problems[0].field.split(".")[0] == field
    assert clinic.count("patient") == 0


def test_every_wrong_field_is_named_at_once(clinic):
    with pytest.raises(ValidationError) as caught:
        clinic.create("patient", {"birth_date": "x", "colour": "red", "heavy": True, "ward": "x"})
    found = {problem.field: problem.code for problem in caught.value.problems}
    assert found == {
        "family_name": "required",
        "birth_date": "invalid",
        "colour": "unknown_field",
        "heavy": "computed",
        "ward": "invalid",
    }


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_text_that_a_database_cannot_hold_is_refused(clinic, text):
    with pytest.raises(ValidationError, match=r"NUL|surrogate|unicode"):
        make(clinic, given_name=text)


def test_an_empty_text_does_not_satisfy_a_required_field(clinic):
    with pytest.raises(ValidationError, match="family_name"):
        clinic.create("patient", {"family_name": ""})


def test_a_default_fills_a_field_that_is_not_given_but_not_one_that_is_emptied(clinic):
    assert make(clinic).data["active"] is True
    assert "active" not in make(clinic, given_name="x", active=None).data


def test_a_reference_to_nothing_or_to_another_type_is_refused(clinic):
    other = make(clinic)
    for target in (uuid4(), other.id):
        with pytest.raises(BrokenReferenceError) as caught:
            make(clinic, given_name="B", surgeon=target)
        assert caught.value.field == "surgeon"
    surgeon = clinic.create("surgeon", {"name": "Adeyemi"})
    assert make(clinic, given_name="B", surgeon=surgeon.ref)["surgeon"] == surgeon.id


def test_a_computed_field_follows_what_it_is_computed_from(clinic):
    record = make(clinic, weight="120")
    assert record.data["heavy"] is True
    assert clinic.update("patient", record.id, {"weight": "60"}).data["heavy"] is False
    assert "heavy" not in clinic.update("patient", record.id, {"weight": None}).data


def test_a_rule_is_skipped_while_a_field_it_names_is_empty_and_holds_otherwise(clinic):
    record = make(clinic, admitted="2026-02-01T00:00:00Z")
    with pytest.raises(ValidationError, match="discharged before admitted") as caught:
        clinic.update("patient", record.id, {"discharged": "2026-01-01T00:00:00Z"})
    assert (caught.value.problems[0].field, caught.value.problems[0].code) == ("discharged", "rule")


def test_a_rule_may_speak_of_the_present(clinic):
    with pytest.raises(ValidationError, match="born in the future"):
        make(clinic, birth_date="2999-01-01")


def test_an_expression_that_names_no_field_is_refused_in_the_definition(clinic):
    with pytest.raises(ExpressionError, match="colour"):
        clinic.types.apply(
            {"name": "x", "fields": {"a": {"type": "text"}, "b": {"type": "computed", "expression": "colour + 'x'"}}}
        )
