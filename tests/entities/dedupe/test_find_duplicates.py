"""What `find_duplicates` finds, on large inputs and on a handful of records."""

import datetime
import subprocess
import sys

import pytest

from brickwork.entities.dedupe import DedupeRules, FieldRule, MatchResult, ScoredPair, find_duplicates
from brickwork.errors import MissingDependencyError, ValidationError

ANNA: dict[str, object] = {"given": "Anna", "family": "Okafor", "born": "1980-02-11", "address": "12 Harbour Road"}
OTHERS: list[dict[str, object]] = [
    {"given": "Peter", "family": "Lindqvist", "born": "1955-07-30", "address": "3 Mill Lane"},
    {"given": "Maria", "family": "Gonzales", "born": "1991-12-24", "address": "77 Station Street"},
    {"given": "Chidi", "family": "Eze", "born": "2001-04-05", "address": "5 Abbey Close"},
]


def pairs_of(result: MatchResult) -> set[tuple[object, object]]:
    return {(pair.left, pair.right) for pair in result.pairs}


def only_pair(rules: DedupeRules, **changes: object) -> ScoredPair | None:
    """The pair of Anna and a changed Anna among others, if it is found."""
    records = list(enumerate([ANNA, ANNA | changes, *OTHERS]))
    found = find_duplicates(records, rules).pairs
    assert all((pair.left, pair.right) == (0, 1) for pair in found)
    return found[0] if found else None


def note_of(pair: ScoredPair, field: str) -> str:
    return next(evidence.note for evidence in pair.explain() if evidence.field == field)


def test_it_finds_people_entered_twice_with_slips_and_nobody_else(people, person_rules):
    records, same = people(3_000, twice=0.1)
    found = pairs_of(find_duplicates(records, person_rules))
    assert len(found & same) >= 0.97 * len(same)
    assert len(found - same) <= 0.02 * len(same)


def test_half_of_the_records_being_duplicates_is_no_obstacle(people, person_rules):
    records, same = people(1_000, twice=1.0)
    found = pairs_of(find_duplicates(records, person_rules))
    assert len(found & same) >= 0.97 * len(same)
    assert len(found - same) <= 0.02 * len(same)


def test_without_duplicates_nothing_is_found(people, person_rules):
    records, _ = people(2_000, twice=0.0)
    assert find_duplicates(records, person_rules).pairs == []


def test_members_of_a_household_are_not_taken_for_one_person(people, person_rules):
    records, same = people(2_000, twice=0.05, household=4)
    result = find_duplicates(records, person_rules)
    assert len(pairs_of(result) & same) >= 0.9 * len(same)
    assert {(pair.left, pair.right) for pair in result.sure()} <= same


def test_the_probabilities_are_honest(people, person_rules):
    records, same = people(3_000, twice=0.2)
    result = find_duplicates(records, person_rules)
    assert sum(pair.probability for pair in result.pairs) == pytest.approx(len(same), rel=0.05)
    assert result.prior * result.possible == pytest.approx(len(same), rel=0.05)


@pytest.mark.parametrize(
    ("changes", "field", "note"),
    [
        ({"family": "Okafro"}, "family", "two neighbouring characters swapped"),
        ({"family": "Okafir"}, "family", "one character differs"),
        ({"given": "Ana"}, "given", "one character more or less"),
        ({"given": "A."}, "given", "initial only on one side"),
        ({"born": "1980-11-02"}, "born", "day and month swapped"),
        ({"born": "1980-02-17"}, "born", "one digit differs"),
        ({"born": "1980-02-29"}, "born", "same year and month"),
        ({"born": "1908-02-11"}, "born", "two neighbouring digits swapped"),
        ({"born": datetime.date(1980, 2, 11)}, "born", "same but for the way it is written"),
        ({"born": "11.2.1980"}, "born", "same but for the way it is written"),
        ({"family": " OKÁFOR "}, "family", "same but for the way it is written"),
        ({"given": "Okafor", "family": "Anna"}, "given", "exchanged with family"),
        ({"address": "12 Harbor Road"}, "address", "one character more or less"),
        ({"address": None}, "address", "missing on one side"),
    ],
)
def test_a_slip_does_not_hide_a_duplicate_among_five_records(person_rules, changes, field, note):
    pair = only_pair(person_rules, **changes)
    assert pair is not None
    assert note_of(pair, field) == note


