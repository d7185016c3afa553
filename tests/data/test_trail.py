"""The audit trail: what is caught, what is hidden, that it can't be changed, and that tampering shows."""

import threading

import pytest
from sqlalchemy import create_engine, insert, select, text, update

from brickwork.errors import ImmutableError, ValidationError
from brickwork.kernel.context import Context
from brickwork.testing.ward import Patient

NAMES = ("ann", "ben", "cid")


def add(platform, count=3, tenant="alpha"):
    with (
        platform.context(tenant=tenant, actor="user:ito", reason="admission", correlation_id="c-1"),
        platform.transaction() as tx,
    ):
        for n in range(count):
            tx.session.add(Patient(name=f"p{n}"))


def entries(platform, tenant="alpha", **filters):
    with platform.context(tenant=tenant):
        return list(reversed(platform.audit.entries(limit=500, **filters).items))


def tamper(platform, *statements):
    """As somebody with the owner's rights would, past triggers and policies."""
    settings = platform.settings.database
    url = settings.owner_url or settings.url
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            names = connection.scalars(
                text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ('audit_entry', 'audit_head')")
            ).all()
            for name in names:
                connection.exec_driver_sql(f'DROP TRIGGER "{name}"')
        else:
            connection.exec_driver_sql("ALTER TABLE audit_entry DISABLE TRIGGER USER")
            connection.exec_driver_sql("ALTER TABLE audit_entry NO FORCE ROW LEVEL SECURITY")
            connection.exec_driver_sql("ALTER TABLE audit_head NO FORCE ROW LEVEL SECURITY")
        for statement in statements:
            assert connection.exec_driver_sql(statement).rowcount > 0
    engine.dispose()


def verify(platform, **options):
    with platform.context(tenant="alpha"):
        return platform.audit.verify(**options)


def test_an_entry_tells_who_what_when_why_and_in_the_course_of_what(ward, frozen_clock):
    add(ward, 1)
    (entry,) = entries(ward, entity=Patient.__tablename__)
    assert (entry.actor, entry.action, entry.reason, entry.correlation_id) == ("user:ito", "insert", "admission", "c-1")
    assert entry.at == frozen_clock.now()
    assert (entry.before, entry.after["name"], entry.after["tenant_id"]) == (None, "p0", "alpha")


def test_orm_bulk_core_and_raw_writes_are_all_caught(ward):
    table = Patient.__table__
    with ward.context(tenant="alpha", actor="user:x"), ward.transaction() as tx:
        tx.session.add(Patient(name="orm"))
        tx.session.flush()
        tx.session.execute(
            insert(Patient),
            [{"name": "bulk1", "version": 1, "created_at": tx._database.clock.now(), "updated_at": tx._database.clock.now()}],
        )
        tx.session.execute(update(Patient).where(Patient.name == "orm").values(name="orm2"))
        tx.execute(update(table).where(table.c.tenant_id == "alpha", table.c.name == "bulk1").values(name="core"))
        with tx.unscoped(reason="raw"):
            tx.connection.execute(text(f"UPDATE {table.name} SET name = 'raw' WHERE name = 'core'"))
            tx.connection.execute(text(f"DELETE FROM {table.name} WHERE name = 'raw'"))
    told = [(e.action, (e.before or {}).get("name"), (e.after or {}).get("name")) for e in entries(ward, entity=table.name)]
    assert told == [
        ("insert", None, "orm"),
        ("insert", None, "bulk1"),
        ("update", "orm", "orm2"),
        ("update", "bulk1", "core"),
        ("update", "core", "raw"),
        ("delete", "raw", None),
    ]


def test_what_was_rolled_back_leaves_no_entry(ward):
    def fail():
        with ward.context(tenant="alpha"), ward.transaction() as tx:
            tx.session.add(Patient(name="x"))
            tx.session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert entries(ward) == []


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_entry SET actor = 'x'", "DELETE FROM audit_entry", "UPDATE audit_entry SET seq = 9, actor = 'x'"]
)
def test_entries_cannot_be_changed_or_removed(ward, statement):
    add(ward)
    with ward.context(tenant="alpha"):
        with pytest.raises(ImmutableError), ward.transaction() as tx, tx.unscoped(reason="try"):
            tx.connection.execute(text(statement))
        ward.audit.seal()
        assert verify(ward).ok


