"""`brickwork cache`: forgetting what is kept."""

from typing import Annotated

import typer
from rich.console import Console

from brickwork.cli.state import platform_of
from brickwork.errors import ValidationError

app = typer.Typer(no_args_is_help=True, help="The cache.")
out = Console()


@app.callback()
def group() -> None:
    """The cache."""


@app.command()
def clear(
    context: typer.Context,
    tenant: Annotated[str | None, typer.Option("--tenant", "-t", envvar="BRICKWORK_TENANT", help="Of this tenant")] = None,
    region: Annotated[str | None, typer.Option(help="Only this strategy's values")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Of every tenant")] = False,
) -> None:
    """Forget a tenant's values, those of one strategy, or everybody's."""
    platform = platform_of(context)
    named = getattr(context.get_parameter_source("tenant"), "name", "") == "COMMANDLINE"
    if (everything and (named or region)) or not (everything or tenant):
        raise ValidationError("say either --tenant, with or without --region, or --all")
    if everything:
        platform.cache.clear(everything=True)
    else:
        with platform.context(tenant=tenant, actor="cli"):
            platform.cache.region(region).clear() if region else platform.cache.clear()
    out.print(f"forgotten: {'everything' if everything else tenant}", highlight=False)
