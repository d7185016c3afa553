"""Core statements and raw SQL run only if they hold each tenant table to the tenant, or inside an audited block."""

import pytest
from sqlalchemy import and_, bindparam, exists, func, literal, not_, or_, select, text, union
from sqlalchemy.orm import aliased

from brickwork.errors import CrossTenantError, MissingTenantError, UnscopedStatementError, ValidationError
from brickwork.testing.ward import Patient, Tag, Visit, patient_tag

patient, visit, tag = Patient.__table__, Visit.__table__, Tag.__table__
mine = patient.c.tenant_id == "alpha"


def names(tx, statement, parameters=None):
    return {row[0] for row in tx.execute(statement, parameters)}


def test_a_core_select_without_the_tenant_is_refused_and_the_message_says_how_to_mend_it(two):
    with two.alpha() as tx, pytest.raises(UnscopedStatementError) as refusal:
        tx.execute(select(patient.c.name))
    assert "ward_patient" in refusal.value.message
    assert ".where(table.c.tenant_id == tenant)" in refusal.value.message
    assert "unscoped(reason=...)" in refusal.value.message


def test_a_core_select_held_to_the_tenant_runs(two):
    with two.alpha() as tx:
        assert names(tx, select(patient.c.name).where(mine)) == {"Ann", "Abe"}
        assert names(tx, select(patient.c.name).where(patient.c.tenant_id == "alpha")) == {"Ann", "Abe"}
        held = select(patient.c.name).where(and_(patient.c.code == "P1", and_(mine, literal(True))))
        assert names(tx, held) == {"Ann"}
        prepared = select(patient.c.name).where(patient.c.tenant_id == bindparam("tenant"))
        assert names(tx, prepared, {"tenant": tx.tenant}) == {"Ann", "Abe"}


def test_a_core_select_for_another_tenant_is_refused_each_time(two):
    prepared = select(patient.c.name).where(patient.c.tenant_id == bindparam("tenant"))
    with two.alpha() as tx:
        for _ in range(2):
            assert names(tx, prepared, {"tenant": "alpha"}) == {"Ann", "Abe"}
            with pytest.raises(CrossTenantError):
                tx.execute(prepared, {"tenant": "beta"})
            with pytest.raises(CrossTenantError):
                tx.execute(select(patient.c.name).where(patient.c.tenant_id == "beta"))


HALF_HELD = {
    "or": or_(mine, patient.c.code == "P1"),
    "not": not_(mine),
    "not equal": patient.c.tenant_id != "alpha",
    "in": patient.c.tenant_id.in_(["alpha", "beta"]),
    "itself": patient.c.tenant_id == patient.c.tenant_id,
    "like": patient.c.tenant_id.like("%"),
    "a function": patient.c.tenant_id == func.coalesce(patient.c.tenant_id, "alpha"),
    "a case of and in or": or_(and_(mine, patient.c.code == "P1"), patient.c.name == "Bob"),
    "another column of the name": patient.c.name == "alpha",
}


@pytest.mark.parametrize("condition", HALF_HELD.values(), ids=HALF_HELD.keys())
def test_a_condition_that_does_not_hold_every_row_is_refused(two, condition):
    with two.alpha() as tx, pytest.raises(UnscopedStatementError):
        tx.execute(select(patient.c.name).where(condition))


def test_each_table_of_a_join_must_be_held_directly_or_through_another(two):
    with two.alpha() as tx:
        through = (
            select(patient.c.name, visit.c.reason)
            .join(visit, and_(visit.c.patient_id == patient.c.id, visit.c.tenant_id == patient.c.tenant_id))
            .where(mine)
        )
        assert tx.execute(through).all() == [("Ann", "fracture")]
        chain = (
            select(tag.c.name)
            .join(patient_tag, patient_tag.c.tenant_id == tag.c.tenant_id)
            .join(patient, patient.c.tenant_id == patient_tag.c.tenant_id)
            .where(mine)
        )
        assert names(tx, chain) == {"urgent"}
        with pytest.raises(UnscopedStatementError, match="ward_visit"):
            tx.execute(select(patient.c.name).join(visit, visit.c.patient_id == patient.c.id).where(mine))


def test_a_nested_join_is_held_too(two):
    inner = visit.join(patient_tag, visit.c.patient_id == patient_tag.c.patient_id)
    joined = patient.outerjoin(inner, literal(True))
    with two.alpha() as tx, pytest.raises(UnscopedStatementError):
        tx.execute(select(visit.c.reason).select_from(joined).where(mine))


