"""`brickwork gateway`: serving a definition, looking into it, exporting it."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from brickwork.cli import gateway_serving
from brickwork.cli.state import platform_of
from brickwork.errors import ValidationError

if TYPE_CHECKING:
    from brickwork.gateway.definition import Route

app = typer.Typer(no_args_is_help=True, help="The door before services.")
exporting = typer.Typer(no_args_is_help=True, help="The definition for other gateways.")
app.add_typer(exporting, name="export")
app.command("serve")(gateway_serving.serve)
app.command("check")(gateway_serving.check)
out = Console()
err = Console(stderr=True)


@app.command()
def routes(context: typer.Context) -> None:
    """Every route, and where it leads."""
    table = Table("Route", "Hosts", "Paths", "Methods", "Headers", "Leads to")
    for route in platform_of(context).gateway.definition.routes:
        headers = ", ".join(f"{name}: {' or '.join(values)}" for name, values in route.headers.items())
        anything = (", ".join(part) or "any" for part in (route.hosts, route.paths, route.methods))
        table.add_row(route.name, *anything, headers, _leads_to(route))
    out.print(table, markup=False)


@app.command()
def instances(context: typer.Context) -> None:
    """Where the instances of each service are, as discovery finds them now."""
    gateway = platform_of(context).gateway
    table = Table("Service", "Source", "Instance", "Weight", "Priority", "Name", "State")
    for service in gateway.definition.services:
        used = gateway.discovery.instances(service.name)
        for source in gateway.discovery.sources(service.name):
            state = "away" if source.stale else "used" if source.instances and source.instances is used else "in reserve"
            for found in source.instances:
                weights = (str(found.weight), str(found.priority))
                table.add_row(service.name, source.kind, found.address, *weights, found.name, state)
            if not source.instances:
                table.add_row(service.name, source.kind, "none", "", "", "", "away" if source.stale else "")
    out.print(table, markup=False)


@exporting.command()
def kong(
    context: typer.Context,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Where to write; left out, it is printed")] = None,
    allow_partial: Annotated[bool, typer.Option(help="Leave out what Kong OSS has not, and say so")] = False,
    issuer: Annotated[str | None, typer.Option(help="The iss of access tokens")] = None,
    public_key: Annotated[Path | None, typer.Option(help="PEM file with the key they are signed with")] = None,
    introspection_url: Annotated[str | None, typer.Option(help="Ask the issuer instead (Kong Enterprise)")] = None,
    today: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day that sunsets are compared with; today by default")
    ] = None,
) -> None:
    """The definition as Kong's declarative configuration (format 3.0). What Kong does differently is told on stderr."""
    from brickwork.gateway.kong import KongOptions, export

    platform = platform_of(context)
    options = KongOptions(
        tokens="jwt" if introspection_url is None else "introspection",
        issuer=issuer,
        public_key=None if public_key is None else _read(public_key),
        introspection_url=introspection_url,
        today=(today or platform.clock.now()).date(),
    )
    made = export(platform.gateway.definition, options, partial=allow_partial)
    for finding in made.findings:
        kind = "left out" if finding.missing else "differs"
        err.print(f"{kind}: {finding}", highlight=False, markup=False, soft_wrap=True)
    if file is None:
        typer.echo(made.yaml, nl=False)
    else:
        file.write_text(made.yaml, encoding="utf-8")


def _leads_to(route: "Route") -> str:
    if route.versions is not None:
        return ", ".join(f"{name}: {version.service}" for name, version in route.versions.versions.items())
    if route.split:
        total = sum(share.weight for share in route.split)
        return ", ".join(f"{share.service} {100 * share.weight / total:g} %" for share in route.split)
    canary = route.canary
    if canary is None:
        return str(route.service)
    return f"{route.service}, canary {canary.service} " + (f"{canary.weight:g} %" if canary.flag is None else f"by {canary.flag}")


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ValidationError(f"{file} can't be read: {told}", field="public_key") from None
