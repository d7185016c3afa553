"""`brickwork doctor`: looks at a deployment as it is, and says what is wrong and what to do."""

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import func, select

from brickwork.cli.state import platform_of
from brickwork.errors import BrickworkError
from brickwork.kernel.component import SupportsHealth
from brickwork.kernel.context import Context

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

out = Console()

OK, WARNING, ERROR = "ok", "warning", "error"
#: How long something that should be done at once may lie before it is told.
PATIENCE = timedelta(minutes=5)
#: Seconds by which the database's clock may differ from this machine's.
SKEW = 2.0
#: Bytes that should be free where embedded backends write.
SPACE = 1_000_000_000
#: Components whose embedded backends hold on one machine only.
_ONE_MACHINE = ("cache", "locks", "limits")


@attrs.frozen
class Finding:
    """What one look found; `remedy` is what to do about it."""

    about: str
    state: str
    detail: str
    remedy: str = ""


def doctor(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="For a program; otherwise a table")] = False,
) -> None:
    """Check this deployment; ends with 1 if something is wrong."""
    findings = examine(platform_of(context))
    if as_json:
        typer.echo(json.dumps([attrs.asdict(finding) for finding in findings], indent=2))
    else:
        table = Table("About", "State", "What was found", "What to do")
        colours = {OK: "green", WARNING: "yellow", ERROR: "red"}
        for finding in findings:
            colour = colours[finding.state]
            table.add_row(finding.about, f"[{colour}]{finding.state}[/{colour}]", finding.detail, finding.remedy)
        out.print(table)
    if any(finding.state == ERROR for finding in findings):
        raise typer.Exit(1)


def examine(platform: "Platform") -> list[Finding]:
    """Every finding, the basic first; without a database that works, the rest is not looked at."""
    findings = [*_look("plugins", _plugins, platform), *_look("data folder", _folder, platform)]
    base = [*_look("database", _database, platform)]
    findings += base
    if all(finding.state != ERROR for finding in base):
        for about, check in (
            ("clock", _clock),
            ("services", _services),
            ("machines", _machines),
            ("keys", _keys),
            ("events", _events),
            ("schedules", _schedules),
            ("audit trail", _sealing),
        ):
            findings += _look(about, check, platform)
    return findings


def _look(about: str, check: "Callable[[Platform], Iterator[Finding]]", platform: "Platform") -> Iterator[Finding]:
    try:
        yield from check(platform)
    except BrickworkError as error:
        yield Finding(about, ERROR, error.message)
    except Exception as error:  # a check that fails is a finding too
        yield Finding(about, ERROR, f"{type(error).__name__}: {error}")


def _plugins(platform: "Platform") -> Iterator[Finding]:
    broken = [report for report in platform.plugins.reports if report.error]
    for report in broken:
        yield Finding(
            "plugins", ERROR, f"{report.name}: {report.error}", f"mend or uninstall {report.distribution or report.name}"
        )
    if not broken:
        yield Finding("plugins", OK, f"{len(platform.plugins.reports)} loaded")


def _folder(platform: "Platform") -> Iterator[Finding]:
    folder = platform.settings.platform.data_dir
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / ".doctor"
    try:
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        yield Finding(
            "data folder", ERROR, f"{folder} can't be written: {error.strerror}", "give the service's user the right to write"
        )
        return
    free = shutil.disk_usage(folder).free
    if free < SPACE:
        yield Finding("data folder", WARNING, f"{free / 1e6:,.0f} MB are free", "make room, or move platform.data_dir")
    else:
        yield Finding("data folder", OK, f"{folder} can be written, {free / 1e9:,.0f} GB are free")


def _database(platform: "Platform") -> Iterator[Finding]:
    platform.database.start()  # reachable, safe role, schema current, every tenant table fenced
    yield Finding("database", OK, f"{platform.database.backend.name}: schema current, tenants fenced")


def _clock(platform: "Platform") -> Iterator[Finding]:
    if platform.database.embedded:
        return
    before = platform.clock.now()
    with _reading(platform) as transaction:
        theirs: datetime = transaction.execute(select(func.clock_timestamp())).scalar_one()
    middle = before + (platform.clock.now() - before) / 2
    skew = (theirs - middle).total_seconds()
    if abs(skew) > SKEW:
        detail = f"the database is {abs(skew):,.1f} s {'ahead of' if skew > 0 else 'behind'} this machine"
        yield Finding("clock", WARNING, detail, "run a time service (chrony, systemd-timesyncd) on both")
    else:
        yield Finding("clock", OK, "this machine and the database agree")