def test_an_outer_join_holds_only_its_inner_side(two):
    """`LEFT JOIN x ON left.tenant = 't'` shows every row of the left side, whatever its tenant."""
    with two.alpha() as tx:
        with pytest.raises(UnscopedStatementError, match="ward_patient"):
            tx.execute(select(patient.c.name).outerjoin(visit, and_(mine, visit.c.tenant_id == "alpha")))
        with pytest.raises(UnscopedStatementError):
            full = patient.join(visit, and_(mine, visit.c.tenant_id == "alpha"), full=True)
            tx.execute(select(patient.c.name).select_from(full))
        good = select(patient.c.name, visit.c.reason).outerjoin(
            visit, and_(visit.c.tenant_id == patient.c.tenant_id, visit.c.patient_id == patient.c.id)
        )
        assert set(tx.execute(good.where(mine))) == {("Ann", "fracture"), ("Abe", None)}


def test_a_subquery_must_hold_itself(two):
    with two.alpha() as tx:
        with pytest.raises(UnscopedStatementError):
            tx.execute(select(select(patient.c.name).subquery().c.name))
        with pytest.raises(UnscopedStatementError):
            tx.execute(select(select(patient.c.name).cte().c.name))
        held = select(patient.c.name).where(mine)
        assert names(tx, select(held.subquery().c.name)) == {"Ann", "Abe"}
        assert names(tx, select(held.cte().c.name)) == {"Ann", "Abe"}
        assert names(tx, select(held.subquery().alias().c.name)) == {"Ann", "Abe"}


def test_a_subquery_on_the_outer_querys_own_table_must_hold_itself(two):
    """SQLAlchemy correlates such a subquery only if something else is left in its FROM."""
    spies = [
        select(patient.c.name, select(func.count(patient.c.id)).scalar_subquery()),
        select(patient.c.name).where(patient.c.id.in_(select(patient.c.id))),
        select(patient.c.name).join(select(patient.c.name.label("n")).subquery(), literal(True)),
        select(patient.c.name).join(select(patient.c.name.label("n")).cte(), literal(True)),
    ]
    with two.alpha() as tx:
        for spy in spies:
            with pytest.raises(UnscopedStatementError, match="ward_patient"):
                tx.execute(spy.where(mine))


def test_a_correlated_subquery_may_lean_on_the_outer_query(two):
    with two.alpha() as tx:
        same = and_(visit.c.tenant_id == patient.c.tenant_id, visit.c.patient_id == patient.c.id)
        counted = select(func.count(visit.c.id)).where(same).scalar_subquery()
        assert tx.execute(select(patient.c.name, counted).where(mine).order_by("name")).all() == [("Abe", 0), ("Ann", 1)]
        assert names(tx, select(patient.c.name).where(mine, exists().where(same))) == {"Ann"}
        loose = exists().where(visit.c.patient_id == patient.c.id)
        with pytest.raises(UnscopedStatementError, match="ward_visit"):
            tx.execute(select(patient.c.name).where(mine, loose))


def test_a_subquery_used_twice_is_judged_in_each_place(two):
    same = and_(visit.c.tenant_id == patient.c.tenant_id, visit.c.patient_id == patient.c.id)
    reason = select(visit.c.reason).where(same)
    correlated = select(patient.c.name, reason.scalar_subquery()).where(mine)
    both = union(correlated, select(literal("x"), reason.subquery().c.reason))
    with two.alpha() as tx, pytest.raises(UnscopedStatementError):
        tx.execute(both)


def test_each_part_of_a_union_must_be_held(two):
    with two.alpha() as tx:
        with pytest.raises(UnscopedStatementError, match="ward_patient"):
            tx.execute(union(select(tag.c.name).where(tag.c.tenant_id == "alpha"), select(patient.c.name)))
        good = union(select(tag.c.name).where(tag.c.tenant_id == "alpha"), select(patient.c.name).where(mine))
        assert names(tx, good) == {"urgent", "Ann", "Abe"}


def test_an_alias_must_be_held_by_itself(two):
    other = patient.alias()
    twice = patient.alias("a").alias("b")
    with two.alpha() as tx:
        for spy in (select(other.c.name), select(other.c.name).join(patient, literal(True)).where(mine), select(twice.c.name)):
            with pytest.raises(UnscopedStatementError):
                tx.execute(spy)
        assert names(tx, select(other.c.name).where(other.c.tenant_id == "alpha")) == {"Ann", "Abe"}


