"""`brickwork flags`: definitions, the kill switch, overrides."""

import json
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from brickwork.cli.state import ActorOption, TenantOption, json_object, platform_of, working
from brickwork.flags import Rollout

app = typer.Typer(no_args_is_help=True, help="Feature flags.")
out = Console()


@app.command("list")
def list_flags(context: typer.Context) -> None:
    """Every flag."""
    table = Table("Flag", "Kind", "State", "Serves", "Rules", "What for")
    for flag in platform_of(context).flags.list():
        state = "on" if flag.enabled else "[red]killed[/red]"
        table.add_row(flag.key, flag.kind, state, flag.default, str(len(flag.rules)), flag.description)
    out.print(table)


@app.command()
def show(context: typer.Context, key: str) -> None:
    """A flag as JSON, as `define` takes it."""
    typer.echo(json.dumps(platform_of(context).flags.get(key).model_dump(mode="json", exclude_defaults=True), indent=2))


@app.command()
def define(
    context: typer.Context,
    definition: Annotated[str, typer.Argument(help="JSON, or @FILE")],
    actor: ActorOption = "cli",
) -> None:
    """Store a flag for all tenants, in place of the one that had its key."""
    given = json_object(definition, "definition")
    platform = platform_of(context)
    with platform.system_context(reason="brickwork flags define", actor=actor):
        flag = platform.flags.define(given)
    out.print(f"{flag.key} is defined", highlight=False)


@app.command()
def kill(context: typer.Context, key: str, actor: ActorOption = "cli") -> None:
    """Serve a flag's `off` variant to everybody, from now on and whatever the rules say."""
    _switch(context, key, actor, on=False)


@app.command()
def restore(context: typer.Context, key: str, actor: ActorOption = "cli") -> None:
    """Let a killed flag's rules decide again."""
    _switch(context, key, actor, on=True)


@app.command()
def roll(
    context: typer.Context,
    key: str,
    percent: Annotated[float, typer.Argument(min=0, max=100)],
    by: Annotated[str, typer.Option(help='"key" (the actor), "tenant" or an attribute')] = "key",
    actor: ActorOption = "cli",
) -> None:
    """Serve a boolean flag's "on" to a share of all, in place of its rules."""
    platform = platform_of(context)
    with platform.system_context(reason="brickwork flags roll", actor=actor):
        share = round(percent * 1000)
        rule = {"serve": Rollout(weights={"on": share, "off": 100_000 - share}, by=by).model_dump()}
        platform.flags.define({**platform.flags.get(key).model_dump(), "rules": [rule]})
    out.print(f"{key} is on for {percent:g} %", highlight=False)


@app.command()
def override(
    context: typer.Context,
    tenant: TenantOption,
    key: str,
    variant: str,
    reason: Annotated[str, typer.Option(help="Why, for the audit trail")],
    until: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%dT%H:%M:%S%z"], help="2026-12-31T00:00:00+0000")] = None,
    actor: ActorOption = "cli",
) -> None:
    """Serve a variant to a tenant, whatever the rules say."""
    with working(context, tenant, actor) as platform:
        platform.flags.override(key, variant, reason=reason, until=until)
    out.print(f"{tenant} is served {variant}", highlight=False)


@app.command()
def revoke(context: typer.Context, tenant: TenantOption, key: str, actor: ActorOption = "cli") -> None:
    """End a tenant's override."""
    with working(context, tenant, actor) as platform:
        platform.flags.revoke(key)
    out.print(f"{tenant} is served what the rules say", highlight=False)


@app.command()
def evaluate(
    context: typer.Context,
    tenant: TenantOption,
    key: str,
    attributes: Annotated[str, typer.Argument(help="JSON object")] = "{}",
    actor: ActorOption = "cli",
) -> None:
    """What a flag comes to for a tenant and actor, and why."""
    given = json_object(attributes, "attributes")
    with working(context, tenant, actor) as platform:
        flag = platform.flags.get(key)
        found = platform.flags.evaluate(key, flag.variants[flag.off], given)
    out.print(f"{found.variant}: {json.dumps(found.value)} ({found.reason})", highlight=False, markup=False)


def _switch(context: typer.Context, key: str, actor: str, *, on: bool) -> None:
    platform = platform_of(context)
    with platform.system_context(reason=f"brickwork flags {'restore' if on else 'kill'}", actor=actor):
        platform.flags.switch(key, on=on)
    out.print(f"{key} is {'decided by its rules' if on else 'off for everybody'}", highlight=False)