def test_names_that_sound_alike_are_close(person_rules):
    pair = only_pair(person_rules, given="Anneaux")
    assert pair is not None
    assert note_of(pair, "given") in ("sounds the same", "3 characters differ")


@pytest.mark.parametrize("missing", [None, "", "   ", float("nan"), "-"])
def test_a_missing_value_speaks_neither_for_nor_against(person_rules, missing):
    pair = only_pair(person_rules, address=missing)
    assert pair is not None
    evidence = pair.explain()[3]
    assert (evidence.weight, evidence.similarity) == (0.0, None)


def test_a_field_that_no_record_has_changes_nothing(people, person_rules):
    records, _ = people(300, twice=0.2)
    with_extra = person_rules.model_copy(update={"fields": (*person_rules.fields, FieldRule(field="phone", compare="exact"))})
    plain, extra = (find_duplicates(records, rules) for rules in (person_rules, with_extra))
    assert pairs_of(plain) == pairs_of(extra)


def test_two_different_people_of_one_address_are_told_apart_among_five_records(person_rules):
    assert only_pair(person_rules, given="Ngozi", born="2011-09-08") is None


def test_a_shared_family_name_alone_is_no_duplicate(person_rules):
    assert only_pair(person_rules, given="Ngozi", born="2011-09-08", address="1 Elm Walk") is None


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_records_have_no_duplicates(person_rules, count):
    result = find_duplicates(list(enumerate([ANNA]))[:count], person_rules)
    assert (result.pairs, result.possible, result.clusters()) == ([], 0, [])


def test_two_equal_records_are_a_sure_duplicate(person_rules):
    result = find_duplicates([("a", ANNA), ("b", dict(ANNA))], person_rules)
    assert [(pair.left, pair.right) for pair in result.sure()] == [("a", "b")]


def test_two_different_records_are_none(person_rules):
    assert find_duplicates([("a", ANNA), ("b", OTHERS[0])], person_rules).pairs == []


def test_records_that_are_all_equal_form_one_cluster(person_rules):
    result = find_duplicates([(n, ANNA) for n in range(30)], person_rules)
    assert [len(cluster) for cluster in result.clusters()] == [30]


def test_thousands_of_equal_records_form_one_cluster_without_comparing_all_pairs(person_rules):
    result = find_duplicates([(n, ANNA) for n in range(3_000)], person_rules)
    assert result.compared <= 3_000 * 25
    assert [len(cluster) for cluster in result.clusters()] == [3_000]


def test_records_without_any_value_are_not_duplicates(person_rules):
    assert find_duplicates([(n, {}) for n in range(100)], person_rules).pairs == []


def test_linking_pairs_a_record_of_each_set_only(people, person_rules):
    records, same = people(1_500, twice=0.3)
    second = {right for _, right in same}
    left = [record for record in records if record[0] not in second]
    right = [record for record in records if record[0] in second]
    # a copy inside the first set is a duplicate, but no link
    left.append((-1, dict(left[0][1])))
    result = find_duplicates(left, person_rules, other=right)
    found = pairs_of(result)
    assert {a for a, _ in found} <= {id_ for id_, _ in left}
    assert {b for _, b in found} <= {id_ for id_, _ in right}
    assert len(found & same) >= 0.97 * len(same)
    assert result.possible == len(left) * len(right)


def test_linking_with_an_empty_set_finds_nothing(person_rules):
    assert find_duplicates([(1, ANNA)], person_rules, other=[]).pairs == []


def test_equal_input_gives_equal_output(people, person_rules):
    records, _ = people(2_000, twice=0.2)
    first, second = (find_duplicates(iter(records), person_rules) for _ in range(2))
    assert first.pairs == second.pairs
    assert first.clusters() == second.clusters()


def test_pairs_come_most_probable_first_and_none_below_the_threshold(people, person_rules):
    records, _ = people(1_000, twice=0.3)
    for threshold in (None, 0.05, 0.999):
        result = find_duplicates(records, person_rules, threshold=threshold)
        weights = [pair.weight for pair in result.pairs]
        assert weights == sorted(weights, reverse=True)
        assert min(pair.probability for pair in result.pairs) >= (threshold or person_rules.review)


