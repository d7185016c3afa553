"""A server for tests: `brickwork serve` in a process of its own, over the database of a test's platform."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform


class Server:
    """Runs until `stop`. `variables`, given the port, are settings as the environment has them: `BRICKWORK_OAUTH__GRANT_DAYS`."""

    def __init__(self, platform: "Platform", folder: Path, variables: Callable[[int], Mapping[str, str]]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.base = f"http://127.0.0.1:{self.port}"
        database = platform.settings.database
        environment = {
            **os.environ,
            "BRICKWORK_DATABASE__URL": database.url,
            **({"BRICKWORK_DATABASE__OWNER_URL": database.owner_url} if database.owner_url else {}),
            "BRICKWORK_PLATFORM__DATA_DIR": str(folder / f"data-{self.port}"),
            **variables(self.port),
        }
        log = folder / f"server-{self.port}.log"
        self._log = log.open("w")
        command = [sys.executable, "-m", "brickwork", "serve", "--port", str(self.port), "--no-migrate"]
        self.process = subprocess.Popen(command, env=environment, cwd=folder, stdout=self._log, stderr=self._log)
        deadline = monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(f"{self.base}/healthz", timeout=2).close()
                return
            except OSError:
                assert self.process.poll() is None, log.read_text()
                assert monotonic() < deadline, "the server did not start"
                sleep(0.05)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it, by default as an operator does. Stopping twice is harmless."""
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(30)
        self._log.close()
