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
