"""The graph of records: links, cardinality, attributes, neighbours, subtrees, paths."""

from uuid import uuid4

import pytest
from sqlalchemy import event

from brickwork.entities import EntityRef
from brickwork.errors import BrokenReferenceError, ConflictError, DuplicateError, NotFoundError, ValidationError


@pytest.fixture
def family(clinic):
    """a is linked to b, b to c, c to d and back to a; e stands alone."""
    people = {n: clinic.create("patient", {"family_name": n}).ref for n in "abcde"}
    for source, target in ("ab", "bc", "cd", "da"):
        clinic.relations.link(people[source], "relative", people[target])
    return people


def test_a_link_has_direction_and_attributes(clinic, family):
    clinic.relations.link(family["a"], "relative", family["e"], {"kind": "parent"})
    out = clinic.relations.links(family["a"], "relative").items
    assert [(link.target, link.attributes) for link in out] == [(family["b"].id, {}), (family["e"].id, {"kind": "parent"})]
    assert [link.source for link in clinic.relations.links(family["a"], direction="in")] == [family["d"].id]
    clinic.relations.set_attributes(family["a"], "relative", family["e"], {"kind": "sibling"})
    assert clinic.relations.links(family["e"], direction="in").items[0].attributes == {"kind": "sibling"}


def test_wrong_attributes_relations_and_ends_are_refused(clinic, family):
    with pytest.raises(ValidationError, match=r"attributes\.kind"):
        clinic.relations.link(family["a"], "relative", family["e"], {"kind": "cousin"})
    with pytest.raises(ValidationError, match="no relation 'friend'"):
        clinic.relations.link(family["a"], "friend", family["e"])
    with pytest.raises(ValidationError, match="reference field"):
        clinic.relations.link(family["a"], "surgeon", family["e"])
    with pytest.raises(BrokenReferenceError):
        clinic.relations.link(family["a"], "relative", EntityRef("patient", uuid4()))
    surgeon = clinic.create("surgeon", {"name": "x"})
    with pytest.raises(BrokenReferenceError):
        clinic.relations.link(family["a"], "relative", surgeon.ref)


def test_the_same_link_twice_is_a_duplicate(clinic, family):
    with pytest.raises(DuplicateError):
        clinic.relations.link(family["a"], "relative", family["b"])


def test_cardinality_is_kept(clinic, family):
    a, b, c = family["a"], family["b"], family["c"]
    clinic.relations.link(a, "bed_neighbour", b)
    with pytest.raises(ConflictError, match="has its one"):
        clinic.relations.link(a, "bed_neighbour", c)
    with pytest.raises(ConflictError, match="taken"):
        clinic.relations.link(c, "bed_neighbour", b)
    clinic.relations.unlink(a, "bed_neighbour", b)
    clinic.relations.link(c, "bed_neighbour", b)
    with pytest.raises(NotFoundError):
        clinic.relations.unlink(a, "bed_neighbour", b)


def test_a_walk_gives_each_record_once_at_its_shortest_distance(clinic, family):
    out = {n.ref.id: n.depth for n in clinic.relations.subtree(family["a"], depth=5)}
    assert out == {family["b"].id: 1, family["c"].id: 2, family["d"].id: 3}
    both = {n.ref.id: n.depth for n in clinic.relations.subtree(family["a"], direction="both", depth=2)}
    assert both == {family["b"].id: 1, family["d"].id: 1, family["c"].id: 2}
    assert [n.ref.id for n in clinic.relations.neighbours(family["a"], direction="in")] == [family["d"].id]
    assert clinic.relations.subtree(family["e"], direction="both", depth=3) == []


def test_depth_and_relation_bound_a_walk(clinic, family):
    assert len(clinic.relations.subtree(family["a"], depth=1)) == 1
    assert clinic.relations.subtree(family["a"], ["guardian"], depth=3) == []
    with pytest.raises(ValidationError, match="depth"):
        clinic.relations.subtree(family["a"], depth=11)
    with pytest.raises(ValidationError, match="no relation"):
        clinic.relations.subtree(family["a"], ["friend"])


def test_paths_come_shortest_first_without_loops(clinic, family):
    ids = {n: ref.id for n, ref in family.items()}
    paths = clinic.relations.paths(family["a"], family["c"], depth=4)
    assert paths == [
        (ids["a"], ids["b"], ids["c"]),
        (ids["a"], ids["d"], ids["c"]),
    ] or paths == [(ids["a"], ids["d"], ids["c"]), (ids["a"], ids["b"], ids["c"])]
    assert clinic.relations.paths(family["a"], family["c"], direction="out") == [(ids["a"], ids["b"], ids["c"])]
    assert clinic.relations.paths(family["a"], family["e"]) == []


def test_a_walk_is_one_query_whatever_its_depth(clinic, family, platform):
    clinic.relations.subtree(family["a"], depth=1)
    statements = []

    def note(connection, cursor, statement, *_):
        statements.append(statement)

    engine = platform.database.engines.read
    event.listen(engine, "before_cursor_execute", note)
    try:
        clinic.relations.subtree(family["a"], depth=9)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert sum("RECURSIVE" in s for s in statements) == 1
    assert len(statements) == 1


def test_reference_fields_are_links_too(clinic):
    surgeon = clinic.create("surgeon", {"name": "Adeyemi"})
    patient = clinic.create("patient", {"family_name": "x", "surgeon": surgeon.id})
    assert [n.ref for n in clinic.relations.neighbours(surgeon.ref, direction="in")] == [patient.ref]
    clinic.update("patient", patient.id, {"surgeon": None})
    assert clinic.relations.neighbours(surgeon.ref) == []


def test_deleted_records_neither_appear_nor_are_passed_through(clinic, family):
    clinic.delete("patient", family["b"].id)
    assert [n.ref for n in clinic.relations.subtree(family["a"], depth=5)] == []
    assert clinic.relations.links(family["a"]).items == []


def test_deleting_follows_the_rules_of_the_links(clinic):
    elder, child, grandchild, friend = (clinic.create("patient", {"family_name": n}) for n in ("e", "c", "g", "f"))
    clinic.relations.link(child.ref, "guardian", elder.ref)  # cascade
    clinic.relations.link(grandchild.ref, "guardian", child.ref)
    clinic.relations.link(friend.ref, "relative", elder.ref)  # nullify
    clinic.delete("patient", elder.id)
    assert [r.id for r in clinic.query("patient")] == [friend.id]
    clinic.restore("patient", elder.id)
    assert clinic.count("patient") == 4
    assert {n.ref.id for n in clinic.relations.subtree(elder.ref, direction="in", depth=3)} == {child.id, grandchild.id}


def test_links_of_another_tenant_are_out_of_reach(clinic, family, platform):
    with platform.context(tenant="st-johns"):
        platform.entities.types.apply(
            {"name": "patient", "fields": {"family_name": {"type": "text"}}, "relations": {"relative": {"target": "patient"}}}
        )
        own = platform.entities.create("patient", {"family_name": "x"})
        with pytest.raises(BrokenReferenceError):
            platform.entities.relations.link(own.ref, "relative", family["a"])
        with pytest.raises(NotFoundError):
            platform.entities.relations.subtree(family["a"])
        assert platform.entities.relations.links(family["a"]).items == []
