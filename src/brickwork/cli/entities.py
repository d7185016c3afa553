"""`brickwork entities`: types, import, export and duplicates from the command line."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from brickwork.cli.state import ActorOption, TenantOption, working

app = typer.Typer(no_args_is_help=True, help="Entity types and records.")
out = Console()


@app.command()
def types(context: typer.Context, tenant: TenantOption, actor: ActorOption = "cli") -> None:
    """List a tenant's types."""
    with working(context, tenant, actor) as platform:
        table = Table("Type", "Fields", "Relations")
        for definition in platform.entities.types.list():
            table.add_row(definition.name, ", ".join(definition.fields), ", ".join(definition.relations))
    out.print(table)


@app.command()
def apply(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="YAML or JSON file of definitions, or a folder of them")],
    tenant: TenantOption,
    actor: ActorOption = "cli",
    allow_loss: Annotated[bool, typer.Option(help="Drop values that the new definition can't hold")] = False,
    preview: Annotated[bool, typer.Option(help="Only say what would happen")] = False,
) -> None:
    """Put definitions into force for a tenant."""
    from brickwork.entities import load_definitions

    definitions = load_definitions(path)
    with working(context, tenant, actor) as platform:
        for definition in definitions:
            plan = platform.entities.types.preview(definition)
            out.print(plan.describe(), highlight=False, soft_wrap=True)
            if not preview:
                platform.entities.types.apply(definition, allow_loss=allow_loss)
