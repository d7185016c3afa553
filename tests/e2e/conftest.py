"""Real servers, on each database, a small client that speaks the protocol, and a real browser: headless Chromium, steered over
its debugging protocol."""

import base64
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from time import monotonic, sleep

import pytest
from websockets.sync.client import connect

from brickwork.testing.auth import bearer
from brickwork.testing.plugin import absent


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
            "BRICKWORK_AUTH__PASSKEY_ORIGINS": json.dumps([f"http://localhost:{self.port}"]),
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


class Page:
    """One page of a browser."""

    def __init__(self, folder):
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        if program is None:
            absent("no Chromium for tests: apt-get install chromium")
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", f"--user-data-dir={folder}"]
        self._process = subprocess.Popen(
            [program, *options, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        deadline = monotonic() + 60
        while not (folder / "DevToolsActivePort").exists():
            assert monotonic() < deadline, "the browser did not start"
            sleep(0.1)
        sleep(0.2)
        port = (folder / "DevToolsActivePort").read_text().split()[0]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=10) as answer:
            target = next(one for one in json.loads(answer.read()) if one["type"] == "page")
        self._manager = connect(target["webSocketDebuggerUrl"], compression=None, max_size=None)
        self._socket = self._manager.__enter__()
        self._numbers = itertools.count(1)

    def command(self, method, **parameters):
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=30))
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def run(self, script):
        """The value of an expression; promises are awaited."""
        result = self.command("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def until(self, script, seconds=30):
        deadline = monotonic() + seconds
        while not (value := self.run(script)):
            assert monotonic() < deadline, self.run("JSON.stringify(window.log ?? [])")
            sleep(0.1)
        return value

    def picture(self, path):
        path.write_bytes(base64.b64decode(self.command("Page.captureScreenshot")["data"]))

    def close(self):
        self._manager.__exit__(None, None, None)
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@pytest.fixture
def page(tmp_path):
    folder = tmp_path / "profile"
    folder.mkdir()
    made = Page(folder)
    yield made
    made.close()
