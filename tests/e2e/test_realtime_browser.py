"""The JavaScript client in a real browser: headless Chromium, steered over its debugging protocol."""

import base64
import itertools
import json
import os
import shutil
import signal
import subprocess
import urllib.request
from time import monotonic, sleep

import pytest
from websockets.sync.client import connect

from brickwork.testing.plugin import absent

pytest_plugins: list[str] = []


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


BEGIN = """
(async () => {
  const { Live } = await import("/realtime/brickwork.js");
  window.log = []; window.clients = []; window.states = []; window.errors = [];
  const ticket = async (client) => {
    const headers = { "Authorization": "BEARER", "Content-Type": "application/json" };
    const answer = await fetch("/api/v1/realtime/tickets", { method: "POST", headers, body: JSON.stringify({ client }) });
    return (await answer.json()).data.ticket;
  };
  window.live = new Live({ client: "browser", ticket, onState: (s) => states.push(s), onError: (e) => errors.push(e) });
  live.subscribe("room:triage", (message) => log.push(message.data));
  live.join("room:people", { name: "Kim" }, (clients) => { window.clients = clients; });
  return true;
})()
"""


def test_the_client_listens_joins_and_comes_back_without_gap_or_repeat(platform, serve, page):
    server = serve()

    def say(*values):
        with platform.context(tenant="alpha", actor="user:ann"):
            for value in values:
                platform.realtime.publish("room:triage", value)

    page.command("Page.navigate", url=f"http://127.0.0.1:{server.port}/healthz")
    page.until(f"location.port == '{server.port}' && document.readyState == 'complete'")
    assert page.run(BEGIN.replace("BEARER", server.headers("alpha", "service:kim")["Authorization"]))
    page.until("states.includes('open')")
    page.until("clients.length == 1 && clients[0].client == 'browser'")
    say(1, 2)
    page.until("log.length == 2")
    page.run("live._socket.close(4000, 'cut by the test')")
    say(3, 4)
    page.until("log.length == 4 && states.filter((s) => s == 'open').length == 2")
    say(5)
    page.until("log.length == 5")
    assert page.run("log") == [1, 2, 3, 4, 5]
    assert page.run("clients.map((c) => c.meta.name)") == ["Kim"]
    page.run("live.close()")
    assert page.run("states.at(-1)") == "closed"
