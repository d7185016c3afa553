"""Merging two records and undoing it: fields, unique values, links, references."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brickwork.entities import EntitiesMerged
from brickwork.errors import ConflictError, NotFoundError, ValidationError


def patient(clinic, name, **fields):
    return clinic.create("patient", {"family_name": name, **fields})


@pytest.fixture
def pair(clinic):
    """The older has a ward, the younger a record number, an insurance number and another name."""
    return (
        patient(clinic, "Okafor", ward="icu", given_name="Ann"),
        patient(clinic, "Okafer", mrn="M-2", insurance_no="A-77", ward="er"),
    )


def test_the_winner_takes_what_it_lacks_and_keeps_what_it_has(clinic, pair, captured_events):
    winner, loser = pair
    record = clinic.duplicates.merge("patient", winner.id, loser.id)
    assert (record["family_name"], record["ward"], record["mrn"], record["insurance_no"]) == ("Okafor", "icu", "M-2", "A-77")
    assert clinic.get("patient", winner.id) == record
    assert [r.id for r in clinic.query("patient", {"mrn": "M-2"})] == [winner.id]
    assert captured_events.of(EntitiesMerged) == [EntitiesMerged(type="patient", winner=winner.id, loser=loser.id)]


def test_a_choice_decides_otherwise(clinic, pair):
    record = clinic.duplicates.merge("patient", pair[0].id, pair[1].id, choose={"family_name": "loser", "mrn": "winner"})
    assert record["family_name"] == "Okafer"
    assert record["mrn"] is None
    with pytest.raises(ValidationError, match="colour"):
        clinic.duplicates.merge("patient", pair[0].id, patient(clinic, "x").id, choose={"colour": "loser"})


def test_what_cannot_be_merged_is_refused(clinic, pair):
    with pytest.raises(ValidationError, match="itself"):
        clinic.duplicates.merge("patient", pair[0].id, pair[0].id)
    clinic.duplicates.merge("patient", pair[0].id, pair[1].id)
    for winner, loser in (pair, reversed(pair)):
        with pytest.raises(NotFoundError, match="merged into"):
            clinic.duplicates.merge("patient", winner.id, loser.id)
    with pytest.raises(ValidationError, match="undo the merge"):
        clinic.restore("patient", pair[1].id)


def test_links_of_the_loser_point_to_the_winner_and_none_is_doubled(clinic, pair):
    winner, loser = pair
    a, b, c = (patient(clinic, n) for n in "abc")
    clinic.relations.link(loser.ref, "relative", a.ref, {"kind": "parent"})
    clinic.relations.link(winner.ref, "relative", b.ref)
    clinic.relations.link(loser.ref, "relative", b.ref)
    clinic.relations.link(c.ref, "relative", loser.ref)
    clinic.relations.link(winner.ref, "relative", loser.ref)
    clinic.duplicates.merge("patient", winner.id, loser.id)
    out = clinic.relations.links(winner.ref, "relative").items
    assert sorted((link.target, str(link.attributes)) for link in out) == sorted([(a.id, "{'kind': 'parent'}"), (b.id, "{}")])
    assert [link.source for link in clinic.relations.links(winner.ref, "relative", direction="in")] == [c.id]


def test_cardinality_is_kept_when_both_have_their_one(clinic, pair):
    winner, loser = pair
    a, b = patient(clinic, "a"), patient(clinic, "b")
    clinic.relations.link(winner.ref, "bed_neighbour", a.ref)
    clinic.relations.link(loser.ref, "bed_neighbour", b.ref)
    clinic.duplicates.merge("patient", winner.id, loser.id)
    assert [link.target for link in clinic.relations.links(winner.ref, "bed_neighbour")] == [a.id]


def test_references_to_the_loser_are_rewritten(clinic):
    one, two = clinic.create("surgeon", {"name": "Dr. X", "code": "1"}), clinic.create("surgeon", {"name": "Dr X"})
    treated = [patient(clinic, f"p{n}", surgeon=two.id) for n in range(3)]
    clinic.duplicates.merge("surgeon", one.id, two.id)
    assert {clinic.get("patient", p.id)["surgeon"] for p in treated} == {one.id}
    assert len(clinic.relations.links(one.ref, direction="in").items) == 3
    clinic.duplicates.unmerge(two.id)
    assert {clinic.get("patient", p.id)["surgeon"] for p in treated} == {two.id}


def test_both_histories_are_kept(clinic, pair):
    clinic.duplicates.merge("patient", pair[0].id, pair[1].id)
    assert len(clinic.history("patient", pair[0].id).items) == 2
    assert len(clinic.history("patient", pair[1].id).items) == 2
    (merge,) = clinic.duplicates.merges("patient", pair[0].id)
    assert (merge.loser, merge.merged_by, merge.undone_at) == (pair[1].id, "user:ito", None)
    assert set(merge.fields) == {"mrn", "insurance_no"}


def test_a_merge_keeps_no_sensitive_value_in_the_clear(clinic, pair, platform):
    clinic.duplicates.merge("patient", pair[0].id, pair[1].id)
    with platform.transaction() as tx, tx.unscoped(reason="look at what is stored"):
        stored = [tx.connection.exec_driver_sql(f"SELECT * FROM {t}").all() for t in ("entity_merge", "audit_entry")]
    assert "A-77" not in str(stored)


def test_undoing_gives_both_records_back(clinic, pair):
    clinic.duplicates.merge("patient", pair[0].id, pair[1].id)
    winner, loser = clinic.duplicates.unmerge(pair[1].id)
    assert (winner.data, loser.data) == (pair[0].data, pair[1].data)
    assert [r.id for r in clinic.query("patient", {"mrn": "M-2"})] == [loser.id]
    assert [r.id for r in clinic.query("patient", {"insurance_no": "A-77"})] == [loser.id]
    with pytest.raises(NotFoundError, match="no standing merge"):
        clinic.duplicates.unmerge(pair[1].id)


def test_a_field_changed_since_the_merge_stays_changed(clinic, pair):
    clinic.duplicates.merge("patient", pair[0].id, pair[1].id)
    clinic.update("patient", pair[0].id, {"insurance_no": "NEW", "ward": "general"})
    winner, loser = clinic.duplicates.unmerge(pair[1].id)
    assert (winner["insurance_no"], winner["ward"], winner["mrn"]) == ("NEW", "general", None)
    assert loser["insurance_no"] == "A-77"


def test_merges_in_a_chain_are_undone_from_the_last(clinic, pair):
    third = patient(clinic, "third", given_name="T")
    clinic.duplicates.merge("patient", pair[0].id, pair[1].id)
    clinic.duplicates.merge("patient", third.id, pair[0].id)
    with pytest.raises(ConflictError, match="undo that merge first"):
        clinic.duplicates.unmerge(pair[1].id)
    clinic.duplicates.unmerge(pair[0].id)
    winner, loser = clinic.duplicates.unmerge(pair[1].id)
    assert (winner.data, loser.data) == (pair[0].data, pair[1].data)


def test_a_merge_of_another_tenant_cannot_be_undone(clinic, pair, platform):
    clinic.duplicates.merge("patient", pair[0].id, pair[1].id)
    with platform.context(tenant="st-johns"), pytest.raises(NotFoundError):
        platform.entities.duplicates.unmerge(pair[1].id)


_FIELDS = {
    "given_name": st.sampled_from(["Ann", "Ben"]),
    "ward": st.sampled_from(["icu", "er"]),
    "weight": st.sampled_from(["50", "120"]),
    "insurance_no": st.sampled_from(["A", "B"]),
    "allergies": st.sampled_from([["nuts"], ["latex"]]),
}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_merging_and_undoing_restores_records_and_links_exactly(clinic, data):
    people = [patient(clinic, f"p{n}", **data.draw(st.fixed_dictionaries({}, optional=_FIELDS))) for n in range(4)]
    ends = st.tuples(st.sampled_from(range(4)), st.sampled_from(range(4)), st.sampled_from(["relative", "bed_neighbour"]))
    for source, target, relation in data.draw(st.lists(ends, max_size=8, unique=True)):
        try:
            if source != target:
                clinic.relations.link(people[source].ref, relation, people[target].ref)
        except ConflictError:
            continue

    def state():
        records = {p.id: clinic.get("patient", p.id).data for p in people}
        links = {(n.kind, n.source, n.target) for p in people for n in clinic.relations.links(p.ref)}
        return records, links

    before = state()
    clinic.duplicates.merge("patient", people[0].id, people[1].id)
    clinic.duplicates.unmerge(people[1].id)
    assert state() == before