def test_a_recursive_query_must_be_held_at_its_start_and_at_each_step(two):
    start = select(patient.c.tenant_id, patient.c.id, patient.c.name).where(mine, patient.c.code == "P1")
    walk = start.cte("walk", recursive=True)
    loose = walk.union(select(patient.c.tenant_id, patient.c.id, patient.c.name).join(walk, literal(True)))
    held = walk.union(select(patient.c.tenant_id, patient.c.id, patient.c.name).join(walk, literal(True)).where(mine))
    with two.alpha() as tx:
        assert names(tx, select(held.c.name)) == {"Ann", "Abe"}
        with pytest.raises(UnscopedStatementError):
            tx.execute(select(loose.c.name))


@pytest.mark.parametrize("table", [patient, patient_tag])
def test_raw_sql_that_names_a_tenant_table_is_refused(two, table):
    with two.alpha() as tx:
        for run in (
            lambda sql: tx.execute(text(sql)),
            lambda sql: tx.session.execute(text(sql)),
            lambda sql: tx.connection.exec_driver_sql(sql),
            lambda sql: tx.execute(text(sql.upper())),
            lambda sql: tx.execute(select(text("1")).select_from(text(table.name))),
            lambda sql: tx.execute(text(sql).columns().subquery().select()),
            lambda sql: tx.session.connection().execute(text(sql)),
        ):
            with pytest.raises(UnscopedStatementError, match=f"(?i){table.name}"):
                run(f"SELECT tenant_id FROM {table.name}")


def test_raw_sql_on_other_tables_runs(two):
    with two.alpha() as tx:
        assert tx.execute(text("SELECT 1")).scalar_one() == 1
        assert tx.connection.exec_driver_sql("SELECT 2").scalar_one() == 2


def test_an_unscoped_block_lets_raw_sql_pass_and_is_audited(two):
    sql = text("SELECT name FROM ward_patient WHERE tenant_id = 'alpha'")
    with two.alpha() as tx:
        with tx.unscoped(reason="monthly report"):
            assert names(tx, sql) == {"Ann", "Abe"}
        with pytest.raises(UnscopedStatementError):
            tx.execute(sql)
    with two.platform.context(tenant="alpha"):
        (entry,) = two.platform.audit.entries(action="unscoped")
    assert (entry.actor, entry.reason) == ("user:test", "monthly report")


def test_an_unscoped_block_within_another_does_not_end_the_outer_one(two):
    with two.alpha() as tx, tx.unscoped(reason="outer"):
        with tx.unscoped(reason="inner"):
            pass
        assert names(tx, text("SELECT name FROM ward_patient WHERE tenant_id = 'alpha'")) == {"Ann", "Abe"}


def test_an_unscoped_block_needs_a_reason(two):
    with two.alpha() as tx, pytest.raises(ValidationError, match="needs a reason"), tx.unscoped(reason="  "):
        pass


def test_an_unscoped_block_never_brings_foreign_objects_into_the_session(two):
    everything = select(Patient).from_statement(text("SELECT * FROM ward_patient"))
    with two.alpha() as tx:
        with tx.unscoped(reason="test"):
            assert {p.name for p in tx.session.scalars(select(Patient))} == {"Ann", "Abe"}
            try:
                found = {p.name for p in tx.session.scalars(everything)}
            except CrossTenantError:
                found = {"Ann", "Abe"}  # on SQLite, which has no second fence for reads, the session itself refuses
            assert found == {"Ann", "Abe"}
        assert all(key[1][0] == "alpha" for key in tx.session.identity_map)
        assert tx.session.get(Patient, ("beta", two.bob)) is None


def test_a_statement_on_a_tenant_table_outside_a_transaction_is_refused(two):
    engine = two.platform.database.engines.write
    with engine.connect() as connection:
        with pytest.raises(MissingTenantError):
            connection.execute(select(patient.c.name).where(mine))
        with pytest.raises(UnscopedStatementError):
            connection.execute(text("SELECT name FROM ward_patient"))


def test_an_aliased_entity_and_a_bare_alias_of_the_same_table_are_told_apart(two):
    bare = patient.alias("bare")
    entity = aliased(Patient, name="entity")
    with two.alpha() as tx, pytest.raises(UnscopedStatementError):
        tx.session.execute(select(entity.name, bare.c.name).join(bare, literal(True))).all()
