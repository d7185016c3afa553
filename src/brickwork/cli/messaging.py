"""`brickwork events`, `brickwork messaging` and `brickwork dead`."""

import json
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Column, Table

from brickwork.cli.state import ActorOption, TenantOption, platform_of, working
from brickwork.errors import ValidationError

events = typer.Typer(no_args_is_help=True, help="The catalogue of events.")
app = typer.Typer(no_args_is_help=True, help="The broker and what waits.")
dead = typer.Typer(no_args_is_help=True, help="Events that no handler could handle.")
out = Console()

Ids = Annotated[list[UUID] | None, typer.Argument(help="Ids; or use --handler or --event")]
HandlerOption = Annotated[str | None, typer.Option("--handler", help="Those of a handler")]
EventOption = Annotated[str | None, typer.Option("--event", help="Those of an event, by its name")]


@events.command("list")
def list_events(context: typer.Context) -> None:
    """Every event, with who handles it."""
    catalogue = platform_of(context).messaging.catalogue
    table = Table("Event", "Version", "Key", "Handlers", "What")
    for name, event in sorted(catalogue.events.items()):
        handlers = ", ".join(subscription.name for subscription in catalogue.wanting(name))
        what = (event.__doc__ or "").strip().partition("\n")[0]
        table.add_row(name, str(event.event_version), event.event_key or "", handlers, what)
    out.print(table)


@events.command()
def show(context: typer.Context, name: str) -> None:
    """The JSON Schema of an event's data."""
    out.print_json(json.dumps(platform_of(context).messaging.catalogue.event(name).model_json_schema()))


@events.command()
def asyncapi(
    context: typer.Context, file: Annotated[Path | None, typer.Option(help="Write it here instead of printing")] = None
) -> None:
    """The AsyncAPI 3 document of all events and handlers."""
    text = json.dumps(platform_of(context).messaging.catalogue.asyncapi(), indent=2)
    if file is None:
        out.print_json(text)
    else:
        file.write_text(text + "\n", encoding="utf-8")


@app.command()
def setup(context: typer.Context) -> None:
    """Declare what the broker needs. Can be repeated."""
    messaging = platform_of(context).messaging
    for line in messaging.broker.setup(messaging.queues()) or ["nothing to declare: events wait in the database"]:
        out.print(line, highlight=False)


@app.command()
def status(context: typer.Context) -> None:
    """What waits for each handler, and whether the broker answers."""
    messaging = platform_of(context).messaging
    waiting = messaging.backlog()
    table = Table("Handler", "Handles", "Queue", "Waiting")
    for name, subscription in sorted(messaging.catalogue.subscriptions.items()):
        table.add_row(name, subscription.pattern, subscription.queue, str(waiting.pop(name, 0)))
    for name, count in sorted(waiting.items()):
        table.add_row(f"[yellow]{name}[/yellow]", "(not installed here)", "", str(count))
    out.print(table)
    messaging.broker.setup([])
    health = messaging.broker.health()
    out.print(f"broker: {health.detail}")
    if not health.ok:
        raise typer.Exit(1)


@dead.command("list")
def list_dead(
    context: typer.Context,
    tenant: TenantOption,
    handler: HandlerOption = None,
    event: EventOption = None,
    status: Annotated[str, typer.Option(help="resting, replayed or discarded")] = "resting",
    limit: Annotated[int, typer.Option(min=1, max=500)] = 20,
) -> None:
    """The oldest dead letters."""
    with working(context, tenant, "cli") as platform:
        page = platform.messaging.dead.list(subscription=handler, event=event, status=status, limit=limit)
    table = Table(Column("Id", no_wrap=True, min_width=36), "Handler", "Event", "Died", "Error")
    for letter in page.items:
        died = letter.died_at.isoformat(" ", "seconds")
        table.add_row(str(letter.id), letter.subscription, letter.event_name, died, letter.error)
    out.print(table)


@dead.command("show")
def show_dead(context: typer.Context, tenant: TenantOption, id: UUID) -> None:
    """A dead letter with its history and tracebacks."""
    with working(context, tenant, "cli") as platform:
        out.print_json(platform.messaging.dead.get(id).model_dump_json())


@dead.command()
def edit(context: typer.Context, tenant: TenantOption, id: UUID, file: Path, actor: ActorOption = "cli") -> None:
    """Replace the event's data by the JSON object in FILE."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValidationError(f"{file} can't be read as JSON: {error}", field="file") from None
    if not isinstance(data, dict):
        raise ValidationError(f"{file} holds no JSON object", field="file")
    with working(context, tenant, actor) as platform:
        platform.messaging.dead.edit(id, data)


@dead.command()
def replay(
    context: typer.Context,
    tenant: TenantOption,
    ids: Ids = None,
    handler: HandlerOption = None,
    event: EventOption = None,
    actor: ActorOption = "cli",
) -> None:
    """Owe dead letters to their handlers again."""
    with working(context, tenant, actor) as platform:
        count = platform.messaging.dead.replay(ids or None, subscription=handler, event=event)
    out.print(f"{count} replayed")


@dead.command()
def discard(
    context: typer.Context,
    tenant: TenantOption,
    reason: Annotated[str, typer.Option(help="Why, for the audit trail")],
    ids: Ids = None,
    handler: HandlerOption = None,
    event: EventOption = None,
    actor: ActorOption = "cli",
) -> None:
    """Give dead letters up."""
    with working(context, tenant, actor) as platform:
        count = platform.messaging.dead.discard(ids or None, reason=reason, subscription=handler, event=event)
    out.print(f"{count} discarded")
