"""`brickwork auth`: the first users and keys, roles, and why somebody may do something or not."""

import json
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.console import Console
from rich.table import Table

from brickwork.auth import Verdict
from brickwork.cli.state import ActorOption, TenantOption, json_object, working
from brickwork.entities.record import EntityRef
from brickwork.errors import NotFoundError, ValidationError

app = typer.Typer(no_args_is_help=True, help="Users, keys, roles and permissions.")
out = Console()

RolesOption = Annotated[list[str], typer.Option("--role", "-r", help="Role to give; may be repeated")]


@app.command()
def user(
    context: typer.Context,
    tenant: TenantOption,
    email: str,
    name: Annotated[str, typer.Option(help="The person's name")] = "",
    role: RolesOption = [],  # noqa: B006
    password: Annotated[str | None, typer.Option(envvar="BRICKWORK_PASSWORD", help="Asked for if left out")] = None,
    actor: ActorOption = "cli",
) -> None:
    """Make a person a member of the tenant, with an account if there is none yet."""
    with working(context, tenant, actor) as platform:
        known = platform.auth.users.find(email)
        if known is None:
            secret = password or typer.prompt("Password", hide_input=True, confirmation_prompt=True)
            known = platform.auth.users.create(email, name or email.partition("@")[0], password=secret, verified=True)
        platform.auth.members.add(known, roles=role)
    out.print(f"{known.actor} is a member of {tenant}", highlight=False)


@app.command()
def key(
    context: typer.Context,
    tenant: TenantOption,
    service: Annotated[str, typer.Argument(help="Service account; made if it is missing")],
    role: RolesOption = [],  # noqa: B006
    scope: Annotated[list[str], typer.Option(help='What the key may do at most, as "entities.*.read"; may be repeated')] = [],  # noqa: B006
    actor: ActorOption = "cli",
) -> None:
    """Print a new API key of a service account. It is shown this once."""
    with working(context, tenant, actor) as platform:
        subject = f"service:{service}"
        if subject not in platform.auth.services.list():
            platform.auth.services.create(service)
        for name in role:
            platform.auth.roles.assign(name, subject)
        made = platform.auth.keys.create(subject, "command line", scopes=scope or None)
    typer.echo(made.token)


@app.command()
def roles(context: typer.Context, tenant: TenantOption, actor: ActorOption = "cli") -> None:
    """The tenant's roles and who has them."""
    with working(context, tenant, actor) as platform:
        holders: dict[str, list[str]] = {}
        for one in platform.auth.roles.assignments():
            holders.setdefault(one.role, []).append(one.subject)
        table = Table("Role", "Title", "Inherits", "Grants", "Held by")
        for role in platform.auth.roles.list():
            held = holders.get(role.name, [])
            shown = ", ".join(held[:3]) + (f" and {len(held) - 3} more" if len(held) > 3 else "")
            table.add_row(role.name, role.title, ", ".join(role.inherits), str(len(role.grants)), shown)
    out.print(table)


@app.command()
def define(
    context: typer.Context,
    tenant: TenantOption,
    file: Annotated[Path, typer.Argument(help="YAML or JSON: a role, or a list of roles")],
    actor: ActorOption = "cli",
) -> None:
    """Put roles into force, all or none."""
    try:
        given = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ValidationError(f"{file} can't be read: {error}", field="file") from None
    documents = given if isinstance(given, list) else [given]
    if not all(isinstance(document, dict) for document in documents):
        raise ValidationError(f"{file} holds no role, nor a list of roles", field="file")
    with working(context, tenant, actor) as platform, platform.transaction():
        for document in documents:
            out.print(f"{platform.auth.roles.define(document).name} is in force", highlight=False)


@app.command()
def assign(context: typer.Context, tenant: TenantOption, role: str, subject: str, actor: ActorOption = "cli") -> None:
    """Give a role to user:ID, service:NAME or group:NAME."""
    with working(context, tenant, actor) as platform:
        platform.auth.roles.assign(role, subject)
    out.print(f"{subject} has {role}", highlight=False)


@app.command()
def withdraw(context: typer.Context, tenant: TenantOption, role: str, subject: str, actor: ActorOption = "cli") -> None:
    """Take a role away."""
    with working(context, tenant, actor) as platform:
        platform.auth.roles.withdraw(role, subject)
    out.print(f"{subject} has {role} no more", highlight=False)


@app.command()
def explain(
    context: typer.Context,
    tenant: TenantOption,
    subject: Annotated[str, typer.Argument(help="user:ID, service:NAME, or a member's e-mail address")],
    permission: str,
    record: Annotated[str | None, typer.Option(help="A stored record, as patient:0192…")] = None,
    resource: Annotated[str, typer.Option(help="Values of a resource, as a JSON object or @FILE")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="For a program")] = False,
    actor: ActorOption = "cli",
) -> None:
    """Say whether somebody may do something, and which rule decides. Ends with 1 where it is denied."""
    with working(context, tenant, actor) as platform:
        if "@" in subject:
            found = platform.auth.users.find(subject)
            if found is None:
                raise NotFoundError(f"there is no user with the address {subject[:100]}")
            subject = found.actor
        if record is not None:
            ref = EntityRef.parse(record)
            verdict = platform.entities.explain(subject, permission.rpartition(".")[2], ref.type, ref.id)
        else:
            verdict = platform.auth.explain(subject, permission, json_object(resource, "resource") if resource else None)
    _show(subject, verdict, as_json)
    if not verdict.allowed:
        raise typer.Exit(1)


def _show(subject: str, verdict: Verdict, as_json: bool) -> None:
    if as_json:
        told = {"allowed": verdict.allowed, "permission": verdict.permission, "because": verdict.because}
        typer.echo(json.dumps({"subject": subject, **told, "considered": verdict.considered}, indent=2))
        return
    answer = "[green]may[/green]" if verdict.allowed else "[red]may not[/red]"
    out.print(f"{subject} {answer} {verdict.permission}", highlight=False)
    out.print(f"because {verdict.because}", highlight=False, markup=False, soft_wrap=True)
    for line in verdict.considered:
        out.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)
