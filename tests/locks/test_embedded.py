"""The embedded locks keep the contract; a killed process frees what it held."""

import subprocess
import sys
import textwrap

import pytest

from brickwork.testing.contracts.broker import until
from brickwork.testing.contracts.locks import LocksContract


class TestEmbedded(LocksContract):
    @pytest.fixture
    def database_kind(self):
        return "sqlite"

    @pytest.fixture
    def locks_section(self):
        return {"backend": "embedded"}


HOLDER = """
import sys, time
from brickwork import Platform
platform = Platform(["locks"], settings={"database": {"url": sys.argv[1]}, "platform": {"data_dir": sys.argv[2]}})
with platform.locks.lock("till", ttl=0.5) as held:
    print(held.token, flush=True)
    time.sleep(60)
"""


def test_what_a_killed_process_held_is_free_again(make_platform):
    platform = make_platform(components=["locks"], migrated=False)
    command = [sys.executable, "-c", textwrap.dedent(HOLDER), platform.settings.database.url,
               str(platform.settings.platform.data_dir)]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        token = int(process.stdout.readline())
        assert platform.locks.is_held("till")
        process.kill()
        process.wait()
    until(lambda: not platform.locks.is_held("till"), 5)
    with platform.locks.lock("till", wait=0) as held:
        assert held.token > token


@pytest.mark.parametrize("jump", [-3600, 3600])
def test_a_clock_that_is_set_neither_frees_a_lock_nor_keeps_it(make_platform, monkeypatch, jump):
    platform = make_platform(components=["locks"])
    locks = "brickwork.locks.backends.embedded"
    now, wall = [1000.0], [1_700_000_000.0]
    monkeypatch.setattr(f"{locks}.monotonic", lambda: now[0])
    monkeypatch.setattr(f"{locks}.time", lambda: wall[0], raising=False)  # it isn't asked
    backend = platform.locks.store
    assert backend.take("till", "ann", 1, 10)
    wall[0] += jump
    assert backend.take("till", "bob", 1, 10) is None
    assert backend.held("till") == 1
    now[0] += 11
    assert backend.take("till", "bob", 1, 10)


def test_a_machine_that_was_started_anew_has_no_locks_of_before(make_platform, monkeypatch):
    platform = make_platform(components=["locks"])
    now = [90_000.0]
    monkeypatch.setattr("brickwork.locks.backends.embedded.monotonic", lambda: now[0])
    first = platform.locks.store.take("till", "ann", 1, 10)
    now[0] = 30.0
    assert platform.locks.store.held("till") == 0
    second = platform.locks.store.take("till", "bob", 1, 10)
    assert second > first
