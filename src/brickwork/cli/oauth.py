"""`brickwork oauth`: clients, keys, and taking tokens back."""

from datetime import timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from brickwork.cli.state import ActorOption, TenantOption, json_object, working

app = typer.Typer(no_args_is_help=True, help="The tenants' OAuth 2 and OpenID Connect provider.")
out = Console()


@app.command()
def client(
    context: typer.Context,
    tenant: TenantOption,
    definition: Annotated[str, typer.Argument(help="JSON with the fields of RFC 7591, or @FILE")],
    id: Annotated[str | None, typer.Option(help="Change this client instead of registering one")] = None,
    actor: ActorOption = "cli",
) -> None:
    """Register an application. Its secret is shown this once."""
    given = json_object(definition, "definition")
    with working(context, tenant, actor) as platform:
        if id is not None:
            platform.oauth.clients.update(id, **given)
            out.print(f"{id} is changed", highlight=False)
            return
        made = platform.oauth.clients.register(str(given.pop("client_name", "")), **given)
    out.print(f"client_id {made.client.client_id}", highlight=False)
    if made.secret is not None:
        out.print(f"client_secret {made.secret}", highlight=False, soft_wrap=True)


@app.command()
def clients(context: typer.Context, tenant: TenantOption, actor: ActorOption = "cli") -> None:
    """The tenant's applications."""
    table = Table("Client", "Name", "Shows who it is by", "Grants", "Scope")
    with working(context, tenant, actor) as platform:
        for one in platform.oauth.clients.list():
            grants = ", ".join(grant.rpartition(":")[2] for grant in one.grant_types)
            table.add_row(one.client_id, one.client_name, one.token_endpoint_auth_method, grants, one.scope)
    out.print(table)


@app.command()
def rotate(
    context: typer.Context,
    tenant: TenantOption,
    client: Annotated[str | None, typer.Option(help="Give this client a new secret, instead of new signing keys")] = None,
    overlap: Annotated[float, typer.Option(min=0, help="Hours for which the client's old secret is good yet")] = 24.0,
    actor: ActorOption = "cli",
) -> None:
    """Sign the tenant's tokens with new keys, or give a client a new secret."""
    with working(context, tenant, actor) as platform:
        if client is None:
            for kid in platform.oauth.keys.rotate():
                out.print(f"signing with {kid}", highlight=False)
            return
        made = platform.oauth.clients.rotate_secret(client, overlap=timedelta(hours=overlap))
    out.print(f"client_secret {made.secret}", highlight=False, soft_wrap=True)


@app.command()
def revoke(
    context: typer.Context,
    tenant: TenantOption,
    subject: Annotated[str, typer.Argument(help="\"user:…\", a grant's id, or with --client a client's id")],
    client: Annotated[bool, typer.Option("--client", help="Remove the client, with all that it was given")] = False,
    actor: ActorOption = "cli",
) -> None:
    """Let tokens count no more: a person's, a grant's, or a client's."""
    with working(context, tenant, actor) as platform:
        if client:
            platform.oauth.clients.remove(subject)
            out.print(f"client {subject} is gone", highlight=False)
        elif subject.startswith("user:"):
            out.print(f"{platform.oauth.grants.revoke_all(subject)} grants revoked", highlight=False)
        else:
            platform.oauth.grants.revoke(subject)
            out.print("1 grant revoked", highlight=False)
