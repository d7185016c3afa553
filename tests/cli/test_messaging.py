"""Commands of messaging, as a person types them."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

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
    monkeypatch.setenv("COLUMNS", "250")
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
    from brickwork import Platform

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
    from brickwork import Platform

    with Platform.from_settings() as platform, platform.context(tenant="alpha", actor="user:kim"):
        import order_placed_handler

        order_placed_handler.publish_order_placed(platform, "A-1")
        assert platform.messaging.drain() == 1
        assert platform.audit.entries(action="handled").items[0].record_id == "A-1"


def test_a_module_that_is_not_there_is_told(run):
    Path("brickwork.toml").write_text('[platform]\nmodules = ["nowhere"]\n')
    with pytest.raises(BrickworkError, match=r"platform\.modules: 'nowhere' can't be imported"):
        run("events", "list")
