"""Requests per second of create, read, list and update over HTTP.

Claim: with tenancy, audit and validation on, at least twice a hand-written FastAPI and SQLAlchemy application without any of
them, at least three times Django REST Framework, on the same server with the same settings; and p95 under 200 ms at 2,000
requests per second, offered at a constant rate to two worker processes that share two cores with the load generator.
"""

import contextlib
import statistics
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.api_entities import servers
from benchmarks.harness import postgres_database, postgres_runs, result, say

OPERATIONS = ("create", "read", "list", "update")
MIX = {"read": 60, "list": 15, "update": 15, "create": 10}
Rates = dict[str, dict[str, list[float]]]


def run(*, quick: bool = False) -> dict[str, Any]:
    """The figures of all servers."""
    rounds, seconds = (1, 0.5) if quick else (3, 2.5)
    with tempfile.TemporaryDirectory(prefix="brickwork-bench-") as name:
        folder = Path(name)
        with contextlib.ExitStack() as stack:
            running = [
                stack.enter_context(servers.brickwork(folder / "ours")),
                stack.enter_context(servers.handwritten(folder)),
                stack.enter_context(servers.drf(folder)),
            ]
            if postgres_runs():
                ours, theirs = stack.enter_context(postgres_database()), stack.enter_context(postgres_database())
                running.append(stack.enter_context(servers.brickwork(folder / "pg", admin_url=ours)))
                url = theirs.replace("postgresql://", "postgresql+psycopg://")
                running.append(stack.enter_context(servers.handwritten(folder, url)))
            rates = compare(running, rounds, seconds)
        steady = constant_rate(folder / "steady", 3 if quick else 15)
    show(rates, steady)
    return summary(rates, steady)


def compare(running: list[servers.Server], rounds: int, seconds: float) -> Rates:
    """Requests per second by server and operation, a figure a round, the servers in turn."""
    ids = {server.name: fill(server, 300) for server in running}
    rates: Rates = {server.name: {operation: [] for operation in OPERATIONS} for server in running}
    for number in range(rounds):
        for operation in OPERATIONS:
            for server in running:
                job = server.job(mode="closed", operation=operation, seconds=seconds, connections=8, ids=ids[server.name])
                figures = servers.load({**job, "start": 1_000_000 * (number + 1)})
                if figures["wrong"]:
                    raise RuntimeError(f"{server.name} answered {figures['wrong']} {operation} requests with another status")
                rates[server.name][operation].append(figures["rate"])
        say(f"round {number + 1} of {rounds} done")
    return rates


def constant_rate(folder: Path, seconds: float) -> dict[str, Any]:
    """2,000 requests per second, offered to two workers."""
    with servers.brickwork(folder, workers=2) as server:
        ids = fill(server, 500)
        job = server.job(mode="constant", rate=2000, seconds=seconds, connections=64, mix=MIX, ids=ids)
        servers.load({**job, "seconds": 2})
        return servers.load({**job, "start": 5_000_000})


def fill(server: servers.Server, count: int) -> list[str]:
    """The ids of `count` new patients."""
    from benchmarks.api_entities.load import patient

    ids = []
    for number in range(count):
        answer = server.call("POST", server.path, patient(number, server.job()))
        ids.append((answer["data"] if server.wrapped else answer)["id"])
    return ids


def summary(rates: Rates, steady: dict[str, Any]) -> dict[str, Any]:
    """The result: geometric means of the four operations."""
    means = {name: _means(operations) for name, operations in rates.items()}
    peers = {name: means[name] for name in ("handwritten", "drf")}
    checks = {"p95_under_200ms_at_2000_rps": steady["p95"] < 200, "no_errors_at_2000_rps": not steady["wrong"]}
    figures = result("api_entities", "requests/s", means["brickwork"], peers, checks)
    if "brickwork_postgres" in means:
        more = result("", "", means["brickwork_postgres"], {"handwritten_postgres": means["handwritten_postgres"]}, {})
        figures["peers"].update(more["peers"])
    least = {"handwritten": 2.0, "drf": 3.0, "handwritten_postgres": 2.0}
    for name, peer in figures["peers"].items():
        figures["checks"][f"{name}_at_least_{least[name]}"] = peer["ratio"] >= least[name]
    return figures


def show(rates: Rates, steady: dict[str, Any]) -> None:
    """The figures by operation, for people."""
    table = Table("Server", *OPERATIONS, title="requests per second, median of the rounds")
    for name, operations in rates.items():
        table.add_row(name, *(f"{statistics.median(operations[operation]):,.0f}" for operation in OPERATIONS))
    console = Console(stderr=True)
    console.print(table)
    times = ", ".join(f"p{q} {steady[f'p{q}']:.1f} ms" for q in (50, 95, 99))
    told = f"2,000 requests/s offered to two workers for {steady['seconds']:.0f} s: {times}"
    console.print(f"{told}; sent {steady['sent']:,} of {steady['offered']:,}, errors {steady['wrong'] or 0}")


def _means(operations: dict[str, list[float]]) -> list[float]:
    return [statistics.geometric_mean(values) for values in zip(*operations.values(), strict=True)]
