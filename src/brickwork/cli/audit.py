"""`brickwork audit`: reading, sealing and verifying the trail."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from brickwork.cli.state import ActorOption, TenantOption, platform_of, working

app = typer.Typer(no_args_is_help=True, help="The audit trail.")
out = Console()


@app.command()
def seal(context: typer.Context) -> None:
    """Chain every entry that is not chained yet, of all tenants."""
    out.print(f"sealed {platform_of(context).audit.seal()} entries")


@app.command()
def verify(
    context: typer.Context,
    tenant: TenantOption,
    head: Annotated[
        str | None, typer.Option(help="Head printed by an earlier run; proves that no newer entries are gone")
    ] = None,
) -> None:
    """Walk a tenant's chain; fails naming each entry that was changed, removed or moved."""
    with working(context, tenant, "cli") as platform:
        result = platform.audit.verify(head=head)
    for problem in result.problems:
        out.print(f"[red]{problem}[/red]", highlight=False)
    out.print(f"{result.entries} sealed entries, {result.unsealed} not sealed yet")
    out.print(f"head {result.head}", highlight=False, soft_wrap=True)
    if not result.ok:
        raise typer.Exit(1)


@app.command("list")
def list_(
    context: typer.Context,
    tenant: TenantOption,
    actor: ActorOption = "cli",
    entity: Annotated[str | None, typer.Option(help="Table, such as entity_record")] = None,
    record: Annotated[str | None, typer.Option(help="Id of a record")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 20,
) -> None:
    """Show a tenant's newest entries."""
    with working(context, tenant, actor) as platform:
        page = platform.audit.entries(entity=entity, record_id=record, limit=limit)
    table = Table("At", "Actor", "Action", "Entity", "Record", "Changed", "Reason")
    for entry in page.items:
        changed = ", ".join(entry.changes)
        when = entry.at.isoformat(" ", "milliseconds")
        table.add_row(when, entry.actor, entry.action, entry.entity, entry.record_id, changed, entry.reason or "")
    out.print(table)
