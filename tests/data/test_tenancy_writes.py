"""No way of writing through the ORM or Core touches another tenant's rows."""

from uuid import uuid4

import pytest
from sqlalchemy import bindparam, delete, insert, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import make_transient, make_transient_to_detached

from brickwork.errors import BrokenReferenceError, CrossTenantError, DuplicateError, TenancyError, UnscopedStatementError
from brickwork.testing.ward import Patient, Tag, Visit, patient_tag

tag = Tag.__table__
patient = Patient.__table__


@pytest.fixture
def upsert(database_kind):
    return {"sqlite": sqlite.insert, "postgres": postgresql.insert}[database_kind]


def test_an_insert_is_stamped_with_the_tenant(two):
    with two.alpha() as tx:
        tx.session.add(Tag(name="orm"))
        tx.session.flush()
        tx.execute(insert(tag), {"id": uuid4(), "name": "core"})
        tx.execute(insert(tag), [{"id": uuid4(), "name": f"many{n}"} for n in range(3)])
        tx.execute(insert(tag).values([{"id": uuid4(), "name": "multi1"}, {"id": uuid4(), "name": "multi2"}]))
        tx.session.execute(insert(Tag), [{"name": "bulk1"}, {"name": "bulk2"}])
        tx.session.bulk_insert_mappings(Tag.__mapper__, [{"name": "mapping"}])
        tx.session.bulk_save_objects([Tag(name="object")])
        rows = tx.execute(select(tag.c.tenant_id, tag.c.name).where(tag.c.tenant_id == "alpha")).all()
    assert len(rows) == 12
    assert two.bob_is_untouched()


FOREIGN_INSERTS = {
    "an ORM object": lambda s, tx: s.add(Tag(tenant_id="beta", name="x")),
    "an ORM bulk insert": lambda s, tx: s.execute(insert(Tag), [{"name": "y"}, {"tenant_id": "beta", "name": "x"}]),
    "bulk_insert_mappings": lambda s, tx: s.bulk_insert_mappings(Tag.__mapper__, [{"tenant_id": "beta", "name": "x"}]),
    "bulk_save_objects": lambda s, tx: s.bulk_save_objects([Tag(tenant_id="beta", name="x")]),
    "a Core insert": lambda s, tx: tx.execute(insert(tag), {"tenant_id": "beta", "id": uuid4(), "name": "x"}),
    "Core values": lambda s, tx: tx.execute(insert(tag).values(tenant_id="beta", id=uuid4(), name="x")),
    "Core values of several rows": lambda s, tx: tx.execute(
        insert(tag).values([{"tenant_id": t, "id": uuid4(), "name": "x"} for t in ("alpha", "beta")])
    ),
    "Core executemany": lambda s, tx: tx.execute(
        insert(tag), [{"tenant_id": t, "id": uuid4(), "name": "x"} for t in ("alpha", "beta")]
    ),
    "a computed tenant": lambda s, tx: tx.execute(
        insert(tag).values(tenant_id=literal("be") + literal("ta"), id=uuid4(), name="x")
    ),
    "insert from select": lambda s, tx: tx.execute(
        insert(tag).from_select(["tenant_id", "id", "name"], select(literal("beta"), literal(uuid4()), literal("x")))
    ),
}


@pytest.mark.parametrize("how", FOREIGN_INSERTS.values(), ids=FOREIGN_INSERTS.keys())
def test_an_insert_that_carries_another_tenant_is_refused(two, how):
    with pytest.raises(TenancyError), two.alpha() as tx:
        how(tx.session, tx)
        tx.session.flush()
    assert two.bob_is_untouched()


def test_an_insert_from_select_is_stamped_and_its_select_held(two):
    with two.alpha() as tx:
        with pytest.raises(UnscopedStatementError, match="ward_patient"):
            tx.execute(insert(tag).from_select(["id", "name"], select(patient.c.id, patient.c.name)))
        own = select(patient.c.tenant_id, patient.c.id, patient.c.name).where(patient.c.tenant_id == "alpha")
        tx.execute(insert(tag).from_select(["tenant_id", "id", "name"], own))
        assert {t.name for t in tx.session.scalars(select(Tag))} == {"urgent", "Ann", "Abe"}


def test_an_insert_whose_value_reads_an_unheld_table_is_refused(two):
    spy = select(patient.c.name).where(patient.c.code == "P1").limit(1).scalar_subquery()
    for values in ({"id": uuid4(), "name": spy}, [{"id": uuid4(), "name": spy}]):
        with pytest.raises(UnscopedStatementError, match="ward_patient"), two.alpha() as tx:
            tx.execute(insert(tag).values(values))


def test_what_an_insert_returns_is_held(two):
    spy = select(patient.c.name).limit(1).scalar_subquery()
    with pytest.raises(UnscopedStatementError, match="ward_patient"), two.alpha() as tx:
        tx.execute(insert(tag).values(id=uuid4(), name="x").returning(spy)).all()


def test_update_where_and_delete_where_are_held(two):
    with two.alpha() as tx:
        assert tx.session.execute(update(Visit).values(reason="changed")).rowcount == 1
        assert tx.session.execute(update(Visit).where(Visit.id == two.bob_visit).values(reason="x")).rowcount == 0
        assert tx.session.execute(delete(Visit).where(Visit.tenant_id == "beta")).rowcount == 0
        assert tx.session.execute(delete(Visit)).rowcount == 1
    assert two.bob_is_untouched()


def test_an_update_that_reads_an_unheld_table_is_refused(two):
    spy = select(tag.c.name).limit(1).scalar_subquery()
    with two.alpha() as tx:
        for statement in (
            update(Patient).values(name=spy),
            update(Patient).where(Patient.name.in_(select(tag.c.name))).values(name="x"),
            update(Patient).values(name="x").returning(spy),
            delete(Visit).where(Visit.reason == spy),
        ):
            with pytest.raises(UnscopedStatementError, match="ward_tag"):
                tx.session.execute(statement)


