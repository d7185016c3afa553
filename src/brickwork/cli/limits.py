"""`brickwork limits`: plans, who is on which, and what is used."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from brickwork.cli.state import ActorOption, TenantOption, platform_of, working
from brickwork.limits import Quota, RateRule

app = typer.Typer(no_args_is_help=True, help="Rate limits, quotas and plans.")
out = Console()


@app.command()
def plans(context: typer.Context) -> None:
    """The plans there are, and the tenants that were put on one."""
    service = platform_of(context).limits.plans
    table = Table("Plan", "Allows", "Tenants")
    holders: dict[str, list[str]] = {}
    for tenant, plan in service.assignments().items():
        holders.setdefault(plan, []).append(tenant)
    for one in service.list():
        rules = [*map(_rate, one.rates), *map(_quota, one.quotas)]
        tenants = holders.get(one.name, [])
        shown = ", ".join(tenants[:5]) + (f" and {len(tenants) - 5} more" if len(tenants) > 5 else "")
        table.add_row(one.name, "\n".join(rules), shown)
    out.print(table)


@app.command()
def assign(
    context: typer.Context,
    tenant: Annotated[str, typer.Argument(help="The tenant")],
    plan: Annotated[str | None, typer.Argument(help="Its plan; left out, the default one")] = None,
    actor: ActorOption = "cli",
) -> None:
    """Put a tenant on a plan, from now on."""
    platform = platform_of(context)
    with platform.context(actor=actor, reason="brickwork limits assign"):
        platform.limits.plans.assign(tenant, plan)
    out.print(f"{tenant} is on {f'plan {plan}' if plan else 'the default plan'}", highlight=False)


@app.command()
def usage(context: typer.Context, tenant: TenantOption, actor: ActorOption = "cli") -> None:
    """What of its quotas a tenant has used in the present days and months, as it was written down last."""
    table = Table("Quota", "Whose", "In", "Used", "Allowed")
    with working(context, tenant, actor) as platform:
        plan = platform.limits.plans.of(tenant)
        allowed = {quota.name: quota.limit for quota in plan.quotas} if plan else {}
        for use in platform.limits.usage():
            table.add_row(
                use.quota, use.holder, use.window, f"{use.used:,}", f"{allowed[use.quota]:,}" if use.quota in allowed else "-"
            )
    out.print(f"{tenant} is on {f'plan {plan.name}' if plan else 'no plan'}", highlight=False)
    out.print(table)


def _rate(rule: RateRule) -> str:
    return f"{rule.rate} for each {rule.per}{_on(rule.routes)}"


def _quota(quota: Quota) -> str:
    holder = "the tenant" if quota.per == "tenant" else f"each {quota.per}"
    return f"{quota.name}: {quota.limit:,} a {quota.every} for {holder}{_on(quota.routes)}"


def _on(routes: list[str] | None) -> str:
    return f" on {', '.join(routes)}" if routes else ""
