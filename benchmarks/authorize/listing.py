"""A page of a large list of which the caller may see a part."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.harness import postgres_database, postgres_runs, say

WARDS = 200
_TYPE = {
    "name": "case",
    "fields": {
        "ward": {"type": "text", "indexed": True},
        "secret": {"type": "boolean", "indexed": True},
        "note": {"type": "text"},
    },
}
_GRANTS = [
    {"allow": ["entities.case.read"], "when": "resource.ward == actor.attributes.ward"},
    {"deny": ["entities.case.read"], "when": "resource.secret"},
]


def one_indexed_query(folder: Path, records: int) -> bool:
    """Whether a first page sends one SELECT on the records, served by the index of the condition's field."""
    if postgres_runs():
        from brickwork.data.roles import create_roles

        with postgres_database() as admin:
            roles = create_roles(admin)
            return _look(folder, {"url": roles.url, "owner_url": roles.owner_url}, records, admin)
    return _look(folder, {"url": f"sqlite:///{folder / 'list.db'}"}, records, None)


def _look(folder: Path, database: dict[str, Any], records: int, admin: str | None) -> bool:
    from sqlalchemy import event

    from brickwork import Platform

    settings = {"database": database, "platform": {"data_dir": folder}}
    with (
        Platform(["entities", "auth"], settings=settings, discover=False) as platform,
        platform.context(tenant="north", actor="setup"),
    ):
        platform.migrate()
        entities = platform.entities
        entities.types.apply(_TYPE)
        say(f"storing {records:,} records")
        entities.bulk.create_many("case", _rows(records))
        platform.auth.roles.define({"name": "nurse", "grants": _GRANTS})
        caller = platform.auth.services.create("kim", roles=["nurse"], attributes={"ward": "ward-7"})
        if admin is not None:
            _analyze(admin)
        seen: list[tuple[str, Any]] = []
        event.listen(
            platform.database.engines.read, "before_cursor_execute", lambda c, cu, sql, values, *_: seen.append((sql, values))
        )
        times = []
        with platform.auth.acting_as(caller):
            entities.query("case", limit=50)  # what is loaded once is loaded
            for _ in range(20):
                seen.clear()
                begin = time.perf_counter()
                page = entities.query("case", limit=50)
                times.append(time.perf_counter() - begin)
        sent = [(sql, values) for sql, values in seen if "FROM entity_record" in sql]
        if len(page.items) != 50 or any(record["ward"] != "ward-7" or record["secret"] for record in page):
            raise RuntimeError("the list shows what it must not")
        plan = _plan(platform, *sent[-1])
        with platform.transaction() as transaction:
            slot = entities.types.for_writing(transaction, "case").slots.index["ward"]
    say(f"a page of what one may see of {records:,}: {sorted(times)[10] * 1000:.2f} ms, {len(sent)} query")
    if f"ix_entity_record_{slot}" not in plan:
        say(plan)
    return len(sent) == 1 and f"ix_entity_record_{slot}" in plan


def _rows(records: int) -> Iterator[dict[str, Any]]:
    for number in range(records):
        yield {"ward": f"ward-{number % WARDS}", "secret": number % 10 == 0, "note": f"case {number}"}


def _analyze(admin: str) -> None:
    """What the autovacuum daemon does sooner or later."""
    import psycopg

    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("ANALYZE")


def _plan(platform: Any, sql: str, values: Any) -> str:
    postgres = platform.database.backend.name == "postgresql"
    with platform.transaction() as transaction, transaction.unscoped(reason="look at a plan"):
        rows = transaction.connection.exec_driver_sql(f"EXPLAIN {'' if postgres else 'QUERY PLAN '}{sql}", values)
        return "\n".join(str(row[0 if postgres else 3]) for row in rows)