def test_a_bulk_update_by_primary_key_reaches_own_rows_only(two):
    with two.alpha() as tx:
        own = {"tenant_id": "alpha", "id": two.ann, "name": "Anna", "version": 1}
        tx.session.execute(update(Patient), [own])
        assert tx.session.scalar(select(Patient.name).where(Patient.id == two.ann)) == "Anna"
        foreign = {"tenant_id": "beta", "id": two.bob, "name": "Mallory", "version": 1}
        with pytest.raises(CrossTenantError):
            tx.session.execute(update(Patient), [foreign])
        with pytest.raises(CrossTenantError):
            tx.session.execute(update(Patient), [{**own, "version": 2}, foreign])
    assert two.bob_is_untouched()


def test_bulk_update_mappings_reaches_own_rows_only(two):
    with pytest.raises(CrossTenantError), two.alpha() as tx:
        foreign = {"tenant_id": "beta", "id": two.bob_visit, "reason": "x"}
        tx.session.bulk_update_mappings(Visit.__mapper__, [foreign])
    assert two.bob_is_untouched()


def test_a_core_update_by_parameters_reaches_own_rows_only(two):
    statement = update(tag).where(tag.c.tenant_id == bindparam("t"), tag.c.id == bindparam("i")).values(name="x")
    with two.alpha() as tx:
        with pytest.raises(CrossTenantError):
            tx.execute(statement, {"t": "beta", "i": two.bob_tag})
        with pytest.raises(CrossTenantError):
            tx.execute(statement, [{"t": "alpha", "i": two.bob_tag}, {"t": "beta", "i": two.bob_tag}])
        assert tx.execute(statement, {"t": "alpha", "i": two.bob_tag}).rowcount == 0
    assert two.bob_is_untouched()


def test_an_upsert_cannot_reach_another_tenants_row(two, upsert):
    clash = upsert(tag).values(id=two.bob_tag, name="urgent")
    with two.alpha() as tx:
        statement = clash.on_conflict_do_update(index_elements=[tag.c.tenant_id, tag.c.name], set_={"name": "renamed"})
        tx.execute(statement)
        assert [t.name for t in tx.session.scalars(select(Tag))] == ["renamed"]
        with pytest.raises(TenancyError), tx.savepoint():
            tx.execute(upsert(tag).values(tenant_id="beta", id=two.bob_tag, name="x").on_conflict_do_nothing())
        with pytest.raises(TenancyError), tx.savepoint():
            tx.execute(
                upsert(tag)
                .values(id=uuid4(), name="renamed")
                .on_conflict_do_update(index_elements=[tag.c.tenant_id, tag.c.name], set_={"tenant_id": "beta"})
            )
    assert two.bob_is_untouched()


def test_an_upsert_that_reads_an_unheld_table_is_refused(two, upsert):
    spy = select(patient.c.name).limit(1).scalar_subquery()
    with two.alpha() as tx, pytest.raises(UnscopedStatementError, match="ward_patient"):
        tx.execute(
            upsert(tag)
            .values(id=uuid4(), name="urgent")
            .on_conflict_do_update(index_elements=[tag.c.tenant_id, tag.c.name], set_={"name": spy})
        )


TENANT_CHANGES = {
    "an attribute": lambda two, tx: setattr(tx.session.get(Patient, ("alpha", two.ann)), "tenant_id", "beta"),
    "an ORM update": lambda two, tx: tx.session.execute(update(Visit).values(tenant_id="beta")),
    "a Core update": lambda two, tx: tx.execute(update(tag).where(tag.c.tenant_id == "alpha").values(tenant_id="beta")),
    "a parameter": lambda two, tx: tx.execute(update(tag).where(tag.c.tenant_id == "alpha"), {"tenant_id": "beta"}),
}


@pytest.mark.parametrize("how", TENANT_CHANGES.values(), ids=TENANT_CHANGES.keys())
def test_a_row_cannot_be_given_to_another_tenant(two, how):
    with pytest.raises(TenancyError), two.alpha() as tx:
        how(two, tx)
        tx.session.flush()
    assert two.bob_is_untouched()


def test_a_detached_object_of_another_tenant_cannot_be_deleted(two):
    ghost = Visit(tenant_id="beta", id=two.bob_visit)
    make_transient_to_detached(ghost)
    with pytest.raises(CrossTenantError), two.alpha() as tx:
        tx.session.delete(ghost)
    assert two.bob_is_untouched()


def test_an_object_that_lost_its_state_is_stamped_anew(two):
    with two.beta() as tx:
        bob = tx.session.get_one(Visit, ("beta", two.bob_visit))
    make_transient(bob)
    with pytest.raises(CrossTenantError), two.alpha() as tx:
        tx.session.add(bob)
    assert two.bob_is_untouched()


def test_a_reference_to_another_tenants_row_is_a_broken_one(two):
    with pytest.raises(BrokenReferenceError), two.alpha() as tx:
        tx.session.add(Visit(patient_id=two.bob, reason="x"))
        tx.session.flush()
    with pytest.raises(BrokenReferenceError), two.alpha() as tx:
        tx.execute(insert(patient_tag), {"patient_id": two.ann, "tag_id": two.bob_tag})


def test_two_tenants_may_have_the_same_unique_value(two):
    with two.alpha() as tx:
        tx.session.add(Patient(name="other", code="beta-only"))
    with two.beta() as tx:
        tx.session.add(Patient(name="other", code="beta-only"))
    with pytest.raises(DuplicateError), two.alpha() as tx:
        tx.session.add(Patient(name="third", code="beta-only"))
