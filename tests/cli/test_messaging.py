"""Commands of messaging, as a person types them."""

import json
import sys
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from brickwork import Platform
from brickwork.cli.app import app
from brickwork.errors import BrickworkError, ConflictError, ValidationError

MODULE = '''
from brickwork import hookimpl
from brickwork.messaging import Event, Retry, handles

class Knocked(Event, name="door.knocked"):
    """Somebody is at the door."""
    door: str

@handles(Knocked, name="open", retry=Retry(attempts=1))
def open_(platform, event):
    if event.door == "stuck":
        raise RuntimeError("it doesn't open")

@hookimpl
def brickwork_handlers():
    return [open_]
'''


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for module in ("messaging", "jobs"):  # a console asks for its width once, at import
        monkeypatch.setattr(f"brickwork.cli.{module}.out", Console(width=250))
    monkeypatch.setenv("BRICKWORK_TENANT", "alpha")
    (tmp_path / "door.py").write_text(MODULE)
    (tmp_path / "brickwork.toml").write_text('[platform]\nmodules = ["door"]\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("door", None)

    def run(*words, code=0):
        result = CliRunner().invoke(app, [str(word) for word in words])
        if isinstance(result.exception, BrickworkError):
            raise result.exception
        assert result.exit_code == code, (result.output, result.exception)
        return result.stdout

    run("db", "upgrade")
    yield run
    sys.modules.pop("door", None)


def test_events_are_listed_and_shown(run):
    listed = run("events", "list")
    assert "door.knocked" in listed
    assert "Somebody" in listed
    assert json.loads(run("events", "show", "door.knocked"))["required"] == ["door"]
    run("events", "asyncapi", "--file", "api.json")
    assert "door.knocked" in json.loads(Path("api.json").read_text())["channels"]


def test_dead_letters_are_found_mended_and_replayed(run):
    with Platform.from_settings() as platform, platform.context(tenant="alpha", actor="user:kim"):
        from door import Knocked

        with platform.transaction() as transaction:
            transaction.publish(Knocked(door="stuck"))
        assert "open" in run("messaging", "status")
        platform.messaging.drain()
        (letter,) = platform.messaging.dead.list().items
    assert "it doesn't open" in run("dead", "list")
    assert json.loads(run("dead", "show", letter.id))["event"]["data"] == {"door": "stuck"}
    Path("data.json").write_text('{"door": "front"}')
    run("dead", "edit", letter.id, "data.json")
    assert "1 replayed" in run("dead", "replay", "--handler", "open")
    with Platform.from_settings() as platform:
        assert platform.messaging.drain() == 1
    assert "0 discarded" in run("dead", "discard", "--event", "door.knocked", "--reason", "a drill")


def test_a_new_handler_works_at_once(run):
    run("new", "handler", "order.placed")
    run("new", "handler", "stock.ran-out", "--file", "stock.py")
    with pytest.raises(ConflictError, match="exists"):
        run("new", "handler", "order.placed")
    with pytest.raises(ValidationError, match="lower-case"):
        run("new", "handler", "Order Placed")
    Path("brickwork.toml").write_text('[platform]\nmodules = ["order_placed_handler", "stock"]\n')
    assert "stock.ran-out" in run("events", "list")
    with Platform.from_settings() as platform, platform.context(tenant="alpha", actor="user:kim"):
        import order_placed_handler

        order_placed_handler.publish_order_placed(platform, "A-1")
        assert platform.messaging.drain() == 1
        assert platform.audit.entries(action="handled").items[0].record_id == "A-1"


def test_a_module_that_is_not_there_is_told(run):
    Path("brickwork.toml").write_text('[platform]\nmodules = ["nowhere"]\n')
    with pytest.raises(BrickworkError, match=r"platform\.modules: 'nowhere' can't be imported"):
        run("events", "list")


JOBS = """
from brickwork import hookimpl
from brickwork.jobs import job

@job(name="report")
def report(platform, run, month="2026-01"):
    run.progress(3, 3, month)

@hookimpl
def brickwork_jobs():
    return [report]
"""


def test_jobs_are_run_watched_and_scheduled(run, tmp_path):
    (tmp_path / "door.py").write_text(JOBS)
    sys.modules.pop("door", None)
    assert "report" in run("jobs", "list")
    id = run("jobs", "run", "report", '{"month": "2026-02"}').strip()
    with Platform.from_settings() as platform, platform.context(tenant="alpha", actor="user:kim"):
        platform.get("jobs")
        assert platform.messaging.drain() == 1
        platform.jobs.schedules.put("monthly", "report", {"cron": "0 6 1 * *", "zone": "Europe/Berlin"})
    listed = run("jobs", "runs", "--status", "done")
    assert id in listed
    assert "3 of 3" in listed
    other = run("jobs", "run", "report", "--delay", "600").strip()
    assert "cancelled" in run("jobs", "cancel", other)
    assert "monthly" in run("jobs", "schedules")
    run("jobs", "pause", "monthly")
    assert "paused" in run("jobs", "schedules")
    assert "goes on at" in run("jobs", "resume", "monthly")
    with pytest.raises(ValidationError, match="JSON object"):
        run("jobs", "run", "report", "{")


def test_the_cache_is_cleared_by_tenant_region_or_whole(run):
    def kept():
        with Platform.from_settings() as platform:
            values = []
            for tenant in ("alpha", "beta"):
                with platform.context(tenant=tenant):
                    values += [platform.cache.region(name).get("k") for name in ("default", "search_results")]
            return values

    def keep():
        with Platform.from_settings() as platform:
            for tenant in ("alpha", "beta"):
                with platform.context(tenant=tenant):
                    for name in ("default", "search_results"):
                        platform.cache.region(name).set("k", 1)

    keep()
    assert kept() == [1, 1, 1, 1]
    run("cache", "clear", "--region", "default")
    assert kept() == [None, 1, 1, 1]
    run("cache", "clear", "--tenant", "alpha")
    assert kept() == [None, None, 1, 1]
    with pytest.raises(ValidationError, match="either --tenant"):
        run("cache", "clear", "--all", "--tenant", "beta")
    run("cache", "clear", "--all")
    assert kept() == [None] * 4
