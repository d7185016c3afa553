"""Indexed fields are really served by indexes: the query plans of both databases say so."""

import pytest
from sqlalchemy import create_engine, event

from brickwork.entities import Entities


@pytest.fixture
def many(clinic: Entities, platform):
    """Enough records that a planner prefers an index."""
    with platform.transaction():
        for n in range(1500):
            clinic.create(
                "patient",
                {
                    "family_name": f"Name{n:05d}",
                    "mrn": f"M{n}",
                    "weight": str(n),
                    "insurance_no": f"I{n}",
                    "birth_date": f"{1900 + n % 120}-01-0{1 + n % 9}",
                    "given_name": str(n),
                },
            )
    analyze(platform)
    return clinic


def analyze(platform):
    """What the autovacuum daemon does sooner or later: statistics for the planner. Only the owner may."""
    if platform.settings.database.owner_url:
        engine = create_engine(platform.settings.database.owner_url.replace("postgresql://", "postgresql+psycopg://"))
        with engine.begin() as connection:
            connection.exec_driver_sql("ANALYZE entity_record")
        engine.dispose()


def plan_of(platform, run) -> str:
    """The plan of the last SELECT on the records that `run` sends, asked of the database with the same parameters."""
    seen = []

    def note(connection, cursor, statement, parameters, context, executemany):
        if "FROM entity_record" in statement:
            seen.append((statement, parameters))

    engine = platform.database.engines.read
    event.listen(engine, "before_cursor_execute", note)
    try:
        run()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    statement, parameters = seen[-1]
    with platform.transaction() as tx, tx.unscoped(reason="look at a plan"):
        if platform.database.backend.name == "postgresql":
            rows = tx.connection.exec_driver_sql("EXPLAIN " + statement, parameters)
            return "\n".join(row[0] for row in rows)
        rows = tx.connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters)
        return "\n".join(row[3] for row in rows)


@pytest.mark.parametrize(
    ("where", "sort", "column"),
    [
        ({"family_name": "Name00042"}, None, "family_name"),
        ({"family_name": {"starts_with": "Name0004"}}, None, "family_name"),
        ({"weight": {"gte": 1490}}, None, "weight"),
        ({"insurance_no": "I42"}, None, "insurance_no"),
        ({}, ["birth_date"], "birth_date"),
        ({}, ["-family_name"], "family_name"),
    ],
)
def test_an_indexed_field_is_filtered_and_sorted_by_its_index(many, platform, where, sort, column):
    compiled = many.types.for_writing
    with platform.transaction() as tx:
        slot = compiled(tx, "patient").slots.index[column]
    plan = plan_of(platform, lambda: many.query("patient", where, sort=sort, limit=10))
    assert f"ix_entity_record_{slot}" in plan
    if sort:
        assert "Sort" not in plan
        assert "TEMP B-TREE" not in plan


def test_a_unique_field_is_found_by_its_unique_index(many, platform):
    with platform.transaction() as tx:
        slot = many.types.for_writing(tx, "patient").slots.unique["mrn"]
    assert f"uq_entity_record_{slot}" in plan_of(platform, lambda: many.query("patient", {"mrn": "M42"}))


def test_the_next_page_of_a_sorted_list_begins_in_the_index(many, platform):
    with platform.transaction() as tx:
        slot = many.types.for_writing(tx, "patient").slots.index["weight"]
    cursor = many.query("patient", sort=["weight"], limit=10).cursor
    plan = plan_of(platform, lambda: many.query("patient", sort=["weight"], limit=10, cursor=cursor))
    assert f"ix_entity_record_{slot}" in plan
    assert "Sort" not in plan


def test_a_page_costs_one_query_however_many_records_it_has(many, platform):
    many.query("patient", limit=1)
    count = 0

    def note(*_):
        nonlocal count
        count += 1

    engine = platform.database.engines.read
    event.listen(engine, "before_cursor_execute", note)
    try:
        many.query("patient", {"weight": {"gte": 10}}, sort=["family_name"], limit=200)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert count == 1
