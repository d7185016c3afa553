"""Starting and stopping the servers that are compared: one uvicorn process each, with the same settings."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import attrs

DEFINITION = {
    "name": "patient",
    "fields": {
        "given_name": {"type": "text", "max_length": 100},
        "family_name": {"type": "text", "required": True, "indexed": True, "max_length": 100},
        "birth_date": {"type": "date"},
        "email": {"type": "email"},
        "phone": {"type": "phone"},
        "ward": {"type": "choice", "choices": ["icu", "er", "general"]},
        "weight": {"type": "decimal", "scale": 2},
        "active": {"type": "boolean", "default": True},
        "notes": {"type": "text"},
    },
}


@attrs.frozen
class Server:
    """A running server and how to speak to it."""

    name: str
    port: int
    path: str
    page: str
    wrapped: bool = False
    headers: tuple[str, ...] = ()

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One request; the decoded answer."""
        headers = {**dict(line.split(": ", 1) for line in self.headers), "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def job(self, **more: Any) -> dict[str, Any]:
        """What the load generator needs to know."""
        known = {"port": self.port, "path": self.path, "page": self.page, "wrapped": self.wrapped, "headers": list(self.headers)}
        return {**known, **more}


def load(job: dict[str, Any]) -> dict[str, Any]:
    """Run the load generator as a process of its own."""
    command = [sys.executable, "-m", "benchmarks.api_entities.load"]
    patience = job["seconds"] + 60  # a server that stops answering fails the benchmark, it does not hang it
    done = subprocess.run(command, input=json.dumps(job), stdout=subprocess.PIPE, text=True, check=True, timeout=patience)
    return dict(json.loads(done.stdout))


@contextlib.contextmanager
def handwritten(folder: Path, url: str | None = None) -> Iterator[Server]:
    """The hand-written application."""
    environment = {"BENCH_URL": url or f"sqlite:///{folder / 'handwritten.db'}"}
    name = "handwritten_postgres" if url else "handwritten"
    with uvicorn("benchmarks.api_entities.handwritten:app", environment) as port:
        yield _ready(Server(name, port, "/patients", "?limit=20"))


@contextlib.contextmanager
def drf(folder: Path) -> Iterator[Server]:
    """Django REST Framework, as WSGI: under ASGI Django makes a thread and a connection for each request, and is slower."""
    with uvicorn("benchmarks.api_entities.drf:app", {"BENCH_FILE": str(folder / "drf.db")}, "wsgi") as port:
        yield _ready(Server("drf", port, "/patients", ""))


@contextlib.contextmanager
def brickwork(folder: Path, *, admin_url: str | None = None, workers: int = 1) -> Iterator[Server]:
    """brickwork with tenancy, audit and validation, as `brickwork serve` runs it."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["[platform]", f'data_dir = "{folder / "data"}"', "[database]"]
    if admin_url is None:
        lines.append(f'url = "sqlite:///{folder / "brickwork.db"}"')
    else:
        from brickwork.data.roles import create_roles

        roles = create_roles(admin_url)
        lines += [f'url = "{roles.url}"', f'owner_url = "{roles.owner_url}"']
    (folder / "brickwork.toml").write_text("\n".join(lines))
    port = free_port()
    command = [sys.executable, "-m", "brickwork", "serve", "--port", str(port), "--workers", str(workers)]
    with process(command, {"BRICKWORK_CONFIG": str(folder / "brickwork.toml")}, port):
        headers = (key(folder / "brickwork.toml"),)
        name = "brickwork_postgres" if admin_url else "brickwork"
        server = Server(name, port, "/api/v1/entities/patient", "?limit=20", True, headers)
        server.call("PUT", "/api/v1/entity-types/patient", DEFINITION)
        yield _ready(server)


def key(settings: Path) -> str:
    """The header that shows an API key of an administrator, made beside the server, on its database."""
    from brickwork import Platform
    from brickwork.testing.auth import bearer

    with Platform.from_settings(settings) as platform:
        return f"Authorization: {bearer(platform, 'st-marys', 'bench')['Authorization']}"


def _ready(server: Server) -> Server:
    from benchmarks.api_entities.load import patient

    server.call("POST", server.path, patient(0, server.job()))
    return server


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def uvicorn(app: str, environment: dict[str, str], interface: str = "asgi3") -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", app, "--port", str(port), "--no-access-log", "--log-level", "warning"]
    command += ["--loop", "uvloop", "--http", "httptools", "--interface", interface]
    with process(command, environment, port):
        yield port


@contextlib.contextmanager
def process(command: list[str], environment: dict[str, str], port: int) -> Iterator[None]:
    """The command as a process group of its own, ready to be connected to, ended in any case."""
    told = tempfile.TemporaryFile()  # noqa: SIM115 - closed below, after the process that writes to it
    process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=told, stderr=told, start_new_session=True)
    try:
        _await(process, port, told)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        told.close()


def _await(process: "subprocess.Popen[bytes]", port: int, told: IO[bytes]) -> None:
    """Return when the port answers; raises RuntimeError with what the server told if it ends, or after 30 seconds."""
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    told.seek(0)
    raise RuntimeError(f"a server did not start: {process.args!r}\n{told.read().decode(errors='replace')[-3000:]}")
