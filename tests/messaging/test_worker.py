"""`brickwork worker` as a process: it is killed, hangs, and stops as it should. Both databases, the embedded broker."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from urllib.request import urlopen

import pytest
from sqlalchemy import select

from brickwork.testing.ward import Tag

MODULE = """
import os, time
from brickwork import hookimpl
from brickwork.messaging import Event, Retry, handles
from brickwork.testing.ward import Tag
from brickwork.testing.ward.component import brickwork_components

class Knocked(Event, name="door.knocked", key="door"):
    door: str

class Rung(Event, name="door.rung"):
    pass

@handles(Rung, name="answer", timeout=30)
def answer(platform, event):
    with platform.transaction() as transaction:
        transaction.session.add(Tag(name="slow"))
        transaction.session.flush()
    open("slow", "w").close()
    time.sleep(1)

@handles(Knocked, name="open", timeout=0.5, retry=Retry(attempts=2, first=0.01, most=0.02))
def open_(platform, event):
    with platform.transaction() as transaction:
        transaction.session.add(Tag(name=event.door))
        transaction.session.flush()
    if event.door == "kill" and not os.path.exists("killed"):
        open("killed", "w").close()
        os.kill(os.getpid(), 9)
    while event.door == "hang":
        time.sleep(0.01)

@hookimpl
def brickwork_handlers():
    return [open_, answer]
"""


@pytest.fixture
def shop(make_platform, tmp_path, monkeypatch):
    (tmp_path / "shopdoor.py").write_text(textwrap.dedent(MODULE))
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("shopdoor", None)
    return make_platform(
        components=["ward", "messaging"],
        plugins=[],
        platform={"modules": ["shopdoor"]},
        messaging={"poll": 0.2},
    )


@contextmanager
def worker(shop, folder: Path, *options: str):
    database = shop.settings.database
    environment = {
        **os.environ,
        "BRICKWORK_DATABASE__URL": database.url,
        **({"BRICKWORK_DATABASE__OWNER_URL": database.owner_url} if database.owner_url else {}),
        "BRICKWORK_PLATFORM__MODULES": '["shopdoor"]',
        "BRICKWORK_PLATFORM__COMPONENTS": '["ward", "messaging"]',
        "BRICKWORK_MESSAGING__POLL": "0.2",
        "BRICKWORK_PLATFORM__DATA_DIR": str(folder / "data"),
    }
    log = (folder / "worker.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "brickwork", "worker", *options], cwd=folder, env=environment, stdout=log, stderr=log
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        log.close()


def knock(shop, *doors):
    from shopdoor import Knocked

    with shop.context(tenant="alpha", actor="user:kim"), shop.transaction() as transaction:
        for door in doors:
            transaction.publish(Knocked(door=door))


def tags(shop):
    with shop.context(tenant="alpha", actor="user:kim"), shop.transaction(readonly=True) as transaction:
        return sorted(transaction.session.scalars(select(Tag.name)))


def until(condition, seconds=60):
    deadline = monotonic() + seconds
    while not condition():
        assert monotonic() < deadline, "it didn't come true in time"
        sleep(0.05)


def test_a_killed_worker_loses_nothing_and_does_nothing_twice(shop, tmp_path):
    with worker(shop, tmp_path):
        knock(shop, "a", "kill", "b")
        until(lambda: not shop.messaging.backlog())
    assert tags(shop) == ["a", "b", "kill"]
    assert "ended with -9" in (tmp_path / "worker.log").read_text()


def test_a_handler_that_hangs_is_interrupted_and_rests(shop, tmp_path):
    with worker(shop, tmp_path):
        knock(shop, "hang", "a")
        until(lambda: not shop.messaging.backlog())
    assert tags(shop) == ["a"]
    with shop.context(tenant="alpha", actor="user:kim"):
        (letter,) = shop.messaging.dead.list().items
    assert "handler_timeout: it ran for longer than 0.5 s" in letter.error


def test_a_worker_tells_what_its_processes_handled(shop, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with worker(shop, tmp_path, "--processes", "2", "--metrics-port", str(port)):
        knock(shop, *"abcdef")
        until(lambda: not shop.messaging.backlog())
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
    assert 'brickwork_events_handled_total{handler="open",result="done"} 6.0' in text


def test_a_stop_lets_a_running_handler_end(shop, tmp_path):
    with worker(shop, tmp_path) as process:
        from shopdoor import Rung

        with shop.context(tenant="alpha", actor="user:kim"), shop.transaction() as transaction:
            transaction.publish(Rung())
        until((tmp_path / "slow").exists)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert tags(shop) == ["slow"]


def test_without_handlers_there_is_nothing_to_do(make_platform, tmp_path):
    from typer.testing import CliRunner

    from brickwork.cli.app import app

    (tmp_path / "brickwork.toml").write_text(
        f'[platform]\ndata_dir = "{tmp_path}"\n[database]\nurl = "sqlite:///{tmp_path}/a.db"\n'
    )
    result = CliRunner().invoke(app, ["-c", str(tmp_path / "brickwork.toml"), "worker"])
    assert result.exit_code == 1
