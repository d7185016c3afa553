"""Many records at once: all or nothing, or the good ones with the errors of the others."""

import pytest

from brickwork.entities import EntitiesImported
from brickwork.errors import ValidationError


def rows(count, **more):
    return [{"family_name": f"F{n}", "mrn": f"M{n}", **more} for n in range(count)]


def test_records_are_created_in_the_order_of_the_rows(clinic, captured_events):
    result = clinic.bulk.create_many("patient", rows(2500))
    assert (result.created, result.failed, len(result.ids)) == (2500, 0, 2500)
    assert clinic.get("patient", result.ids[1234])["mrn"] == "M1234"
    assert clinic.get("patient", result.ids[0]).created_by == "user:ito"
    assert clinic.get("patient", result.ids[0])["active"] is True
    assert [e.created for e in captured_events.of(EntitiesImported)] == [1000, 1000, 500]


def test_what_is_created_in_bulk_is_found_audited_and_unique(clinic):
    (first, *_) = clinic.bulk.create_many("patient", rows(3, insurance_no="A-1", weight="70")).ids
    assert clinic.count("patient", {"insurance_no": "A-1", "weight": {"gt": 60}, "family_name": {"starts_with": "f"}}) == 3
    assert [e.action for e in clinic.history("patient", first)] == ["insert"]
    with pytest.raises(ValidationError, match="mrn"):
        clinic.bulk.create_many("patient", rows(1))


def test_if_one_row_is_wrong_none_is_written_and_each_is_named(clinic):
    wrong = [*rows(3), {"family_name": "x", "ward": "morgue"}, {"mrn": "M9"}]
    with pytest.raises(ValidationError, match="2 rows are wrong") as caught:
        clinic.bulk.create_many("patient", wrong)
    assert [p.field for p in caught.value.problems] == ["rows[3].ward", "rows[4].family_name"]
    assert clinic.count("patient") == 0


def test_best_effort_writes_the_good_rows_and_tells_of_the_others(clinic):
    clinic.create("patient", {"family_name": "old", "mrn": "M1"})
    given = [
        *rows(3),
        {"family_name": "again", "mrn": "M2"},
        {"family_name": "nul\0"},
        {"family_name": "ref", "surgeon": clinic.query("patient").items[0].id},
    ]
    result = clinic.bulk.create_many("patient", given, all_or_nothing=False)
    assert (result.created, result.failed) == (2, 4)
    assert {e.row: e.problems[0].code for e in result.errors} == {
        1: "duplicate",
        3: "duplicate",
        4: "invalid",
        5: "broken_reference",
    }
    assert clinic.count("patient") == 3


def test_references_become_links(clinic):
    surgeon = clinic.create("surgeon", {"name": "x"})
    ids = clinic.bulk.create_many("patient", rows(3, surgeon=surgeon.id)).ids
    assert {n.ref.id for n in clinic.relations.neighbours(surgeon.ref, direction="in")} == set(ids)
    other = clinic.create("surgeon", {"name": "y"})
    clinic.bulk.update_many("patient", [(ids[0], {"surgeon": other.id}), (ids[1], {"surgeon": None})])
    assert [n.ref.id for n in clinic.relations.neighbours(surgeon.ref, direction="in")] == [ids[2]]
    assert [n.ref.id for n in clinic.relations.neighbours(other.ref, direction="in")] == [ids[0]]


def test_updates_change_what_is_given_and_count_what_is_not_changed(clinic):
    ids = clinic.bulk.create_many("patient", rows(4, ward="er")).ids
    changes = [(ids[0], {"ward": "icu"}), (ids[1], {"ward": "er"}), (ids[2], {"ward": "x"}), ("nonsense", {"ward": "er"})]
    result = clinic.bulk.update_many("patient", changes, all_or_nothing=False)
    assert (result.updated, result.unchanged, result.failed) == (1, 1, 2)
    assert [clinic.get("patient", id).version for id in ids] == [2, 1, 1, 1]


def test_unique_values_may_be_exchanged_in_one_chunk(clinic):
    ids = clinic.bulk.create_many("patient", rows(2)).ids
    result = clinic.bulk.update_many("patient", [(ids[0], {"mrn": "M8"}), (ids[1], {"mrn": "M0"})], all_or_nothing=False)
    assert result.updated == 2
    assert [clinic.get("patient", id)["mrn"] for id in ids] == ["M8", "M0"]


def test_deletes_follow_the_rules_of_links(clinic):
    surgeon = clinic.create("surgeon", {"name": "x"})
    ids = clinic.bulk.create_many("patient", rows(3)).ids
    clinic.update("patient", ids[0], {"surgeon": surgeon.id})
    result = clinic.bulk.delete_many("surgeon", [surgeon.id, "nonsense"], all_or_nothing=False)
    assert (result.deleted, [e.problems[0].code for e in result.errors]) == (0, ["restricted", "not_found"])
    with pytest.raises(ValidationError):
        clinic.bulk.delete_many("patient", [*ids, "nonsense"])
    assert clinic.count("patient") == 3
    assert clinic.bulk.delete_many("patient", ids).deleted == 3


def test_rows_of_another_tenant_cannot_be_updated(clinic, platform):
    ids = clinic.bulk.create_many("patient", rows(1)).ids
    with platform.context(tenant="st-johns"):
        platform.entities.types.apply({"name": "patient", "fields": {"ward": {"type": "text"}}})
        result = platform.entities.bulk.update_many("patient", [(ids[0], {"ward": "x"})], all_or_nothing=False)
        assert result.failed == 1
