"""The commands that are there whatever is installed, and those that components add."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from brickwork import __version__
from brickwork.cli import (
    audit,
    auth,
    cache,
    config,
    db,
    doctor,
    entities,
    flags,
    gateway,
    jobs,
    limits,
    messaging,
    new,
    oauth,
    observe,
    rpc,
    serving,
    storage,
    working,
)
from brickwork.cli.state import State, platform_of
from brickwork.errors import BrickworkError

out = Console()
err = Console(stderr=True)

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Building blocks for vertical products."
)
app.add_typer(db.app, name="db")
app.add_typer(config.app, name="config")
app.add_typer(config.keys, name="keys")
app.add_typer(audit.app, name="audit")
app.add_typer(auth.app, name="auth")
app.add_typer(entities.app, name="entities")
app.add_typer(messaging.events, name="events")
app.add_typer(messaging.app, name="messaging")
app.add_typer(messaging.dead, name="dead")
app.add_typer(jobs.app, name="jobs")
app.add_typer(cache.app, name="cache")
app.add_typer(flags.app, name="flags")
app.add_typer(oauth.app, name="oauth")
app.add_typer(gateway.app, name="gateway")
app.add_typer(limits.app, name="limits")
app.add_typer(observe.app, name="observe")
app.add_typer(rpc.app, name="rpc")
app.add_typer(storage.app, name="storage")
app.add_typer(new.app, name="new")
app.command("doctor")(doctor.doctor)
app.command("serve")(serving.serve)
app.command("worker")(working.worker)


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    settings: Annotated[Path | None, typer.Option("--config", "-c", help="Settings file instead of brickwork.toml")] = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit")] = False,
) -> None:
    """What every command takes."""
    if version:
        out.print(f"brickwork {__version__}", highlight=False)
        raise typer.Exit
    if "" not in sys.path:
        sys.path.insert(0, "")  # the product's modules lie where its settings do
    context.obj = State(settings)


@app.command()
def plugins(context: typer.Context) -> None:
    """List installed plugins, what each brings, and what is broken and why."""
    platform = platform_of(context)
    table = Table("Plugin", "Distribution", "Components", "Backends", "Replaces", "State")
    for report in platform.plugins.reports:
        table.add_row(
            report.name.removeprefix("brickwork.").removesuffix(".component"),
            f"{report.distribution} {report.version}".strip(),
            ", ".join(report.components),
            ", ".join(report.backends),
            ", ".join(report.replaces),
            f"[red]{report.error}[/red]" if report.error else "ok",
        )
    out.print(table)


def run() -> None:
    """Entry point."""
    try:
        app()
    except BrickworkError as error:
        show(error)
        sys.exit(1)


def show(error: BrickworkError) -> None:
    """The error, and each of its problems where there are several."""
    err.print(f"[red]error[/red] ({error.code}): {error.message}", highlight=False, soft_wrap=True)
    for problem in error.problems[:20] if len(error.problems) > 1 else ():
        err.print(f"  {problem.field or '-'}: {problem.message}", highlight=False, soft_wrap=True)
