"""Rules that make no sense are refused with the reason."""

import pydantic
import pytest

from brickwork.entities.dedupe import DedupeRules, FieldRule

NAME = {"field": "family", "compare": "name"}
BORN = {"field": "born", "compare": "date"}


@pytest.mark.parametrize(
    ("fields", "blocking", "reason"),
    [
        ([], None, "at least 1"),
        ([NAME, NAME], None, "two rules for the same field: family"),
        ([NAME], [["surname"]], "no rule for field 'surname'; fields with rules are family"),
        ([NAME], [["family:metaphone"]], "unknown part 'metaphone'; known are soundex"),
        ([NAME], [["family:first"]], "'first' takes a length"),
        ([NAME], [["family:soundex4"]], "'first' takes a length"),
        ([NAME], [["family:"]], "write 'field' or 'field:part'"),
        ([NAME], [["family:year"]], "year is a part of dates, and family is 'name'"),
        ([BORN], [["born:soundex"]], "soundex is a part of text, and born is a date"),
        ([NAME], [["family:pair"]], "pair needs swap_with"),
        ([NAME], [], "give at least one list of keys"),
        ([NAME], [[]], "at least 1"),
        ([{**NAME, "tolerance": 1}], None, "tolerance is for compare='number', not 'name'"),
        ([{**BORN, "swap_with": "x"}], None, "swap_with is for compare='name' or 'fuzzy', not 'date'"),
        ([{**NAME, "swap_with": "family"}], None, "must name another field"),
        ([{**NAME, "swap_with": "given"}], None, "must name a field that has a rule with the same compare"),
        ([{**NAME, "swap_with": "born"}, BORN], None, "must name a field that has a rule with the same compare"),
        (
            [{**NAME, "swap_with": "given"}, {"field": "given", "compare": "name", "swap_with": "family"}],
            None,
            "on one of the two fields only",
        ),
        ([{**NAME, "weight": 3}], None, "Extra inputs"),
        ([{**NAME, "compare": "guess"}], None, "'exact', 'fuzzy', 'name'"),
        ([{"field": f"f{n}", "compare": "exact"} for n in range(21)], None, "at most 20"),
    ],
)
def test_rules_that_make_no_sense_are_refused_with_the_reason(fields, blocking, reason):
    with pytest.raises(pydantic.ValidationError, match=reason.replace("(", r"\(")):
        DedupeRules.model_validate({"fields": fields, "blocking": blocking})


def test_asking_a_person_comes_before_being_sure():
    with pytest.raises(pydantic.ValidationError, match=r"review \(0.9\) must not be above sure \(0.8\)"):
        DedupeRules(fields=(FieldRule(field="family", compare="name"),), sure=0.8, review=0.9)


def test_rules_are_plain_data():
    rules = DedupeRules.model_validate({"fields": [NAME, BORN], "blocking": [["family:first3", "born:year"]]})
    assert DedupeRules.model_validate_json(rules.model_dump_json()) == rules
