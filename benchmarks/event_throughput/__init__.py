"""Events per second from commit to effect.

Claim: with an outbox, effects exactly once, retries and dead letters, at least half as many events per second as bare dramatiq
on the same broker (which loses what was committed and not yet sent, and repeats after a crash), and at least as many as Celery;
and a median latency from commit to handler below 20 ms where PostgreSQL is the broker.

Each producer commits an order and then sends; each worker has two processes with four threads (Celery: two processes, its
default here) and commits an effect for each event; all on the same PostgreSQL, one after the other, in turns.
"""

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.event_throughput.tables import effect, metadata, order
from benchmarks.harness import postgres_database, postgres_runs, result, say

REDIS = os.environ.get("BRICKWORK_TEST_REDIS", "redis://127.0.0.1:6379/15")
RABBITMQ = os.environ.get("BRICKWORK_TEST_RABBITMQ", "amqp://guest:guest@127.0.0.1:5672/%2f")
URLS = {"redis": REDIS, "rabbitmq": RABBITMQ}
HERE = "benchmarks.event_throughput"


def run(*, quick: bool = False) -> dict[str, Any]:
    """The figures of every contestant on both brokers, and the latency on PostgreSQL alone."""
    if not postgres_runs():
        raise SystemExit("this benchmark needs PostgreSQL, Redis and RabbitMQ")
    rounds, count = (1, 500) if quick else (3, 4000)
    rates: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="brickwork-bench-") as name, postgres_database() as admin:
        arena = Arena(Path(name), admin)
        for number in range(rounds):
            for kind in URLS:
                for contestant in (f"brickwork_{kind}", f"dramatiq_{kind}", f"celery_{kind}"):
                    rates.setdefault(contestant, []).append(arena.throughput(contestant, count))
            rates.setdefault("brickwork_sql", []).append(arena.throughput("brickwork_sql", count))
            told = ", ".join(f"{name} {values[-1]:,.0f}" for name, values in rates.items())
            say(f"round {number + 1} of {rounds}, events/s: {told}")
        latency = arena.latency(50 if quick else 300)
    median = statistics.median(latency) * 1000
    say(f"commit to handler on PostgreSQL: median {median:.1f} ms, p95 {sorted(latency)[len(latency) * 95 // 100] * 1000:.1f} ms")
    figures = result("event_throughput", "events/s", rates["brickwork_redis"], {}, {})
    for kind in URLS:
        for peer, least in ((f"dramatiq_{kind}", 0.5), (f"celery_{kind}", 1.0)):
            compared = result("", "", rates[f"brickwork_{kind}"], {peer: rates[peer]}, {})["peers"][peer]
            figures["peers"][peer] = compared
            figures["checks"][f"{peer}_at_least_{least}"] = compared["ratio"] >= least
    figures["checks"]["median_latency_under_20ms_on_postgres"] = median < 20
    return figures


class Arena:
    """A database with the tables, and the processes of one contestant at a time."""

    def __init__(self, folder: Path, admin: str) -> None:
        from brickwork import Platform
        from brickwork.data.roles import create_roles

        self._folder = folder
        roles = create_roles(admin)
        self._roles = {"url": roles.url, "owner_url": roles.owner_url}
        with Platform(settings={"database": self._roles, "platform": {"data_dir": folder}}, discover=False) as platform:
            platform.migrate()
        self._plain = admin.replace("postgresql://", "postgresql+psycopg://")
        self._engine = sa.create_engine(self._plain)
        metadata.create_all(self._engine)
        with self._engine.begin() as connection:
            connection.execute(sa.text("GRANT ALL ON bench_order, bench_effect TO PUBLIC"))
        self._next = 0

    def throughput(self, contestant: str, count: int) -> float:
        """Events per second from the first commit to the last effect."""
        with self._worker(contestant):
            self._produce(contestant, 20)  # everything is connected and imported then
            self._wait()
            out = self._produce(contestant, count)
            self._wait()
        begin = float(out.split("begin ")[1])
        with self._engine.connect() as connection:
            end = connection.scalar(sa.select(sa.func.max(effect.c.at)))
        return count / (float(end or 0) - begin)

    def latency(self, count: int) -> list[float]:
        """Seconds from commit to handler, at 50 events per second."""
        with self._worker("brickwork_sql"):
            self._produce("brickwork_sql", 20)
            self._wait()
            first = self._next
            lines = self._produce("brickwork_sql", count, rate=50.0).splitlines()
            self._wait()
        committed = {int(a): float(b) for a, b in (line.split() for line in lines) if a.isdigit()}
        with self._engine.connect() as connection:
            handled = connection.execute(sa.select(effect.c.number, effect.c.at).where(effect.c.number >= first)).all()
        return [max(0.0, row.at - committed[row.number]) for row in handled]

    def _produce(self, contestant: str, count: int, rate: float = 0) -> str:
        module = {"brickwork": "ours", "dramatiq": "bare_dramatiq", "celery": "bare_celery"}[contestant.split("_")[0]]
        command = [sys.executable, "-m", f"{HERE}.{module}", str(self._next), str(count), str(rate)]
        self._next += count
        done = subprocess.run(
            command, env=self._environment(contestant), stdout=subprocess.PIPE, text=True, check=True, timeout=300
        )
        return done.stdout

    def _wait(self) -> None:
        """Until every order has its effect."""
        deadline = time.monotonic() + 300
        with self._engine.connect() as connection:
            while True:
                orders, effects = (connection.scalar(sa.select(sa.func.count()).select_from(t)) for t in (order, effect))
                connection.rollback()
                if orders == effects:
                    return
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{effects} effects for {orders} orders after 300 s")
                time.sleep(0.05)

    @contextlib.contextmanager
    def _worker(self, contestant: str) -> Iterator[None]:
        family = contestant.split("_")[0]
        commands = {
            "brickwork": ["brickwork", "worker", "--processes", "2", "--threads", "4"],
            "dramatiq": ["dramatiq", "--processes", "2", "--threads", "4", f"{HERE}.bare_dramatiq"],
            "celery": [
                "celery",
                "-A",
                f"{HERE}.bare_celery",
                "worker",
                "-c",
                "2",
                "--without-gossip",
                "--without-mingle",
                "-l",
                "ERROR",
            ],
        }
        with (self._folder / f"{contestant}.log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *commands[family]], env=self._environment(contestant), stdout=log, stderr=log
            )
            try:
                yield
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def _environment(self, contestant: str) -> dict[str, str]:
        family, _, kind = contestant.partition("_")
        own = {"BENCH_URL": self._plain, "BENCH_BROKER": kind, "BENCH_BROKER_URL": URLS.get(kind, "")}
        if family == "brickwork":
            own = {
                "BRICKWORK_DATABASE__URL": self._roles["url"],
                "BRICKWORK_DATABASE__OWNER_URL": self._roles["owner_url"],
                "BRICKWORK_PLATFORM__DATA_DIR": str(self._folder),
                "BRICKWORK_PLATFORM__MODULES": f'["{HERE}.ours"]',
                "BRICKWORK_MESSAGING__BACKEND": kind,
            }
            if kind in URLS:
                own[f"BRICKWORK_MESSAGING__{kind.upper()}__URL"] = URLS[kind]
                own[f"BRICKWORK_MESSAGING__{kind.upper()}__PREFIX"] = "bench"
        return {**os.environ, **own}
