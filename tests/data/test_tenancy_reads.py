"""No way of reading through the ORM shows another tenant's rows."""

import pytest
from sqlalchemy import bindparam, exists, func, literal, select, union, union_all
from sqlalchemy.orm import aliased, contains_eager, joinedload, selectinload, subqueryload

from brickwork.errors import CrossTenantError, MissingTenantError, UnscopedStatementError
from brickwork.testing.ward import Patient, Tag, Visit, patient_tag


def test_a_select_shows_the_tenants_rows_only(two):
    with two.alpha() as tx:
        assert tx.session.scalars(select(Patient.name).order_by(Patient.name)).all() == ["Abe", "Ann"]
        assert {patient.name for patient in tx.session.scalars(select(Patient))} == {"Ann", "Abe"}
        assert tx.session.query(Patient).count() == 2


def test_a_read_without_a_tenant_is_refused(two):
    with pytest.raises(MissingTenantError, match=r"platform\.context"), two.platform.transaction() as tx:
        tx.session.scalars(select(Patient)).all()


def test_a_join_is_held_on_both_sides(two):
    with two.alpha() as tx:
        rows = tx.session.execute(select(Patient.name, Visit.reason).join(Patient.visits)).all()
        assert rows == [("Ann", "fracture")]
        crossed = select(Patient.name, Visit.reason).join(Visit, literal(True))
        assert {reason for _, reason in tx.session.execute(crossed)} == {"fracture"}


def test_an_outer_join_is_held_on_its_outer_side(two):
    with two.alpha() as tx:
        crossed = select(Patient.name, Visit.reason).outerjoin(Visit, literal(True))
        assert {reason for _, reason in tx.session.execute(crossed)} == {"fracture"}
        loose = select(Tag.name, Patient.name).outerjoin(Patient, Patient.name == "Bob")
        assert tx.session.execute(loose).all() == [("urgent", None)]


def test_a_lazy_load_is_held(two):
    with two.alpha() as tx:
        ann = tx.session.get_one(Patient, ("alpha", two.ann))
        assert [visit.reason for visit in ann.visits] == ["fracture"]
        assert [tag.tenant_id for tag in ann.tags] == ["alpha"]
        assert ann.visits[0].patient is ann


@pytest.mark.parametrize("loader", [joinedload, selectinload, subqueryload])
def test_an_eager_load_is_held(two, loader):
    with two.alpha() as tx:
        statement = select(Patient).options(loader(Patient.visits), loader(Patient.tags)).order_by(Patient.name)
        abe, ann = tx.session.scalars(statement).unique()
        tx.session.expunge_all()
        assert (abe.visits, abe.tags) == ([], [])
        assert [visit.tenant_id for visit in ann.visits] == ["alpha"]
        assert [tag.tenant_id for tag in ann.tags] == ["alpha"]


def test_an_eager_load_with_a_condition_of_its_own_is_held(two):
    with two.alpha() as tx:
        unheld = select(Visit.__table__.c.id).where(Visit.__table__.c.reason == "secret")
        statement = select(Patient).options(selectinload(Patient.visits.and_(exists(unheld))))
        with pytest.raises(UnscopedStatementError, match="ward_visit"):
            tx.session.scalars(statement).all()


def test_contains_eager_is_held(two):
    with two.alpha() as tx:
        statement = select(Patient).join(Patient.visits).options(contains_eager(Patient.visits))
        (ann,) = tx.session.scalars(statement).unique()
        assert [visit.reason for visit in ann.visits] == ["fracture"]


def test_get_finds_nothing_of_another_tenant(two):
    with two.alpha() as tx:
        assert tx.session.get(Patient, ("alpha", two.ann)).name == "Ann"
        assert tx.session.get(Patient, ("beta", two.bob)) is None
        assert tx.session.get(Patient, ("alpha", two.bob)) is None


def test_a_cte_is_held(two):
    with two.alpha() as tx:
        cte = select(Patient.name).cte()
        assert set(tx.session.scalars(select(cte.c.name))) == {"Ann", "Abe"}


