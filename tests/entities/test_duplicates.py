"""Finding duplicates, the queue, deciding, and merging the sure ones."""

import pytest

from brickwork.entities.dedupe import DedupeRules
from brickwork.errors import ConflictError, NotFoundError, ValidationError

PERSON = {
    "name": "person",
    "fields": {
        "given_name": {"type": "text"},
        "family_name": {"type": "text"},
        "birth_date": {"type": "date"},
        "city": {"type": "text"},
        "ssn": {"type": "text", "sensitive": True},
        "nickname": {"type": "text"},
    },
    "duplicates": {
        "fields": [
            {"field": "given_name", "compare": "name"},
            {"field": "family_name", "compare": "name"},
            {"field": "birth_date", "compare": "date"},
            {"field": "city", "compare": "fuzzy"},
            {"field": "ssn", "compare": "exact"},
        ]
    },
}
GIVEN = ("anna", "bertha", "carl", "dorothea", "emil", "friedrich", "gertrud", "hans", "ida", "jakob")
FAMILY = ("adeyemi", "brandt", "castillo", "dubois", "eriksen", "fontaine", "grzybowski", "hakimi", "ivanova", "jensen")
CITY = ("aachen", "bremen", "cottbus", "dresden", "essen")


@pytest.fixture
def people(clinic):
    """A hundred people who differ, and three of them once more with an error."""
    clinic.types.apply(PERSON)
    rows = []
    for n in range(100):
        rows.append(
            {
                "given_name": GIVEN[n % 10],
                "family_name": FAMILY[n // 10],
                "birth_date": f"{1920 + n}-{1 + n % 12:02d}-{1 + (n * 7) % 28:02d}",
                "city": CITY[n % 5],
                "ssn": f"{10_000_000 + n * 7919}",
            }
        )
    for n, change in ((3, {"given_name": "dorothee"}), (42, {"family_name": "erikson"}), (77, {"city": "cottbus"})):
        rows.append({**rows[n], **change, "nickname": f"again {n}"})
    for row in rows:
        clinic.create("person", row)
    return clinic


def test_duplicates_are_found_explained_and_put_into_the_queue(people):
    report = people.duplicates.find("person")
    assert report.records == 103
    assert report.compared < report.possible
    page = people.duplicates.queue("person", min_probability=0.9)
    pairs = {(m.left["family_name"], m.right["family_name"]) for m in page}
    assert pairs == {("adeyemi", "adeyemi"), ("eriksen", "erikson"), ("hakimi", "hakimi")}
    for match in page:
        assert match.left.id < match.right.id
        assert {e.field for e in match.evidence} >= {"given_name", "birth_date"}
    assert [m.probability for m in page] == sorted((m.probability for m in page), reverse=True)


def test_the_queue_keeps_no_sensitive_value(people, platform):
    people.duplicates.find("person")
    with platform.transaction() as tx, tx.unscoped(reason="look at what is stored"):
        stored = tx.connection.exec_driver_sql("SELECT evidence FROM entity_match").all()
    assert stored
    assert str(10_000_000 + 3 * 7919) not in str(stored)


def test_the_queue_comes_in_pages(people):
    people.duplicates.find("person")
    everything = people.duplicates.queue("person", limit=200).items
    cursor, seen = None, []
    while True:
        page = people.duplicates.queue("person", limit=1, cursor=cursor)
        seen += [match.id for match in page]
        cursor = page.cursor
        if cursor is None:
            break
    assert seen == [match.id for match in everything]


def test_a_rejected_pair_is_not_asked_about_again(people):
    people.duplicates.find("person")
    match = people.duplicates.queue("person").items[0]
    people.duplicates.reject(match.id)
    with pytest.raises(ConflictError, match="already rejected"):
        people.duplicates.confirm(match.id)
    people.duplicates.find("person")
    assert match.id not in {m.id for m in people.duplicates.queue("person")}
    assert people.duplicates.queue("person", status="rejected").items[0].decided_by == "user:ito"


def test_a_confirmed_pair_is_merged_into_the_older_record(people):
    people.duplicates.find("person")
    match = people.duplicates.queue("person").items[0]
    record = people.duplicates.confirm(match.id)
    assert record.id == match.left.id
    assert record["nickname"] == match.right["nickname"]
    assert people.duplicates.queue("person", status="merged").items[0].id == match.id
    with pytest.raises(NotFoundError) as caught:
        people.get("person", match.right.id)
    assert caught.value.details["merged_into"] == str(match.left.id)


def test_the_sure_ones_are_merged_cluster_by_cluster(people):
    report = people.duplicates.find("person")
    merged = people.duplicates.merge_sure("person")
    assert merged.skipped == 0
    assert merged.merged == merged.clusters >= 1
    assert people.count("person") == 103 - merged.merged
    assert report.sure >= merged.clusters
    assert people.duplicates.merge_sure("person").clusters == 0


def test_a_pair_that_is_no_longer_likely_leaves_the_queue(people):
    people.duplicates.find("person")
    match = people.duplicates.queue("person").items[0]
    people.update("person", match.right.id, {"given_name": "zacharias", "birth_date": "2001-01-01", "ssn": "0", "city": "ulm"})
    people.duplicates.find("person")
    assert match.id not in {m.id for m in people.duplicates.queue("person")}


def test_a_type_without_rules_needs_some(clinic):
    with pytest.raises(ValidationError, match="no rules"):
        clinic.duplicates.find("patient")
    rules = DedupeRules.model_validate({"fields": [{"field": "family_name", "compare": "name"}]})
    assert clinic.duplicates.find("patient", rules=rules).records == 0


def test_another_tenants_records_are_not_compared(people, platform):
    with platform.context(tenant="st-johns"):
        platform.entities.types.apply(PERSON)
        assert platform.entities.duplicates.find("person").records == 0
        assert platform.entities.duplicates.queue("person").items == []
