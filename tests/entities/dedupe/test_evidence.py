"""The explanation of a pair: complete, adding up, and in words."""

import math

import pytest

from brickwork.entities.dedupe import DedupeRules, FieldRule, find_duplicates


def test_the_explanation_adds_up_to_the_weight_of_every_pair(people, person_rules):
    records, _ = people(1_500, twice=0.2, household=3)
    result = find_duplicates(records, person_rules, threshold=0.0)
    assert len(result.pairs) > 500
    for pair in result.pairs[::7]:
        assert sum(evidence.weight for evidence in pair.explain()) == pytest.approx(pair.weight, abs=0.05)


def test_weight_and_prior_give_the_probability(people, person_rules):
    records, _ = people(1_000, twice=0.2)
    result = find_duplicates(records, person_rules, threshold=0.01)
    prior_bits = math.log2(result.prior / (1 - result.prior))
    for pair in result.pairs:
        assert pair.probability == pytest.approx(1 / (1 + 2 ** -(pair.weight + prior_bits)))


def test_evidence_comes_in_the_order_of_the_rules_with_the_values_as_they_were_entered(people, person_rules):
    records, _ = people(400, twice=0.0)
    again = {key: str(value).upper() for key, value in records[5][1].items()}
    result = find_duplicates([*records, ("again", again)], person_rules)
    evidence = result.pairs[0].explain()
    assert [item.field for item in evidence[:4]] == ["given", "family", "born", "address"]
    assert evidence[0].left == records[5][1]["given"]
    assert evidence[0].right == again["given"]
    assert all(item.similarity == 1.0 and item.weight > 0 for item in evidence[:4])


def test_what_differs_speaks_against_a_pair(people, person_rules):
    records, _ = people(2_000, twice=0.2)
    moved = records[0][1] | {"address": "1 quite another avenue"}
    result = find_duplicates([*records, ("moved", moved)], person_rules)
    pair = next(pair for pair in result.pairs if pair.right == "moved")
    address = pair.explain()[3]
    assert address.weight < 0
    assert address.note == "different"
    assert address.similarity is not None
    assert address.similarity < 0.5


def test_agreeing_on_a_rare_value_says_more_than_on_a_common_one(people):
    records, _ = people(2_000, twice=0.0)
    common = [(id_, person | {"family": "smith"} if id_ % 10 == 0 else person) for id_, person in records]
    twins = [
        ("s1", {"given": "zeno", "family": "smith", "born": "1999-09-09"}),
        ("s2", {"given": "zeno", "family": "smith", "born": "1999-09-09"}),
        ("r1", {"given": "xara", "family": "quixote", "born": "1998-08-08"}),
        ("r2", {"given": "xara", "family": "quixote", "born": "1998-08-08"}),
    ]

    def family_weights(rare_values_count_more: bool) -> dict[object, tuple[float, str]]:
        rules = DedupeRules(
            fields=(
                FieldRule(field="given", compare="name"),
                FieldRule(field="family", compare="name", rare_values_count_more=rare_values_count_more),
                FieldRule(field="born", compare="date"),
            )
        )
        pairs = {pair.left: pair.explain()[1] for pair in find_duplicates([*common, *twins], rules).pairs}
        return {left: (pairs[left].weight, pairs[left].note) for left in ("s1", "r1")}

    weighed = family_weights(True)
    assert weighed["r1"][0] > weighed["s1"][0] + 3
    assert weighed["r1"][1] == "same, a rare value"
    assert weighed["s1"][1] == "same, a common value"
    flat = family_weights(False)
    assert flat["r1"][0] == flat["s1"][0]


def test_what_a_household_has_in_common_is_taken_off_and_said(people, person_rules):
    records, _ = people(2_000, twice=0.05, household=4)
    result = find_duplicates(records, person_rules, threshold=0.0)
    unlikely = (pair for pair in result.pairs if pair.probability < 0.01)
    siblings = next(evidence for pair in unlikely if (evidence := pair.explain())[3].weight > 5)
    last = siblings[-1]
    assert last.weight < -5
    assert "household" in last.note


def test_exchanged_names_are_counted_once(people, person_rules):
    records, _ = people(2_000, twice=0.1)
    person = records[3][1]
    swapped = person | {"given": person["family"], "family": person["given"]}
    result = find_duplicates([*records, ("swapped", swapped)], person_rules)
    pair = next(pair for pair in result.pairs if pair.right == "swapped")
    given, family, *_ = pair.explain()
    assert (given.note, family.note) == ("exchanged with family", "exchanged, counted with given")
    assert given.weight > 0
    assert family.weight == 0