def _services(platform: "Platform") -> Iterator[Finding]:
    for name in platform.components:
        if name != "database":
            yield from _look(name, partial(_service, name), platform)


def _service(name: str, platform: "Platform") -> Iterator[Finding]:
    service = platform.get(name)
    if name == "messaging":
        service = service.broker  # messaging itself asks only after the first use
    if isinstance(service, SupportsHealth):
        health = service.health()
        remedy = "" if health.ok else f"see [{name}] in brickwork.toml: is the server up, and is its URL right?"
        yield Finding(name, OK if health.ok else ERROR, health.detail or "answers", remedy)


def _machines(platform: "Platform") -> Iterator[Finding]:
    if platform.database.embedded:
        return
    for name in _ONE_MACHINE:
        settings: Any = getattr(platform.settings, name, None)
        if name in platform.components and settings.backend == "embedded" and not getattr(settings, "one_machine", None):
            remedy = f'pip install brickwork-redis, and {name}.backend = "redis"'
            yield Finding(
                name, WARNING, "embedded: holds between the processes of one machine only", f"with several machines: {remedy}"
            )


def _keys(platform: "Platform") -> Iterator[Finding]:
    if platform.settings.platform.environment != "production":
        yield Finding(
            "keys", OK, f"environment {platform.settings.platform.environment}: a key file is made where one is missing"
        )
    elif not platform.settings.keyring.keys:
        remedy = "`brickwork keys generate`, and put the key into keyring.keys"
        yield Finding("keys", WARNING, "no key: sensitive fields can be neither written nor read", remedy)
    else:
        yield Finding("keys", OK, "configured")


def _events(platform: "Platform") -> Iterator[Finding]:
    if "messaging" not in platform.components:
        return
    from brickwork.messaging.models import DeadLetterRow, DeliveryRow

    late = platform.clock.now() - PATIENCE
    with _reading(platform) as transaction:
        waits = select(func.min(DeliveryRow.due_at)).where(DeliveryRow.due_at < late)
        oldest: datetime | None = transaction.execute(waits).scalar_one()
        dead: int = transaction.execute(
            select(func.count()).select_from(DeadLetterRow).where(DeadLetterRow.status == "resting")
        ).scalar_one()
    if oldest is not None:
        waited = int((platform.clock.now() - oldest).total_seconds() / 60)
        yield Finding("events", ERROR, f"one has waited for its handler for {waited:,} min", "is a `brickwork worker` running?")
    if dead:
        yield Finding("events", WARNING, f"{dead:,} could not be handled", "`brickwork dead list`, then replay or discard them")
    if oldest is None and not dead:
        yield Finding("events", OK, "none waits long, none is dead")


def _schedules(platform: "Platform") -> Iterator[Finding]:
    if "jobs" not in platform.components:
        return
    from brickwork.jobs.models import ScheduleRow

    with _reading(platform) as transaction:
        due = select(func.count()).select_from(ScheduleRow).where(ScheduleRow.next_at < platform.clock.now() - PATIENCE)
        overdue: int = transaction.execute(due).scalar_one()
    if overdue:
        yield Finding("schedules", ERROR, f"{overdue:,} are overdue", "is a `brickwork worker` or `brickwork serve` running?")
    else:
        yield Finding("schedules", OK, "none is overdue")


def _sealing(platform: "Platform") -> Iterator[Finding]:
    from brickwork.data.models import Base

    entry = Base.metadata.tables["audit_entry"]
    with _reading(platform) as transaction:
        late = select(func.min(entry.c.at)).where(entry.c.seq.is_(None), entry.c.at < platform.clock.now() - PATIENCE)
        oldest: datetime | None = transaction.execute(late).scalar_one()
    if oldest is None:
        yield Finding("audit trail", OK, "sealed up to now")
    else:
        detail = f"entries since {oldest.isoformat(timespec='seconds')} are not sealed"
        yield Finding("audit trail", WARNING, detail, "`brickwork audit seal`; a running `brickwork serve` does it each second")


def _reading(platform: "Platform") -> Any:
    return platform.database.begin(Context(system=True), readonly=True)