def test_a_sealed_entry_cannot_be_sealed_again(ward):
    add(ward)
    ward.audit.seal()
    with ward.context(tenant="alpha"), pytest.raises(ImmutableError), ward.transaction() as tx, tx.unscoped(reason="try"):
        tx.connection.execute(text("UPDATE audit_entry SET hash = 'x' WHERE seq = 1"))


def test_sealing_chains_what_is_new_and_leaves_the_rest(ward):
    add(ward, 3)
    assert verify(ward).unsealed == 3
    assert ward.audit.seal() == 3
    assert ward.audit.seal() == 0
    add(ward, 2)
    assert ward.audit.seal() == 2
    result = verify(ward)
    assert (result.ok, result.entries, result.unsealed) == (True, 5, 0)


def test_more_entries_than_a_batch_are_sealed_and_verified(ward):
    add(ward, 600)
    assert ward.audit.seal() == 600
    assert verify(ward).ok


def test_a_changed_entry_is_named(ward):
    add(ward)
    ward.audit.seal()
    tamper(ward, "UPDATE audit_entry SET actor = 'nobody' WHERE seq = 2")
    result = verify(ward)
    assert not result.ok
    assert "entry 2" in result.problems[0]
    assert "was changed or moved" in result.problems[0]


def test_a_removed_entry_shows(ward):
    add(ward)
    ward.audit.seal()
    tamper(ward, "DELETE FROM audit_entry WHERE seq = 2")
    assert any("entries 2 to 2 are missing" in p for p in verify(ward).problems)


def test_exchanged_entries_show(ward):
    add(ward)
    ward.audit.seal()
    tamper(
        ward,
        "UPDATE audit_entry SET seq = 99 WHERE seq = 1",
        "UPDATE audit_entry SET seq = 1 WHERE seq = 2",
        "UPDATE audit_entry SET seq = 2 WHERE seq = 99",
    )
    assert any("entry 1 " in p for p in verify(ward).problems)


def test_a_tail_that_was_cut_off_shows_by_the_head(ward):
    add(ward)
    ward.audit.seal()
    head = verify(ward).head
    tamper(ward, "DELETE FROM audit_entry WHERE seq = 3")
    assert any("ends at entry 2 but was sealed up to 3" in p for p in verify(ward).problems)
    tamper(ward, "UPDATE audit_head SET seq = 2, hash = (SELECT hash FROM audit_entry WHERE seq = 2)")
    assert verify(ward).ok
    assert any("before the given head 3" in p for p in verify(ward, head=head).problems)


def test_sealers_at_the_same_time_make_one_chain(ward):
    add(ward, 400)
    totals = []
    threads = [threading.Thread(target=lambda: totals.append(ward.audit.seal())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(totals) == 400
    assert verify(ward).ok


def test_a_tenants_writers_do_not_wait_for_an_unfinished_one(ward):
    """On PostgreSQL writers overlap; on SQLite they never do, and that is not the trail's doing."""
    if not ward.database.concurrent_writers:
        add(ward)
        return
    with ward.database.begin(Context(tenant="alpha")) as first:
        first.session.add(Patient(name="first"))
        first.session.flush()
        with ward.database.begin(Context(tenant="alpha")) as second:
            second.session.add(Patient(name="second"))
            second.session.flush()
    ward.audit.seal()
    assert verify(ward).entries == 2
    assert verify(ward).ok


def test_system_access_and_unscoped_blocks_are_noted_with_their_reason(ward):
    with ward.system_context(reason="monthly report", actor="user:op"), ward.transaction() as tx:
        assert tx.execute(select(Patient.__table__)).all() == []
        trail = ward.audit.entries(action="system_access").items
    assert (trail[0].reason, trail[0].actor) == ("monthly report", "user:op")
    with ward.context(tenant="alpha"), ward.transaction() as tx:
        with tx.unscoped(reason="migration of names"):
            pass
        with pytest.raises(ValidationError, match="reason"), tx.unscoped(reason=" "):
            pass
    (note,) = entries(ward, action="unscoped")
    assert note.reason == "migration of names"


def test_one_tenant_does_not_see_anothers_entries(ward):
    add(ward, tenant="beta")
    assert entries(ward) == []
    assert len(entries(ward, tenant="beta")) == 3


def test_entries_come_in_pages(ward):
    add(ward, 7)
    with ward.context(tenant="alpha"):
        seen, cursor = [], None
        while True:
            page = ward.audit.entries(limit=3, cursor=cursor)
            seen += [entry.id for entry in page]
            cursor = page.cursor
            if cursor is None:
                break
    assert len(set(seen)) == 7
    assert seen == sorted(seen, reverse=True)
