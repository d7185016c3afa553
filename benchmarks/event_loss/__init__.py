"""What is lost, repeated or out of order while everything dies.

Claim: 10,000 events pass on each broker while producers and workers are killed with SIGKILL, connections to the database and to
the broker are cut, Redis is killed (it keeps nothing on disk here, so it forgets every message) and RabbitMQ is restarted: no
event is lost, no effect is applied twice, and the order of each key is kept. Each event has two handlers: one that asks for
order, which a relay hands over, and one that doesn't, which its publisher hands over (see `brickwork.messaging.handover`).

RabbitMQ is stopped and started where this user may do so with rabbitmqctl; the connections to it go through a proxy that cuts
them besides.
"""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.event_loss.shop import effect, metadata, order, receipt
from benchmarks.harness import postgres_database, postgres_runs, result, say

RABBITMQ = ("127.0.0.1", 5672)
HERE = "benchmarks.event_loss.shop"
PRODUCERS = 2
KINDS = ("sql", "redis", "rabbitmq")
Attack = tuple[str, Callable[[], None]]


def run(*, quick: bool = False) -> dict[str, Any]:
    """Each broker in turn."""
    if not postgres_runs():
        raise SystemExit("this benchmark needs PostgreSQL, RabbitMQ and the program redis-server")
    count = 500 if quick else 10_000
    rates, checks = [], {}
    for kind in KINDS:
        with tempfile.TemporaryDirectory(prefix="brickwork-bench-") as name, postgres_database() as admin:
            found = Battle(Path(name), admin, kind, count).fight()
        say(f"{kind}: {found}")
        rates.append(count / found["seconds"])
        checks |= {
            f"{kind}_nothing_lost": found["lost"] == 0 and found["dead"] == 0,
            f"{kind}_nothing_twice": found["twice"] == 0,
            f"{kind}_order_kept": found["disorder"] == 0,
        }
    return result("event_loss", "events/s under fire", rates, {}, checks)


