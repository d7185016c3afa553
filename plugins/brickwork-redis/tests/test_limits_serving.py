"""Limits are exact over the worker processes of `brickwork serve` that share a Redis."""

import http.client
import signal
import socket
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep

import pytest

from brickwork.testing.auth import bearer

PLANS = """
[limits.plans.shared]
rates = [{per = "tenant", rate = "157/hour"}, {per = "user", rate = "1000/hour"}]

[limits.plans.metered]
quotas = [{name = "calls", limit = 93, every = "month"}]
"""


@pytest.fixture
def platform(make_platform):
    """Knows the plans by name; what they allow is the server's to know."""
    return make_platform(limits={"plans": {"shared": {}, "metered": {}}})


@pytest.fixture
def port(platform, section, tmp_path):
    """The port of a server of two processes over the platform's database."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]
    database = platform.settings.database
    settings = tmp_path / "brickwork.toml"
    owner = f'owner_url = "{database.owner_url}"' if database.owner_url else ""
    redis = f'[limits]\nbackend = "redis"\n[limits.redis]\nurl = "{section["url"]}"\nprefix = "{section["prefix"]}"'
    data = f'[platform]\ndata_dir = "{tmp_path / "data"}"'
    settings.write_text(f'{data}\n[database]\nurl = "{database.url}"\n{owner}\n{redis}\n{PLANS}')
    command = [sys.executable, "-m", "brickwork", "-c", str(settings), "serve", "--port", str(number), "--workers", "2"]
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen([*command, "--no-migrate"], cwd=tmp_path, stdout=log, stderr=log)
        try:
            _await(process, number, tmp_path / "server.log")
            yield number
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


@pytest.mark.parametrize(("plan", "most"), [("shared", 157), ("metered", 93)])
def test_of_a_burst_over_two_processes_exactly_as_many_pass_as_are_allowed(platform, port, plan, most):
    callers = [bearer(platform, "alpha", name) for name in ("kim", "lee")]
    platform.limits.plans.assign("alpha", plan)
    served = Counter()

    def burst(number):
        """Each on a connection of its own, which the kernel gives to one of the processes."""
        for n in range(20):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", "/api/v1/flags", headers=callers[(number + n) % 2])
            answer = connection.getresponse()
            answer.read()
            served[answer.status] += 1
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(burst, range(16)))
    assert served == {200: most, 429: 320 - most}


def _await(process, port, log):
    deadline = monotonic() + 30
    while monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        sleep(0.05)
    pytest.fail(log.read_text())
