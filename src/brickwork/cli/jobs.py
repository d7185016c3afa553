"""`brickwork jobs`: runs and schedules."""

import json
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Column, Table

from brickwork.cli.state import ActorOption, TenantOption, json_object, platform_of, working
from brickwork.jobs import RunState

app = typer.Typer(no_args_is_help=True, help="Jobs, their runs and schedules.")
out = Console()


@app.command("list")
def list_jobs(context: typer.Context) -> None:
    """Every job that there is."""
    table = Table("Job", "Queue", "Attempts", "Timeout")
    for name, job in sorted(platform_of(context).jobs.known.items()):
        table.add_row(name, job.queue, str(job.retry.attempts), f"{job.timeout:g} s")
    out.print(table)


@app.command()
def runs(
    context: typer.Context,
    tenant: TenantOption,
    job: Annotated[str | None, typer.Option(help="Those of a job")] = None,
    status: Annotated[str | None, typer.Option(help="waiting, running, done, failed or cancelled")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
) -> None:
    """A tenant's runs, the newest first."""
    table = Table(Column("Id", no_wrap=True, min_width=36), "Job", "Status", "Due", "Attempts", "Progress", "Note or error")
    with working(context, tenant, "cli") as platform:
        for run in platform.jobs.list(job=job, status=status, limit=limit).items:
            due = run.due_at.isoformat(timespec="seconds")
            table.add_row(str(run.id), run.job, run.status, due, str(run.attempts), _progress(run), run.error or run.note or "")
    out.print(table)


@app.command()
def run(
    context: typer.Context,
    tenant: TenantOption,
    job: str,
    arguments: Annotated[str, typer.Argument(help="JSON object")] = "{}",
    delay: Annotated[float | None, typer.Option(help="Seconds from now")] = None,
    actor: ActorOption = "cli",
) -> None:
    """Ask for a run; a worker does it."""
    given = json_object(arguments, "arguments")
    with working(context, tenant, actor) as platform:
        out.print(str(platform.jobs.enqueue(job, given, delay=delay)), highlight=False)


@app.command()
def cancel(context: typer.Context, tenant: TenantOption, id: UUID, actor: ActorOption = "cli") -> None:
    """End a run."""
    with working(context, tenant, actor) as platform:
        state = platform.jobs.cancel(id)
    out.print(f"{state.status}{', asked to stop' if state.status == 'running' else ''}", highlight=False)


@app.command()
def schedules(context: typer.Context, tenant: TenantOption) -> None:
    """A tenant's schedules."""
    table = Table("Name", "Job", "Trigger", "Next", "Misfire")
    with working(context, tenant, "cli") as platform:
        for schedule in platform.jobs.schedules.list():
            trigger = json.dumps(schedule.trigger.model_dump(mode="json", exclude_none=True))
            when = "paused" if schedule.paused else schedule.next_at.isoformat(timespec="seconds") if schedule.next_at else "over"
            table.add_row(schedule.name, schedule.job, trigger, when, schedule.misfire)
    out.print(table)


@app.command()
def pause(context: typer.Context, tenant: TenantOption, name: str, actor: ActorOption = "cli") -> None:
    """Let a schedule rest."""
    with working(context, tenant, actor) as platform:
        platform.jobs.schedules.pause(name)
    out.print(f"{name} rests", highlight=False)


@app.command()
def resume(context: typer.Context, tenant: TenantOption, name: str, actor: ActorOption = "cli") -> None:
    """Let a schedule go on."""
    with working(context, tenant, actor) as platform:
        schedule = platform.jobs.schedules.resume(name)
    out.print(f"{name} goes on at {schedule.next_at}", highlight=False)


def _progress(run: RunState) -> str:
    if run.done is None:
        return ""
    return f"{run.done} of {run.total}" if run.total else str(run.done)
