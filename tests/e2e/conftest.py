"""Real servers, on each database, a small client that speaks the protocol, and a real browser: headless Chromium, steered over
its debugging protocol."""

import json
import urllib.request
from time import monotonic

import pytest
from websockets.sync.client import connect

from brickwork.testing import serving
from brickwork.testing.auth import bearer
from brickwork.testing.browser import Page


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


class Server(serving.Server):
    """`brickwork serve` on a free port, over a platform's database."""

    def __init__(self, platform, folder, **sections):
        self._platform, self._callers = platform, {}
        realtime = {f"BRICKWORK_REALTIME__{key.upper()}": str(value) for key, value in sections.items()}
        passkeys = "BRICKWORK_AUTH__PASSKEY_ORIGINS"
        super().__init__(platform, folder, lambda port: {passkeys: json.dumps([f"http://localhost:{port}"]), **realtime})

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


@pytest.fixture
def page(tmp_path):
    folder = tmp_path / "profile"
    folder.mkdir()
    made = Page(folder)
    yield made
    made.close()
