"""Migrations: each component's own history, idempotent, complete; and the platform's refusal to serve on less."""

import threading

import pytest
from sqlalchemy import create_engine, inspect

from brickwork.data import schema
from brickwork.data.roles import create_roles
from brickwork.errors import MigrationError, UnsafeRoleError


def owner_engine(platform):
    url = platform.settings.database.owner_url or platform.settings.database.url
    return create_engine(url.replace("postgresql://", "postgresql+psycopg://"))


def test_models_and_migrations_agree_for_every_component(platform):
    assert schema.check(platform.database) == []


def test_each_component_has_its_own_version_table_and_is_at_its_head(platform):
    assert schema.pending(platform.database) == []
    at = schema.current(platform.database)
    assert set(at) == {
        "auth",
        "database",
        "documents",
        "entities",
        "eventstore",
        "federation",
        "oauth",
        "flags",
        "gateway",
        "jobs",
        "limits",
        "messaging",
        "notify",
        "realtime",
        "storage",
        "web",
    }
    engine = owner_engine(platform)
    tables = inspect(engine).get_table_names()
    engine.dispose()
    assert {f"brickwork_version_{name}" for name in at} <= set(tables)


def test_migrating_again_changes_nothing(platform):
    before = schema.current(platform.database)
    platform.migrate()
    platform.migrate()
    assert schema.current(platform.database) == before
    platform.database.start()


def test_who_migrates_waits_longer_than_for_other_locks(make_platform):
    platform = make_platform(migrated=False, database={"busy_timeout": 0.1})
    held, waiting = threading.Event(), threading.Event()

    def hold():
        with schema._owner_connection(platform.database) as (backend, connection):
            backend.lock_schema(connection)
            held.set()
            waiting.wait(0.6)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    platform.migrate()
    holder.join()
    assert schema.pending(platform.database) == []


def test_two_who_migrate_at_once_do_it_once(make_platform):
    first = make_platform(migrated=False, database={"busy_timeout": 60})
    second = make_platform(migrated=False, database=first.settings.database.model_dump())
    failures = []

    def migrate(platform):
        try:
            platform.migrate()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=migrate, args=(p,)) for p in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert schema.pending(first.database) == []


def test_a_database_that_is_behind_is_not_served(make_platform):
    platform = make_platform(migrated=False)
    with pytest.raises(MigrationError, match="brickwork db upgrade"):
        platform.start()


def test_a_tenant_table_without_fence_is_not_served_whoever_made_it(platform):
    platform.database.start()
    engine = owner_engine(platform)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE strangers (tenant_id varchar(64), id integer)")
    engine.dispose()
    with pytest.raises(MigrationError, match="strangers"):
        platform.database.start()


def test_a_role_that_could_get_around_the_policies_is_refused_with_the_way_to_mend_it(database_kind, make_platform, databases):
    if database_kind == "sqlite":
        platform = make_platform()
        platform.database.start()  # SQLite has no roles to refuse
        return
    platform = make_platform()
    owner = make_platform(database={"url": platform.settings.database.owner_url, "owner_url": None})
    with owner.context(tenant="a"), pytest.raises(UnsafeRoleError, match=r"owns tables.*brickwork db roles"):
        owner.entities.query("patient")


def test_making_roles_again_gives_new_passwords_and_keeps_working(database_kind, make_platform, databases):
    if database_kind == "sqlite":
        with pytest.raises(Exception, match="postgresql"):
            create_roles("sqlite:///x.db")
        return
    from sqlalchemy.engine import make_url

    platform = make_platform()
    own = make_url(platform.settings.database.url)
    admin = make_url(databases.postgres).set(database=own.database) if hasattr(databases, "postgres") else None
    if admin is None:
        from brickwork.testing.plugin import POSTGRES

        admin = make_url(POSTGRES).set(database=own.database)
    owner = make_url(platform.settings.database.owner_url).username
    roles = create_roles(admin.render_as_string(hide_password=False), owner=owner, app=own.username)
    again = make_platform(database={"url": roles.url, "owner_url": roles.owner_url})
    assert make_url(roles.url).password not in repr(roles)
    again.migrate()
    with again.context(tenant="a"):
        again.entities.types.apply({"name": "x", "fields": {"a": {"type": "text"}}})
        assert again.entities.create("x", {"a": "1"}).version == 1
