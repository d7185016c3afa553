"""Limits on a Redis that is ended and begins anew: quotas go on, and no caller sees an error of it."""

import shutil
import socket
import subprocess
from time import monotonic, sleep

import pytest
import redis

from brickwork.limits import Caller
from brickwork.testing.contracts.broker import until
from brickwork.testing.plugin import absent

KIM = Caller("alpha", "user:kim")
ROUTE = "GET", ["api"]


@pytest.fixture
def database_kind():
    return "sqlite"


class Server:
    """A Redis of the test's own, which keeps nothing."""

    def __init__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.start()

    def start(self):
        command = ["redis-server", "--port", str(self.port), "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        client, deadline = redis.Redis(port=self.port), monotonic() + 20
        while True:
            try:
                client.ping()
                return client.close()
            except redis.ConnectionError:
                assert monotonic() < deadline
                sleep(0.02)

    def stop(self):
        self._process.kill()
        self._process.wait()


@pytest.fixture
def server():
    if shutil.which("redis-server") is None:
        absent("redis-server is not installed")
    made = Server()
    yield made
    made.stop()


@pytest.fixture
def limits(make_platform, server):
    plan = {"quotas": [{"name": "calls", "limit": 10, "every": "month"}]}
    section = {
        "backend": "redis",
        "redis": {"url": f"redis://127.0.0.1:{server.port}/0", "timeout": 0.5},
        "plans": {"metered": plan},
        "default_plan": "metered",
        "retry_after": 0.05,
    }
    return make_platform(components=["limits"], limits=section).limits


def passed(limits, times):
    return sum(limits.admit(KIM, lambda: ROUTE).allowed for _ in range(times))


def test_a_redis_that_kept_nothing_is_told_what_was_used(limits, server):
    assert passed(limits, 4) == 4
    server.stop()
    server.start()
    assert passed(limits, 20) == 6


def test_while_it_is_away_the_process_counts_and_when_it_is_back_it_goes_on_from_there(limits, server):
    assert passed(limits, 4) == 4
    server.stop()
    assert passed(limits, 2) == 2
    limits._usage.write()
    server.start()
    until(lambda: limits.health().ok, 5)
    sleep(0.1)  # it is left alone for a twentieth of a second
    assert passed(limits, 20) == 4


def test_a_script_that_it_forgot_is_told_again(limits, server):
    assert passed(limits, 4) == 4
    with redis.Redis(port=server.port) as client:
        client.script_flush()
    assert passed(limits, 20) == 6
