"""`brickwork db`: the schema and the roles."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from brickwork.cli.state import platform_of

app = typer.Typer(no_args_is_help=True, help="The database's schema and roles.")
out = Console()


@app.command()
def upgrade(context: typer.Context) -> None:
    """Bring the schema to what the installed components need."""
    platform = platform_of(context)
    platform.migrate()
    out.print("the schema is current")


@app.command()
def current(context: typer.Context) -> None:
    """Show each component's revision, and whether it is behind."""
    from brickwork.data import schema

    platform = platform_of(context)
    behind = schema.pending(platform.database)
    table = Table("Component", "Revision", "State")
    for name, revision in schema.current(platform.database).items():
        table.add_row(name, revision or "-", "[yellow]behind[/yellow]" if name in behind else "current")
    out.print(table)


@app.command()
def check(context: typer.Context) -> None:
    """Fail if models and schema differ, a tenant table has no fence, or the role could get around it."""
    from brickwork.data import schema

    platform = platform_of(context)
    platform.database.start()
    differences = schema.check(platform.database)
    for line in differences:
        out.print(line, highlight=False)
    if differences:
        raise typer.Exit(1)
    out.print("models and schema agree, every tenant table is fenced, the role is safe")


@app.command()
def revision(
    context: typer.Context,
    component: Annotated[str, typer.Argument(help="Component whose models changed")],
    message: Annotated[str, typer.Option("--message", "-m", help="What changes")],
) -> None:
    """Write a migration from what differs between a component's models and the database (for its authors)."""
    from brickwork.data import schema
    from brickwork.errors import PluginError

    platform = platform_of(context)
    if component not in platform.components:
        raise PluginError(f"no component {component!r}; there are {', '.join(platform.components)}")
    out.print(f"wrote {schema.revision(platform.database, platform.components[component], message).name}")


@app.command()
def roles(
    context: typer.Context,
    admin_url: Annotated[str, typer.Option("--admin-url", envvar="BRICKWORK_ADMIN_URL", help="URL of a PostgreSQL superuser")],
    owner: Annotated[str | None, typer.Option(help="Name of the role that owns the tables")] = None,
    app_role: Annotated[str | None, typer.Option("--app", help="Name of the role that serves")] = None,
) -> None:
    """Create PostgreSQL's two roles and print the settings to use. The passwords are shown once."""
    from brickwork.data.roles import create_roles

    made = create_roles(admin_url, owner=owner, app=app_role)
    out.print("[database]", highlight=False, markup=False)
    out.print(f'url = "{made.url}"', highlight=False, soft_wrap=True)
    out.print(f'owner_url = "{made.owner_url}"', highlight=False, soft_wrap=True)
