"""A real browser for tests: headless Chromium, steered over its debugging protocol."""

import base64
import itertools
import json
import os
import shutil
import signal
import subprocess
import urllib.request
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from websockets.sync.client import connect


class Page:
    """One page of a browser whose profile is in `folder`. Where there is no Chromium the test is skipped, or fails where services
    are required."""

    def __init__(self, folder: Path) -> None:
        from brickwork.testing.plugin import absent

        program = shutil.which("chromium") or shutil.which("chromium-browser")
        if program is None:
            absent("no Chromium for tests: apt-get install chromium")
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", f"--user-data-dir={folder}"]
        self._process = subprocess.Popen(
            [str(program), *options, "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
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

    def command(self, method: str, **parameters: Any) -> Any:
        """What a command of the debugging protocol answers."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=30))
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def run(self, script: str) -> Any:
        """The value of an expression; promises are awaited."""
        result = self.command("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def until(self, script: str, seconds: float = 30) -> Any:
        """The first value of an expression that is true."""
        deadline = monotonic() + seconds
        while not (value := self.run(script)):
            assert monotonic() < deadline, self.run("JSON.stringify(window.log ?? document.body.innerText)")
            sleep(0.1)
        return value

    def picture(self, path: Path) -> None:
        """Write what is to be seen as a PNG."""
        path.write_bytes(base64.b64decode(self.command("Page.captureScreenshot")["data"]))

    def close(self) -> None:
        """End the browser."""
        self._manager.__exit__(None, None, None)
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
