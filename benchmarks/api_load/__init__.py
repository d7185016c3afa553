"""Claim: a clinic's mixed traffic (60 % read, 25 % list or search, 15 % write), each call authenticated by a session or a key,
held against roles with conditions and field masks, and counted by a plan, on PostgreSQL: 1,000 requests a second for 60 s with
p95 below 200 ms and errors below 0.1 %. Then the rate is raised by steps; the figure is the highest that still holds.

Five tenants, 50,000 patients, 100 callers. The load is open: requests are sent when they are due, whether or not earlier ones
were answered, and latency counts from that moment. Two worker processes of `brickwork serve` with two threads each for reading
and for writing, PostgreSQL, Redis and the load generator share this machine's cores.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from benchmarks.api_entities.servers import Server, free_port, process
from benchmarks.api_load import world
from benchmarks.harness import postgres_database, postgres_runs, result, say

WANTED, AIM = 1000, 2000
RATES = (1250, 1500, 1750, 2000, 2250, 2500, 3000, 4000)
LIMIT, ERRORS = 200.0, 0.001
#: A connection takes one request at a time.
CONNECTIONS = 128


def run(*, quick: bool = False) -> dict[str, Any]:
    """The figures."""
    if not postgres_runs():
        raise SystemExit("api_load needs PostgreSQL")
    with tempfile.TemporaryDirectory(prefix="brickwork-bench-") as name, postgres_database() as admin:
        settings = _settings(Path(name), admin)
        with clinics(settings, 2_000 if quick else 50_000) as (port, people, patients):
            job = {"port": port, "people": people, "patients": patients, "connections": CONNECTIONS}
            masked = masks_hold(port, people)
            before = used(port, people)
            warm = _offered({**job, "rate": 300, "seconds": 2 if quick else 10, "seed": 1})
            steady = _offered({**job, "rate": WANTED, "seconds": 3 if quick else 60, "seed": 2})
            counted = used(port, people) - before == warm["sent"] + steady["sent"] + len(world.TENANTS)
            highest = climb(job, steady, 2 if quick else 20)
    say(f"the highest rate that holds: {highest} requests/s; the aim is {AIM}")
    checks = {
        "sustained_1000_rps": steady["sent"] == steady["offered"] and steady["late"] < 1.0,
        "p95_under_200ms_at_1000_rps": steady["p95"] < LIMIT,
        "errors_under_0.1_percent_at_1000_rps": _failed(steady) < ERRORS,
        "limiter_counted_every_request": counted,
        "masks_hold": masked,
    }
    return result("api_load", "requests/s", [highest], {}, checks)


def climb(job: dict[str, Any], steady: dict[str, Any], seconds: float) -> int:
    """The highest rate that holds, 0 if not even the first does. A step that fails is tried once more: others may have used the
    machine meanwhile."""
    highest = WANTED if _holds(steady) else 0
    for number, rate in enumerate(RATES if highest else ()):
        if not any(_holds(_offered({**job, "rate": rate, "seconds": seconds, "seed": 10 + 2 * number + n})) for n in range(2)):
            break
        highest = rate
    return highest


def masks_hold(port: int, people: list[dict[str, str]]) -> bool:
    """Whether a caller of each role sees patients, none with a field that the role must not see."""
    by_role = {person["role"]: person for person in people}
    for role, person in by_role.items():
        shown = _server(port, person).call("GET", "/api/v1/entities/patient?limit=20")["data"]
        if not shown or any(field in patient["fields"] for patient in shown for field in world.HIDDEN[role]):
            return False
        if role == "nurse" and any(patient["fields"]["ward"] != person["ward"] for patient in shown):
            return False
    return True


def used(port: int, people: list[dict[str, str]]) -> int:
    """What all tenants have used of their quota, with the call of each that asks for it."""
    total = 0
    for tenant in world.TENANTS:
        asking = next(person for person in people if person["tenant"] == tenant)
        rules = _server(port, asking).call("GET", "/api/v1/limits")["data"]["rules"]
        total += sum(rule["limit"] - rule["remaining"] for rule in rules if rule["name"] == "api_calls")
    return total


@contextlib.contextmanager
def clinics(settings: Path, patients: int) -> Iterator[tuple[int, list[dict[str, str]], dict[str, dict[str, list[str]]]]]:
    """A running server, its callers, and the ids of patients by tenant and ward."""
    from brickwork import Platform

    with Platform.from_settings(settings) as platform:
        platform.migrate()
        people, known = world.build(platform, patients)
    say(f"{patients:,} patients in {len(world.TENANTS)} tenants, {len(people)} callers")
    port = free_port()
    command = [sys.executable, "-m", "brickwork", "serve", "--port", str(port), "--workers", "2"]
    with process(command, {"BRICKWORK_CONFIG": str(settings)}, port):
        yield port, [attrs.asdict(person) for person in people], known


def _settings(folder: Path, admin_url: str) -> Path:
    from brickwork.data.roles import create_roles

    roles = create_roles(admin_url)
    redis = _redis()
    say(f"limits are counted by {'Redis' if redis else 'the embedded backend'}")
    limits = f'backend = "redis"\n[limits.redis]\nurl = "{redis}"\nprefix = "{folder.name}"' if redis else ""
    settings = folder / "brickwork.toml"
    settings.write_text(
        f'[platform]\ndata_dir = "{folder / "data"}"\n[database]\nurl = "{roles.url}"\nowner_url = "{roles.owner_url}"\n'
        f'[cache]\none_machine = true\n[web]\nthreads = 2\n[limits]\ndefault_plan = "{world.PLAN}"\n{limits}\n{world.LIMITS}'
    )
    return settings


def _redis() -> str | None:
    """The URL of a Redis that answers, where the plugin is there."""
    url = os.environ.get("BRICKWORK_TEST_REDIS", "redis://127.0.0.1:6379/15")
    try:
        import brickwork_redis  # noqa: F401
        import redis

        redis.Redis.from_url(url).ping()
    except Exception as error:  # absent plugin, absent server: either leaves it out
        say(f"Redis is left out: {type(error).__name__}")
        return None
    return url


def _offered(job: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.api_load.traffic"]
    done = subprocess.run(
        command, input=json.dumps(job), stdout=subprocess.PIPE, text=True, check=True, timeout=job["seconds"] * 3 + 120
    )
    figures: dict[str, Any] = json.loads(done.stdout)
    figures["late"] = figures["seconds"] - job["seconds"]
    times = ", ".join(f"p{q} {figures[f'p{q}']:.1f} ms" for q in (50, 95, 99))
    say(f"{job['rate']:,} requests/s for {job['seconds']:g} s: {times}; {_failed(figures):.3%} failed {figures['wrong'] or ''}")
    return figures


def _holds(figures: dict[str, Any]) -> bool:
    return bool(figures["p95"] < LIMIT and _failed(figures) < ERRORS and figures["late"] < 1.0)


def _failed(figures: dict[str, Any]) -> float:
    return float(sum(figures["wrong"].values()) / max(figures["sent"], 1))


def _server(port: int, person: dict[str, str]) -> Server:
    return Server("brickwork", port, "", "", True, (f"Authorization: Bearer {person['token']}",))