def test_an_alias_is_held(two):
    with two.alpha() as tx:
        other = aliased(Patient)
        assert set(tx.session.scalars(select(other.name))) == {"Ann", "Abe"}
        pairs = tx.session.execute(select(Patient.name, other.name).where(Patient.name != other.name)).all()
        assert sorted(pairs) == [("Abe", "Ann"), ("Ann", "Abe")]


def test_a_subquery_is_held(two):
    with two.alpha() as tx:
        inner = select(Visit.patient_id, func.count().label("visits")).group_by(Visit.patient_id).subquery()
        rows = tx.session.execute(select(inner.c.visits)).all()
        assert rows == [(1,)]
        counted = select(select(func.count(Patient.id)).scalar_subquery())
        assert tx.session.scalar(counted) == 2
        beside = select(Patient.name, select(func.count(Visit.id)).scalar_subquery()).order_by(Patient.name)
        assert tx.session.execute(beside).all() == [("Abe", 1), ("Ann", 1)]


def test_an_exists_is_held(two):
    with two.alpha() as tx:
        assert tx.session.scalar(select(select(Patient.id).where(Patient.name == "Bob").exists())) is False
        with pytest.raises(UnscopedStatementError):  # names no entity to select, so the ORM adds no criteria
            tx.session.scalar(select(exists().where(Patient.name == "Bob")))
        assert tx.session.scalars(select(Patient.name).where(Patient.visits.any())).all() == ["Ann"]
        assert tx.session.scalars(select(Visit.reason).where(Visit.patient.has(name="Bob"))).all() == []
        assert tx.session.scalars(select(Patient.name).where(Patient.tags.any(Tag.name == "urgent"))).all() == ["Ann"]


def test_a_union_is_held_in_each_part(two):
    with two.alpha() as tx:
        both = union(select(Patient.name), select(Visit.reason))
        assert set(tx.session.scalars(both)) == {"Ann", "Abe", "fracture"}
        entities = select(Patient).from_statement(
            union_all(*(select(Patient).where(Patient.tenant_id == "alpha") for _ in range(2)))
        )
        assert {patient.name for patient in tx.session.scalars(entities)} == {"Ann", "Abe"}


def test_a_condition_for_another_tenant_gives_nothing_of_it(two):
    with two.alpha() as tx:
        assert tx.session.scalars(select(Patient).where(Patient.tenant_id == "beta")).all() == []


def test_a_switch_of_tenant_starts_with_an_empty_identity_map(two):
    with two.beta() as tx:
        bob = tx.session.get(Patient, ("beta", two.bob))
        assert bob is not None
    with two.alpha() as tx:
        assert tx.session.get(Patient, ("beta", two.bob)) is None
        assert list(tx.session.identity_map.values()) == []


def test_a_switch_of_tenant_inside_a_transaction_is_refused(two):
    with two.alpha() as tx:
        tx.session.scalars(select(Patient)).all()
        with (
            two.platform.context(tenant="beta"),
            pytest.raises(CrossTenantError, match="another tenant is open"),
            two.platform.transaction(),
        ):
            pass


def test_an_object_of_another_tenant_cannot_enter_the_session(two):
    with two.beta() as tx:
        bob = tx.session.get_one(Patient, ("beta", two.bob))
    with two.alpha() as tx, pytest.raises(CrossTenantError, match="another tenant"):
        tx.session.add(bob)


def test_refresh_cannot_load_another_tenants_row(two):
    with two.alpha() as tx:
        ann = tx.session.get_one(Patient, ("alpha", two.ann))
        tx.session.refresh(ann)
        assert ann.name == "Ann"
    with two.beta() as tx:
        bob = tx.session.get_one(Patient, ("beta", two.bob))
    with two.alpha() as tx, pytest.raises(CrossTenantError):
        tx.session.add(bob)
        tx.session.refresh(bob)


