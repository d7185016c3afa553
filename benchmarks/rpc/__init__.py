"""How often a second a record is read over gRPC, by the generated client, beside our own HTTP API with connections kept.

Claim: at least half as often as the leanest HTTP client does. gRPC's Python implementation hands each call over between threads,
which costs more than a small answer saves; what it gives is types, deadlines, streams and other languages.

The same records of the same database, the same API key and permission checks; a server process for each protocol and a client
process with four threads, each a call at a time, the protocols in turn. Both decode into Python objects. `http` is the standard
library's client with orjson, the leanest there is; `httpx` is the one that products use.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.api_entities.servers import DEFINITION, _free_port, _process
from benchmarks.harness import postgres_database, postgres_runs, result, say

CALLERS = ("grpc", "http", "httpx")
RECORDS, THREADS = 500, 4


def run(*, quick: bool = False) -> dict[str, Any]:
    """Reads per second of each."""
    rounds, seconds = (1, 1.0) if quick else (5, 3.0)
    with tempfile.TemporaryDirectory(prefix="brickwork-bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        figures = _measure(stack.enter_context(_servers(folder / "sqlite", None)), rounds, seconds, "SQLite")
        ours = {"grpc": figures}
        if postgres_runs():
            url = stack.enter_context(postgres_database())
            ours["grpc_postgres"] = _measure(stack.enter_context(_servers(folder / "pg", url)), rounds, seconds, "PostgreSQL")
    made = result("rpc", "reads/s", figures["grpc"], {peer: figures[peer] for peer in CALLERS[1:]}, {})
    if "grpc_postgres" in ours:
        of = ours["grpc_postgres"]
        more = result("", "", of["grpc"], {f"{peer}_postgres": of[peer] for peer in CALLERS[1:]}, {})
        made["peers"].update(more["peers"])
    made["checks"] = {f"at_least_0.5_of_{name}": peer["ratio"] >= 0.5 for name, peer in made["peers"].items()}
    return made


def _measure(job: dict[str, Any], rounds: int, seconds: float, name: str) -> dict[str, list[float]]:
    rates: dict[str, list[float]] = {caller: [] for caller in CALLERS}
    times: dict[str, list[float]] = {caller: [] for caller in CALLERS}
    for _ in range(rounds):
        for caller in CALLERS:
            told = _call({**job, "caller": caller, "seconds": seconds, "threads": THREADS})
            rates[caller].append(told["rate"])
            times[caller].append(told["p50"])
    for caller in CALLERS:
        rate, middle = statistics.median(rates[caller]), statistics.median(times[caller])
        say(f"{name}, {caller}: {rate:,.0f} reads/s, median {middle:.2f} ms with {THREADS} threads")
    return rates


def _call(job: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.rpc.callers"]
    done = subprocess.run(command, input=json.dumps(job), stdout=subprocess.PIPE, text=True, check=True, timeout=120)
    return dict(json.loads(done.stdout))


@contextlib.contextmanager
def _servers(folder: Path, admin_url: str | None) -> Iterator[dict[str, Any]]:
    """Both servers on one database with records; what callers need to know."""
    from brickwork import Platform
    from brickwork.testing.auth import bearer

    folder.mkdir(parents=True)
    lines = ["[platform]", f'data_dir = "{folder / "data"}"', "[database]"]
    if admin_url is None:
        lines.append(f'url = "sqlite:///{folder / "brickwork.db"}"')
    else:
        from brickwork.data.roles import create_roles

        roles = create_roles(admin_url)
        lines += [f'url = "{roles.url}"', f'owner_url = "{roles.owner_url}"']
    file = folder / "brickwork.toml"
    file.write_text("\n".join(lines))
    with Platform.from_settings(file) as platform:
        platform.migrate()
        token = bearer(platform, "st-marys")["Authorization"]
        with platform.context(tenant="st-marys", actor="bench"):
            platform.entities.types.apply(DEFINITION)
            ids = [str(platform.entities.create("patient", _patient(number)).id) for number in range(RECORDS)]
        client = platform.rpc.client("brickwork.entities.v1")
    (folder / "entities_client.py").write_text(client)
    environment = {"BRICKWORK_CONFIG": str(file), **{key: os.environ[key] for key in ("PATH",)}}
    http, rpc = _free_port(), _free_port()
    with (
        _process([sys.executable, "-m", "brickwork", "serve", "--port", str(http)], environment, http),
        _process([sys.executable, "-m", "brickwork", "rpc", "serve", "--port", str(rpc)], environment, rpc),
    ):
        yield {"http": http, "grpc": rpc, "token": token, "ids": ids, "folder": str(folder)}


def _patient(number: int) -> dict[str, Any]:
    from benchmarks.api_entities.load import patient

    return dict(patient(number, {"wrapped": False}))
