"""What the machine does to a database: locks, full disks, kills. Each gives a typed error, and nothing is half written."""

import json
import signal
import sqlite3
import subprocess
import sys
import textwrap

import pytest

from brickwork import Platform
from brickwork.errors import DatabaseBusyError, StorageFullError, UnavailableError

THING = {"name": "thing", "fields": {"name": {"type": "text"}, "code": {"type": "text", "unique": True}}}


@pytest.fixture
def embedded(tmp_path):
    """A platform on a SQLite file, and that file."""
    settings = {"platform": {"data_dir": tmp_path}, "database": {"busy_timeout": 0.2}}
    with Platform(["entities"], settings=settings, discover=False) as platform:
        platform.migrate()
        platform.enter(tenant="a", actor="x")
        platform.entities.types.apply(THING)
        yield platform, tmp_path / "brickwork.db"


def test_a_database_that_another_process_holds_is_busy_and_works_again_after(embedded):
    platform, file = embedded
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseBusyError, match=r"locked for 0\.2 s"):
        platform.entities.create("thing", {"name": "x"})
    assert platform.entities.count("thing") == 0  # reading goes on
    other.execute("ROLLBACK")
    other.close()
    assert platform.entities.create("thing", {"name": "x"}).version == 1


def test_an_impatient_writer_does_not_wait_at_all(embedded):
    platform, file = embedded
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with platform.database.impatient(), pytest.raises(DatabaseBusyError):
        platform.entities.create("thing", {"name": "x"})
    other.execute("ROLLBACK")
    other.close()
    with platform.database.impatient():
        assert platform.entities.create("thing", {"name": "x"}).version == 1


def test_a_full_disk_is_told_and_leaves_nothing_of_the_transaction(embedded):
    """The database file is not allowed to grow, which SQLite reports exactly as a full disk."""
    platform, _ = embedded
    with platform.database.engines.write.connect() as connection:
        driver = connection.connection.driver_connection
        pages = driver.execute("PRAGMA page_count").fetchone()[0]
        driver.execute(f"PRAGMA max_page_count = {pages + 20}")
    before = platform.entities.count("thing")
    with pytest.raises(StorageFullError):
        platform.entities.bulk.create_many("thing", [{"name": "x" * 5000, "code": str(n)} for n in range(500)])
    assert platform.entities.count("thing") == before
    with platform.database.engines.write.connect() as connection:
        connection.connection.driver_connection.execute("PRAGMA max_page_count = 1000000")
    assert platform.entities.create("thing", {"name": "x", "code": "1"}).version == 1


def test_a_process_killed_inside_a_transaction_leaves_nothing_of_it(platform):
    """A child process writes, and kills itself with SIGKILL before its transaction commits."""
    script = textwrap.dedent("""
        import json, os, signal, sys
        from brickwork import Platform
        platform = Platform(settings=json.loads(sys.argv[1]))
        with platform.context(tenant="a", actor="x"):
            platform.entities.create("thing", {"name": "kept"})
            with platform.transaction():
                platform.entities.create("thing", {"name": "lost", "code": "1"})
                os.kill(os.getpid(), signal.SIGKILL)
    """)
    settings = {
        "database": platform.settings.database.model_dump(),
        "platform": {"data_dir": str(platform.settings.platform.data_dir)},
    }
    with platform.context(tenant="a", actor="x"):
        platform.entities.types.apply(THING)
        done = subprocess.run([sys.executable, "-c", script, json.dumps(settings)], check=False)
        assert done.returncode == -signal.SIGKILL
        assert [record["name"] for record in platform.entities.query("thing")] == ["kept"]
        assert platform.entities.create("thing", {"name": "new", "code": "1"}).version == 1
        platform.audit.seal()
        assert platform.audit.verify().ok


def test_connections_that_the_server_cut_are_made_anew(platform, database_kind):
    if database_kind == "sqlite":
        return  # there is no server to cut a connection
    from sqlalchemy import create_engine, text
    from sqlalchemy.engine import make_url

    from brickwork.testing.plugin import POSTGRES

    with platform.context(tenant="a", actor="x"):
        platform.entities.types.apply(THING)
        platform.entities.create("thing", {"name": "x"})
        name = make_url(platform.settings.database.url).database
        admin = create_engine(POSTGRES.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"), {"name": name}
            )
        admin.dispose()
        assert platform.entities.create("thing", {"name": "y"}).version == 1
        assert platform.entities.count("thing") == 2


def test_a_server_that_is_not_there_is_unavailable():
    settings = {"database": {"url": "postgresql://nobody@127.0.0.1:1/x"}}
    with Platform(["entities"], settings=settings, discover=False) as platform, platform.context(tenant="a"):
        with pytest.raises(UnavailableError, match="cannot be reached"):
            platform.entities.query("thing")
        platform.get("database")
        assert platform.health()["database"].ok is False


def test_a_process_with_more_than_a_thousand_files_and_clients_works(make_platform, request):
    """select(2) takes no file descriptor above 1023."""
    import os
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 2000), hard), hard))
    request.addfinalizer(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)))
    many = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    request.addfinalizer(lambda: [os.close(descriptor) for descriptor in many])
    platform = make_platform()
    with platform.context(tenant="a", actor="x"):
        platform.entities.types.apply(THING)
        platform.entities.create("thing", {"name": "x"})
        assert platform.entities.count("thing") == 1