def test_what_is_not_sure_is_to_be_reviewed(people, person_rules):
    records, _ = people(1_000, twice=0.3)
    result = find_duplicates(records, person_rules)
    assert len(result.sure()) + len(result.to_review()) == len(result.pairs)
    assert all(pair.probability >= 0.99 for pair in result.sure())
    assert all(pair.probability < 0.99 for pair in result.to_review())


@pytest.mark.parametrize(
    ("compare", "left", "right", "note"),
    [
        ("number", 100, 100.5, "0.5 apart"),
        ("number", "100", 100.0, "same but for the way it is written"),
        ("exact", "EU", "US", "different"),
        ("phonetic", "Meyer", "Maier", "sounds the same"),
        ("phonetic", "Meyer", "Jones", "sounds different"),
    ],
)
def test_other_comparisons_say_what_they_see(compare, left, right, note):
    rules = DedupeRules(fields=(FieldRule(field="name", compare="name"), FieldRule(field="x", compare=compare)), review=0.0001)
    records = [(1, {"name": "Anna Okafor", "x": left}), (2, {"name": "Anna Okafor", "x": right})]
    (pair,) = find_duplicates(records, rules).pairs
    assert note_of(pair, "x") == note


def test_numbers_within_the_tolerance_count_for_a_pair():
    rules = DedupeRules(
        fields=(
            FieldRule(field="name", compare="fuzzy"),
            FieldRule(field="price", compare="number", tolerance=2.0),
        ),
        review=0.0001,
    )

    goods = [(f"{n} {color} table", 10.0 * n) for n in range(4) for color in ("red", "blue", "green")]

    def weight(price: float) -> float:
        articles = [("oak chair", 50.0), ("oak chair", price), *goods]
        records = [(n, {"name": name, "price": at}) for n, (name, at) in enumerate(articles)]
        pairs = find_duplicates(records, rules, threshold=0.0).pairs
        return next(pair for pair in pairs if pair.rows == (0, 1)).explain()[1].weight

    assert weight(50) >= weight(52) > weight(59.9) > weight(60.1)
    assert weight(52) > 0 > weight(60.1)


def test_values_that_cannot_be_hashed_are_compared_as_text():
    rules = DedupeRules(fields=(FieldRule(field="tags", compare="fuzzy"), FieldRule(field="name", compare="name")))
    records = [(1, {"tags": ["red", "oak"], "name": "chair"}), (2, {"tags": "red oak", "name": "chair"})]
    (pair,) = find_duplicates(records, rules, threshold=0).pairs
    assert pair.explain()[0].note == "same but for the way it is written"


def test_an_id_that_occurs_twice_is_an_error_that_names_it(person_rules):
    with pytest.raises(ValidationError, match="record id 'p7' occurs twice"):
        find_duplicates([("p7", ANNA), ("p8", ANNA)], person_rules, other=[("p7", ANNA)])


@pytest.mark.parametrize("threshold", [-0.1, 1.5])
def test_a_threshold_must_be_a_probability(person_rules, threshold):
    with pytest.raises(ValidationError, match="from 0 to 1"):
        find_duplicates([], person_rules, threshold=threshold)


def test_progress_reaches_the_end_of_each_step(people, person_rules):
    records, _ = people(500, twice=0.2)
    seen: dict[str, list[tuple[int, int]]] = {}
    find_duplicates(records, person_rules, progress=lambda step, *at: seen.setdefault(step, []).append(at))
    assert list(seen) == ["read", "block", "compare"]
    assert all(done == total for *_, (done, total) in seen.values())


@pytest.mark.parametrize("package", ["numpy", "rapidfuzz"])
def test_a_missing_package_is_named_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, person_rules: DedupeRules, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=rf"{package}.*brickwork\[dedupe\]"):
        find_duplicates([], person_rules)


def test_importing_the_rules_loads_neither_numpy_nor_rapidfuzz():
    code = "import sys, brickwork.entities.dedupe; print([name for name in ('numpy', 'rapidfuzz') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