def test_merge_tells_nothing_about_another_tenants_row(two):
    for identity in (two.bob, two.ann):  # one that exists there, one that does not: the answer is the same
        with two.alpha() as tx, pytest.raises(CrossTenantError, match="another tenant"):
            tx.session.merge(Patient(tenant_id="beta", id=identity, name="Mallory"))
    assert two.bob_is_untouched()


def test_merge_of_an_object_graph_refuses_a_foreign_part(two):
    graph = Patient(tenant_id="alpha", id=two.abe, name="Abe", version=1)
    graph.visits = [Visit(tenant_id="beta", id=two.bob_visit, reason="stolen")]
    with pytest.raises(CrossTenantError), two.alpha() as tx:
        tx.session.merge(graph)
    assert two.bob_is_untouched()


def test_from_statement_refuses_text(two):
    from sqlalchemy import text

    with two.alpha() as tx, pytest.raises(UnscopedStatementError, match="ward_patient"):
        tx.session.scalars(select(Patient).from_statement(text("SELECT * FROM ward_patient"))).all()


def test_from_statement_refuses_a_select_that_forgets_the_tenant(two):
    patient = Patient.__table__
    with two.alpha() as tx:
        with pytest.raises(UnscopedStatementError):
            tx.session.scalars(select(Patient).from_statement(select(patient))).all()
        with pytest.raises(CrossTenantError):
            foreign = select(patient).where(patient.c.tenant_id == "beta")
            tx.session.scalars(select(Patient).from_statement(foreign)).all()
        held = select(patient).where(patient.c.tenant_id == bindparam("t"))
        found = tx.session.scalars(select(Patient).from_statement(held), {"t": "alpha"}).all()
        assert {patient.name for patient in found} == {"Ann", "Abe"}


def test_an_entity_joined_to_a_bare_table_needs_the_table_held(two):
    visit = Visit.__table__
    with two.alpha() as tx:
        with pytest.raises(UnscopedStatementError, match="ward_visit"):
            tx.session.execute(select(Patient.name, visit.c.reason).join(visit, literal(True))).all()
        held = select(Patient.name, visit.c.reason).join(visit, visit.c.tenant_id == Patient.tenant_id)
        assert set(tx.session.execute(held)) == {("Ann", "fracture"), ("Abe", "fracture")}
        bound = select(Patient.name, visit.c.reason).join(visit, visit.c.tenant_id == "alpha")
        assert set(tx.session.execute(bound)) == {("Ann", "fracture"), ("Abe", "fracture")}


def test_a_link_table_beside_an_entity_needs_to_be_held(two):
    with two.alpha() as tx:
        with pytest.raises(UnscopedStatementError, match="ward_patient_tag"):
            tx.session.execute(select(Patient.name, patient_tag.c.tag_id).join(patient_tag, literal(True))).all()
        linked = select(Patient.name).join(patient_tag, (patient_tag.c.tenant_id == Patient.tenant_id))
        assert set(tx.session.scalars(linked)) == {"Ann", "Abe"}


@pytest.mark.parametrize("option", [None, joinedload(Visit.patient), selectinload(Visit.patient)])
def test_a_deleted_row_does_not_come_back_through_a_relationship(two, option):
    with two.alpha() as tx:
        tx.session.delete(tx.session.get(Patient, ("alpha", two.ann)))
    with two.alpha() as tx:
        statement = select(Visit)
        visit = tx.session.scalars(statement.options(option) if option is not None else statement).one()
        assert visit.patient is None


def test_rows_that_are_streamed_are_the_tenants_only(two):
    with two.alpha() as tx:
        streamed = tx.session.scalars(select(Patient).execution_options(yield_per=1))
        assert {patient.name for patient in streamed} == {"Ann", "Abe"}
    with two.alpha() as tx:
        own = select(Patient.name).where(Patient.tenant_id == tx.tenant)
        rows = tx.connection.execution_options(stream_results=True).execute(own)
        assert set(rows.scalars()) == {"Ann", "Abe"}
