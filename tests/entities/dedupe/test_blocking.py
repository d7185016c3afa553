"""Which pairs are compared: never all of them, and all of those that could matter."""

import pytest

from brickwork.entities.dedupe import DedupeRules, FieldRule, find_duplicates


def test_twenty_thousand_records_are_compared_with_a_few_others_each(people, person_rules):
    records, same = people(20_000, twice=0.05)
    result = find_duplicates(records, person_rules)
    assert result.compared <= 20 * len(records)
    assert result.compared <= result.possible / 500
    found = {(pair.left, pair.right) for pair in result.pairs}
    assert len(found & same) >= 0.95 * len(same)


def test_a_handful_of_records_is_compared_completely(people, person_rules):
    records, _ = people(50, twice=0.2)
    result = find_duplicates(records, person_rules)
    assert result.compared == result.possible
    assert [block.name for block in result.blocks] == ["all pairs"]


def test_given_keys_compare_exactly_the_pairs_that_share_one(person_rules):
    rules = person_rules.model_copy(update={"blocking": (("family:soundex", "born:year"), ("address",))})
    records = [
        (1, {"family": "Meyer", "born": "1980-01-01", "address": "1 Elm Walk"}),
        (2, {"family": "Maier", "born": "1980-09-09", "address": "2 Elm Walk"}),
        (3, {"family": "Meyer", "born": "1981-01-01", "address": "2 elm walk"}),
        (4, {"family": "Meyer", "born": None, "address": None}),
    ]
    result = find_duplicates(records, rules, threshold=0.0)
    assert {(pair.left, pair.right) for pair in result.pairs} == {(1, 2), (2, 3)}
    assert [(block.name, block.pairs) for block in result.blocks] == [("family:soundex + born:year", 1), ("address", 1)]


@pytest.mark.parametrize(
    ("key", "left", "right"),
    [
        ("code:first3", "abcde", "ABCxy"),
        ("code:initial", "abc", "axy"),
        ("code:digits", "A-12 3", "12/3b"),
        ("code:soundex", "Robert", "Rupert"),
        ("born:monthday", "1980-02-11", "1979-02-11"),
        ("given:pair", "x", "x"),
    ],
)
def test_each_part_of_a_key_brings_its_records_together(key, left, right):
    rules = DedupeRules(
        fields=(
            FieldRule(field="code", compare="fuzzy"),
            FieldRule(field="born", compare="date"),
            FieldRule(field="given", compare="name", swap_with="family"),
            FieldRule(field="family", compare="name"),
        ),
        blocking=((key,),),
    )
    field = key.split(":")[0]
    one: dict[str, object] = {"given": "Anna", "family": "Okafor", field: left}
    two: dict[str, object] = {"given": "Okafor", "family": "Anna", field: right}
    if field == "given":
        one, two = {"given": "Anna", "family": "Okafor"}, {"given": "Okafor", "family": "Anna"}
    stranger = {"given": "Peter", "family": "Lindqvist", "code": "zzz999", "born": "1955-07-30"}
    result = find_duplicates([(1, one), (2, two), (3, stranger)], rules, threshold=0.0)
    assert [(pair.left, pair.right) for pair in result.pairs] == [(1, 2)]


def test_exchanged_names_meet_although_no_other_key_brings_them_together(people, person_rules):
    records, _ = people(3_000, twice=0.0)
    person = dict(records[0][1])
    swapped = person | {"given": person["family"], "family": person["given"], "address": None, "born": None}
    result = find_duplicates([*records, ("swapped", swapped)], person_rules, threshold=0.001)
    assert (0, "swapped") in {(pair.left, pair.right) for pair in result.pairs}


def test_an_oversize_block_is_sorted_and_reported(people):
    records, same = people(3_000, twice=0.2)
    everyone_here = [(id_, person | {"country": "Utopia"}) for id_, person in records]
    rules = DedupeRules(
        fields=(
            FieldRule(field="country", compare="exact"),
            FieldRule(field="given", compare="name"),
            FieldRule(field="family", compare="name"),
            FieldRule(field="born", compare="date"),
        ),
        blocking=(("country",),),
    )
    result = find_duplicates(everyone_here, rules)
    (block,) = result.blocks
    assert (block.largest, block.oversize) == (len(records), 1)
    assert result.compared <= 25 * len(records)
    found = {(pair.left, pair.right) for pair in result.pairs}
    assert len(found & same) >= 0.9 * len(same)


def test_fields_that_tell_nobody_apart_fall_back_to_neighbours():
    rules = DedupeRules(fields=(FieldRule(field="sex", compare="exact"), FieldRule(field="ward", compare="exact")))
    records = [(n, {"sex": "fm"[n % 2], "ward": n % 3}) for n in range(2_000)]
    result = find_duplicates(records, rules)
    assert [block.name for block in result.blocks] == ["sorted neighbourhood"]
    assert result.compared <= 25 * len(records)
    assert result.pairs == []


def test_an_oversize_block_links_across_the_two_sets_only(person_rules):
    rules = person_rules.model_copy(update={"blocking": (("address",),)})
    crowd = [(n, {"given": f"name{n % 50}", "family": "x", "address": "1 Elm Walk"}) for n in range(1_000)]
    result = find_duplicates(crowd[:600], rules, other=crowd[600:], threshold=0.0)
    assert 0 < result.compared <= 25 * len(crowd)
    assert all(pair.rows[0] < 600 <= pair.rows[1] for pair in result.pairs)