class Battle:
    """One broker, its processes, and what attacks them."""

    def __init__(self, folder: Path, admin: str, kind: str, count: int) -> None:
        from brickwork import Platform
        from brickwork.data.roles import create_roles

        self._kind, self._count, self._folder = kind, count, folder
        roles = create_roles(admin)
        database = {"url": roles.url, "owner_url": roles.owner_url}
        with Platform(settings={"database": database, "platform": {"data_dir": folder}}, discover=False) as platform:
            platform.migrate()
        self._engine = sa.create_engine(admin.replace("postgresql://", "postgresql+psycopg://"), pool_pre_ping=True)
        metadata.create_all(self._engine)
        with self._engine.begin() as connection:
            connection.execute(sa.text("GRANT ALL ON loss_order, loss_effect, loss_receipt TO PUBLIC"))
        self._environment = {
            **os.environ,
            "BRICKWORK_DATABASE__URL": roles.url,
            "BRICKWORK_DATABASE__OWNER_URL": roles.owner_url,
            "BRICKWORK_PLATFORM__DATA_DIR": str(folder),
            "BRICKWORK_PLATFORM__MODULES": f'["{HERE}"]',
            "BRICKWORK_MESSAGING__BACKEND": kind,
            "BRICKWORK_MESSAGING__REDELIVERY": "2",
            "BRICKWORK_MESSAGING__POLL": "0.5",
        }
        self._producers: list[subprocess.Popen[bytes]] = []
        self._random = random.Random(kind)

    def fight(self) -> dict[str, Any]:
        """Run until every order has its effect and its receipt, or nothing moves for two minutes."""
        begin = time.monotonic()
        with contextlib.ExitStack() as stack:
            attacks: list[Attack] = [("database", self._cut_database), ("producer", self._kill_producer)]
            attacks += [("worker", self._kill_worker)] * 2
            attacks += stack.enter_context(self._broker())
            stack.callback(self._end_producers)
            self._worker = stack.enter_context(self._supervisor())
            self._producers = [self._producer(part) for part in range(PRODUCERS)]
            struck: dict[str, int] = {}
            moved, last = time.monotonic(), -1
            while (done := self._applied()) < 2 * self._count:
                if done != last:
                    moved, last = time.monotonic(), done
                if time.monotonic() - moved > 120:
                    break
                time.sleep(1.5)  # the pace of the attacks
                name, attack = self._random.choice(attacks)
                attack()
                struck[name] = struck.get(name, 0) + 1
                self._producers = [
                    self._producer(part) if process.poll() not in (None, 0) else process
                    for part, process in enumerate(self._producers)
                ]
            time.sleep(2)  # what would come twice has come by then
        return {**self._count_up(), "seconds": round(time.monotonic() - begin, 1), "struck": struck}

    # -- what is fought for ---------------------------------------------------------------------------------------------

    def _applied(self) -> int:
        counts = [sa.select(sa.func.count(sa.distinct(table.c.number))) for table in (effect, receipt)]
        with self._engine.connect() as connection:
            return sum(int(connection.scalar(count) or 0) for count in counts)

    def _count_up(self) -> dict[str, int]:
        with self._engine.connect() as connection:
            orders = set(connection.scalars(sa.select(order.c.number)))
            rows = connection.execute(sa.select(effect.c.number, effect.c.customer).order_by(effect.c.seq)).all()
            receipts = list(connection.scalars(sa.select(receipt.c.number)))
            dead = int(connection.scalar(sa.text("SELECT count(*) FROM message_dead")) or 0)
        seen: dict[int, int] = {}
        latest: dict[int, int] = {}
        disorder = 0
        for number, customer in rows:
            seen[number] = seen.get(number, 0) + 1
            disorder += number < latest.get(customer, -1)
            latest[customer] = number
        twice = sum(times > 1 for times in seen.values()) + len(receipts) - len(set(receipts))
        lost = len(orders - seen.keys()) + len(orders - set(receipts))
        return {"orders": len(orders), "lost": lost, "twice": twice, "disorder": disorder, "dead": dead}

    # -- processes -------------------------------------------------------------------------------------------------------

    def _producer(self, part: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", HERE, str(part), str(PRODUCERS), str(self._count)]
        return subprocess.Popen(command, env=self._environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _end_producers(self) -> None:
        for process in self._producers:
            process.kill()
            process.wait()

    @contextlib.contextmanager
    def _supervisor(self) -> Iterator[subprocess.Popen[bytes]]:
        command = [sys.executable, "-m", "brickwork", "worker", "--processes", "2", "--threads", "4", "--patience", "5"]
        with (self._folder / "worker.log").open("wb") as log:
            process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
            try:
                self._await_start(process)
                yield process
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(60)

    def _await_start(self, process: subprocess.Popen[bytes]) -> None:
        """Attack only once it runs: a broker that is away at the start is told, and the worker ends."""
        deadline = time.monotonic() + 60
        while b"handling" not in (self._folder / "worker.log").read_bytes():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the worker did not start")
            time.sleep(0.1)

    @contextlib.contextmanager
    def _broker(self) -> Iterator[list[Attack]]:
        if self._kind == "redis":
            with PrivateRedis() as redis:
                self._environment["BRICKWORK_MESSAGING__REDIS__URL"] = f"redis://127.0.0.1:{redis.port}/0"
                yield [("redis", redis.restart)]
        elif self._kind == "rabbitmq":
            with Proxy(RABBITMQ) as proxy:
                prefix = f"loss{os.getpid()}"
                self._environment["BRICKWORK_MESSAGING__RABBITMQ__URL"] = f"amqp://guest:guest@127.0.0.1:{proxy.port}/%2f"
                self._environment["BRICKWORK_MESSAGING__RABBITMQ__PREFIX"] = prefix
                restart = [("rabbitmq", _restart_rabbitmq)] if _may_restart_rabbitmq() else []
                yield [("broker connections", proxy.cut), *restart]
            _drop_queues(prefix)
        else:
            yield []

    # -- attacks ---------------------------------------------------------------------------------------------------------

    def _kill_producer(self) -> None:
        self._random.choice(self._producers).kill()

    def _kill_worker(self) -> None:
        """One of the two processes in which handlers run; the supervisor starts another."""
        out = subprocess.run(["pgrep", "-P", str(self._worker.pid), "-f", "spawn_main"], capture_output=True, text=True)
        if children := out.stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(self._random.choice(children)), signal.SIGKILL)

    def _cut_database(self) -> None:
        with self._engine.begin() as connection:
            connection.execute(
                sa.text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )


class PrivateRedis:
    """A Redis of our own, that can be killed. It keeps nothing on disk."""

    def __init__(self) -> None:
        self.port = _free_port()

    def __enter__(self) -> "PrivateRedis":
        self._start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        """Kill it, and start an empty one."""
        self._process.kill()
        self._process.wait()
        self._start()

    def _start(self) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise SystemExit("this benchmark needs the program redis-server")
        options = ["--port", str(self.port), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]
        self._process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        raise RuntimeError("redis-server did not start")


class Proxy:
    """Passes TCP connections on, and cuts them all when asked to."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._pairs: list[tuple[socket.socket, socket.socket]] = []

    def __enter__(self) -> "Proxy":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Close every connection."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(self._target, 5)
            except OSError:  # the broker is being restarted
                near.close()
                continue
            self._pairs.append((near, far))
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=(source, target), daemon=True).start()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
            end.close()


def _may_restart_rabbitmq() -> bool:
    """Whether this machine's RabbitMQ is ours to restart."""
    program = shutil.which("rabbitmqctl")
    return program is not None and subprocess.run([program, "status"], capture_output=True).returncode == 0


def _restart_rabbitmq() -> None:
    """Stop the broker with all its queues, and start it again."""
    for command in ("stop_app", "start_app", "await_startup"):
        subprocess.run(["rabbitmqctl", command], capture_output=True, check=True)


def _drop_queues(prefix: str) -> None:
    import pika

    connection = pika.BlockingConnection(pika.ConnectionParameters(*RABBITMQ))
    channel = connection.channel()
    for name in ("default", "dead"):
        channel.queue_delete(f"{prefix}.{name}")
    channel.exchange_delete(f"{prefix}.dead")
    connection.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
