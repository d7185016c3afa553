"""Real servers, on each database, and a small client that speaks the protocol."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from time import monotonic, sleep

import pytest
from websockets.sync.client import connect

from brickwork.testing.auth import bearer


class Client:
    """A WebSocket with a ticket."""

    def __init__(self, server, name="tab-1", tenant="alpha", actor="service:kim"):
        self.name = name
        ticket = server.ticket(name, tenant, actor)
        self._manager = connect(f"ws://127.0.0.1:{server.port}/ws/{name}?ticket={ticket}", compression=None)
        self.socket = self._manager.__enter__()

    def say(self, **request):
        self.socket.send(json.dumps(request))

    def hear(self, op=None, seconds=10):
        """The next message, or the next of a kind."""
        deadline = monotonic() + seconds
        while True:
            message = json.loads(self.socket.recv(timeout=max(0.01, deadline - monotonic())))
            if op is None or message["op"] == op:
                return message

    def subscribe(self, topic, since=None):
        self.say(op="subscribe", topic=topic, since=since)
        return self.hear("subscribed")

    def close(self):
        self._manager.__exit__(None, None, None)


class Server:
    """`brickwork serve` on a free port, over a platform's database."""

    def __init__(self, platform, folder, **sections):
        self._platform, self._callers = platform, {}
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        database = platform.settings.database
        environment = {
            **os.environ,
            "BRICKWORK_DATABASE__URL": database.url,
            **({"BRICKWORK_DATABASE__OWNER_URL": database.owner_url} if database.owner_url else {}),
            "BRICKWORK_PLATFORM__DATA_DIR": str(folder / f"data-{self.port}"),
            **{f"BRICKWORK_REALTIME__{key.upper()}": str(value) for key, value in sections.items()},
        }
        self._log = (folder / f"server-{self.port}.log").open("w")
        command = [sys.executable, "-m", "brickwork", "serve", "--port", str(self.port), "--no-migrate"]
        self.process = subprocess.Popen(command, env=environment, cwd=folder, stdout=self._log, stderr=self._log)
        deadline = monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2).close()
                return
            except OSError:
                assert self.process.poll() is None, (folder / f"server-{self.port}.log").read_text()
                assert monotonic() < deadline
                sleep(0.05)

    def headers(self, tenant, actor):
        """Those of a service account, made on first use."""
        if (tenant, actor) not in self._callers:
            self._callers[tenant, actor] = bearer(self._platform, tenant, actor.removeprefix("service:"))
        return self._callers[tenant, actor]

    def call(self, method, path, body=None, tenant="alpha", actor="service:kim"):
        headers = {**self.headers(tenant, actor), "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())["data"]

    def ticket(self, client, tenant="alpha", actor="service:kim"):
        return self.call("POST", "/api/v1/realtime/tickets", {"client": client}, tenant, actor)["ticket"]

    def stop(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(30)
        self._log.close()


@pytest.fixture
def serve(platform, tmp_path):
    made = []

    def start(**sections):
        made.append(Server(platform, tmp_path, **sections))
        return made[-1]

    yield start
    for server in made:
        server.stop()


@pytest.fixture
def client():
    made = []

    def open_(server, *args, **options):
        made.append(Client(server, *args, **options))
        return made[-1]

    yield open_
    for one in made:
        one.close()
