"""The database port's contract on each backend, and broken backends that show that it bites."""

import pytest
from sqlalchemy.exc import SQLAlchemyError

from brickwork import Backend, hookimpl
from brickwork.data.backends import url_of
from brickwork.data.backends.sqlite import SqliteBackend
from brickwork.data.database import Database
from brickwork.errors import BrickworkError
from brickwork.kernel.platform import Platform
from brickwork.testing.contracts.database import DatabaseContract
from brickwork.testing.ward import component


class TestDatabase(DatabaseContract):
    """SQLite and PostgreSQL: the fixture `ward` of this folder runs on both."""


class NoFence(SqliteBackend):
    """Forgets to protect the tables."""

    def protect(self, connection, tables):
        super().protect(connection, [])


class WritesAnyway(SqliteBackend):
    """Opens reading transactions for writing."""

    def engines(self):
        engines = super().engines()
        return type(engines)(engines.write, engines.write)


class ScopeStays(SqliteBackend):
    """Admits every tenant, whatever the transaction's scope."""

    def begin(self, connection, scope, stamp, **options):
        super().begin(connection, scope, stamp, **options)
        connection.connection.info["brickwork"].tenant = "*"


class CommitsFirst(SqliteBackend):
    """Commits before what should travel with the commit."""

    def commit(self, connection, last):
        super().commit(connection, [])
        super().commit(connection, last)


class SaysNothing(SqliteBackend):
    """Translates no error."""

    def translate(self, error):
        return None


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (NoFence, DatabaseContract.test_a_raw_write_reaches_no_row_of_another_tenant),
        (NoFence, DatabaseContract.test_writes_are_audited_with_the_stamp),
        (NoFence, DatabaseContract.test_protecting_again_changes_nothing_and_leaves_no_table_bare),
        (ScopeStays, DatabaseContract.test_a_raw_write_reaches_no_row_of_another_tenant),
        (WritesAnyway, DatabaseContract.test_a_reading_transaction_writes_nothing),
        (CommitsFirst, DatabaseContract.test_what_travels_with_a_commit_and_fails_leaves_nothing),
        (SaysNothing, DatabaseContract.test_a_taken_unique_value_is_a_duplicate_within_the_tenant_only),
        (SaysNothing, DatabaseContract.test_a_key_into_nothing_is_a_broken_reference),
    ],
)
def test_a_broken_backend_fails_the_rule_that_it_breaks(broken, rule, monkeypatch):
    monkeypatch.setattr(Database, "_backend", lambda self, url: broken(url_of(url, self._platform.settings.platform.data_dir)))
    settings = {"database": {"url": "sqlite://"}}
    with Platform(["ward"], settings=settings, plugins=[component], discover=False) as platform:
        platform.migrate()
        with pytest.raises((AssertionError, SQLAlchemyError, BrickworkError, pytest.fail.Exception)):
            rule(DatabaseContract(), platform)


@pytest.mark.parametrize("capability", ["read_fence", "concurrent_writers"])
def test_a_capability_that_is_declared_but_absent_fails_the_contract(capability):
    class Boasts:
        @hookimpl
        def brickwork_backends(self):
            factory = "brickwork.data.backends.sqlite:SqliteBackend"
            known = frozenset({"write_fence", "in_process", capability})
            return [Backend(port="database", name="sqlite", factory=factory, capabilities=known, replaces=True)]

    rule = {
        "read_fence": DatabaseContract.test_a_raw_read_is_fenced_where_that_is_declared_and_only_there,
        "concurrent_writers": DatabaseContract.test_writers_overlap_where_that_is_declared_and_only_there,
    }[capability]
    settings = {"database": {"url": "sqlite://", "busy_timeout": 0.1}}
    with Platform(["ward"], settings=settings, plugins=[component, Boasts()], discover=False) as platform:
        platform.migrate()
        with pytest.raises((AssertionError, BrickworkError)):
            rule(DatabaseContract(), platform)
