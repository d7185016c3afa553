"""Claim: messages that are stored, tracked and tried again go out about as fast as a bare loop sends them, and none is lost, or
sent twice by our doing, when the worker is killed.

Emails to a local mail server (aiosmtpd, in a process of its own), with text and HTML: ours from `send` until each is noted as
sent, on one connection and with the default pool; a loop around `smtplib` on one connection, which composes each with `email`;
Apprise, which connects anew for each, on fewer messages. Then a worker that is killed ten times while it sends.

What SMTP allows: a server has a message once it has answered 250, and a client that is killed before it reads that can't know
(RFC 1047). So each kill may double what was on its way on each connection at that moment; nothing else may be doubled, and
nothing lost.
"""

import contextlib
import json
import signal
import smtplib
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.harness import postgres_database, postgres_runs, result, say

SUBJECT, TEXT = "Your appointment on Monday", "Dear {name},\n\nwe expect you on Monday at nine.\n\nThe clinic\n" * 3
HTML = "<p>Dear {name},</p><p>we expect you on <b>Monday</b> at nine.</p><p>The clinic</p>" * 3
KILLS, CONNECTIONS = 10, 4


def run(*, quick: bool = False) -> dict[str, Any]:
    """Emails per second of each, and what comes of ten kills."""
    count, rounds = (200, 1) if quick else (10_000, 1)
    rates: dict[str, list[float]] = {name: [] for name in ("brickwork", "brickwork_one_connection", "smtplib", "apprise")}
    for _ in range(rounds):
        with _sink() as (port, _):
            rates["smtplib"].append(_smtplib(port, count))
            rates["apprise"].append(_apprise(port, max(count // 20, 20)))
        for name, connections in (("brickwork_one_connection", 1), ("brickwork", CONNECTIONS)):
            with _sink() as (port, taken), _database() as database:
                rates[name].append(_ours(port, database, count, connections, taken))
    say("emails/s: " + ", ".join(f"{name} {median(values):,.0f}" for name, values in rates.items()))
    checks = {
        "one_connection_at_least_0.5_of_smtplib": rates["brickwork_one_connection"][0] >= 0.5 * rates["smtplib"][0],
        "default_pool_more_than_smtplib": rates["brickwork"][0] > rates["smtplib"][0],
        **_killed(max(count // 5, 200)),
    }
    peers = {name: rates[name] for name in ("smtplib", "apprise")}
    return result("notify", "emails/s", rates["brickwork"], peers, checks)


# -- the contestants -----------------------------------------------------------------------------------------------------


def _ours(port: int, database: dict[str, Any], count: int, connections: int, taken: Path) -> float:
    from brickwork import Platform

    platform = Platform(["notify"], settings=_settings(port, database, connections), discover=False)
    try:
        platform.migrate()
        platform.get("notify")
        worker = platform.messaging.worker()
        worker.start()
        begin = time.perf_counter()
        _send(platform, count)
        _until(platform, count, 900)
        took = time.perf_counter() - begin
        worker.stop()
    finally:
        platform.close()
    if len(_ids(taken)) != count:
        raise RuntimeError(f"{len(_ids(taken))} of {count} messages arrived")
    return count / took


def _send(platform: Any, count: int) -> None:
    from brickwork.notify import Content

    content = Content(subject=SUBJECT, text=TEXT.format(name="Ada"), html=HTML.format(name="Ada"))
    with platform.context(tenant="north", actor="user:bench"):
        for begin in range(0, count, 500):
            to = (f"person-{n}@example.org" for n in range(begin, min(begin + 500, count)))
            platform.notify.send("direct", to, content=content)


def _until(platform: Any, count: int, seconds: float) -> None:
    """Wait until every delivery is noted as sent."""
    from sqlalchemy import func, select

    from brickwork.kernel.context import Context
    from brickwork.notify.models import DeliveryRow

    table: Any = DeliveryRow.__table__
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with platform.database.begin(Context(system=True), readonly=True) as transaction:
            sent = transaction.execute(select(func.count()).where(table.c.status == "sent")).scalar_one()
        if sent == count:
            return
        time.sleep(0.05)
    raise RuntimeError(f"{sent} of {count} messages were sent within {seconds:.0f} s")


def _smtplib(port: int, count: int) -> float:
    begin = time.perf_counter()
    with smtplib.SMTP("127.0.0.1", port) as server:
        for n in range(count):
            message = EmailMessage()
            message["From"], message["To"], message["Subject"] = "clinic@example.org", f"person-{n}@example.org", SUBJECT
            message["Message-ID"] = f"<{n}@example.org>"
            message.set_content(TEXT.format(name="Ada"))
            message.add_alternative(HTML.format(name="Ada"), subtype="html")
            server.send_message(message)
    return count / (time.perf_counter() - begin)


def _apprise(port: int, count: int) -> float:
    import apprise

    begin = time.perf_counter()
    for n in range(count):
        target = apprise.Apprise()
        target.add(f"mailto://127.0.0.1:{port}?from=clinic@example.org&to=person-{n}@example.org&mode=insecure")
        if not target.notify(title=SUBJECT, body=HTML.format(name="Ada"), body_format="html"):
            raise RuntimeError("apprise did not send")
    return count / (time.perf_counter() - begin)


# -- kill -9 -------------------------------------------------------------------------------------------------------------


def _killed(count: int) -> dict[str, bool]:
    from brickwork import Platform

    with _sink() as (port, taken), _database() as database:
        settings = _settings(port, database, CONNECTIONS)
        platform = Platform(["notify"], settings=settings, discover=False)
        try:
            platform.migrate()
            _send(platform, count)
            for number in range(KILLS):
                with _worker(settings) as worker:
                    wanted = count * (number + 1) // (KILLS + 2)
                    until = time.monotonic() + 30
                    while len(_ids(taken)) < wanted and time.monotonic() < until:
                        time.sleep(0.002)
                    worker.send_signal(signal.SIGKILL)
            with _worker(settings):
                _until(platform, count, 600)
        finally:
            platform.close()
        seen = Counter(_ids(taken))
    doubled = sum(times - 1 for times in seen.values())
    say(f"{count} emails, {KILLS} kills: {count - len(seen)} lost, {doubled} sent twice; SMTP allows {KILLS * CONNECTIONS}")
    return {
        "killed_ten_times_nothing_lost": len(seen) == count,
        "sent_twice_as_far_as_smtp_allows": doubled <= KILLS * CONNECTIONS,
    }


@contextlib.contextmanager
def _worker(settings: dict[str, Any]) -> "Iterator[subprocess.Popen[bytes]]":
    command = [sys.executable, "-m", "benchmarks.notify.work", json.dumps(settings)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


# -- what they share -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _sink() -> Iterator[tuple[int, Path]]:
    """A mail server's port, and the file of what it has taken."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="brickwork-bench-") as folder:
        taken = Path(folder) / "taken"
        taken.touch()
        command = [sys.executable, "-m", "benchmarks.notify.sink", str(port), str(taken)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            process.stdout.readline()
            try:
                yield port, taken
            finally:
                process.kill()


@contextlib.contextmanager
def _database() -> Iterator[dict[str, Any]]:
    """Settings of a new database: PostgreSQL where it runs."""
    with tempfile.TemporaryDirectory(prefix="brickwork-bench-") as folder, contextlib.ExitStack() as stack:
        url = stack.enter_context(postgres_database()) if postgres_runs() else f"sqlite:///{folder}/notify.db"
        if url.startswith("postgresql"):
            from brickwork.data.roles import create_roles

            made = create_roles(url)
            yield {"database": {"url": made.url, "owner_url": made.owner_url}, "platform": {"data_dir": folder}}
        else:
            yield {"database": {"url": url}, "platform": {"data_dir": folder}}


def _settings(port: int, database: dict[str, Any], connections: int) -> dict[str, Any]:
    server = {"backend": "smtp", "host": "127.0.0.1", "port": port, "security": "none", "sender": "clinic@example.org"}
    notify = {"channels": {"email": ["main"]}, "providers": {"main": {**server, "connections": connections}}, "first_pause": 1}
    return {**database, "notify": notify, "messaging": {"redelivery": 2, "in_server": False}}


def _ids(taken: Path) -> list[str]:
    return taken.read_text().split()
