"""`platform.limits.plans`: the plans there are, and which of them a tenant is on."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import attrs
from sqlalchemy import func, select

from brickwork.data.watch import Watch
from brickwork.errors import NotFoundError, PermissionDeniedError, SettingsError, ValidationError
from brickwork.kernel.context import check_tenant
from brickwork.limits.admission import CompiledPlan
from brickwork.limits.models import AssignmentRow
from brickwork.limits.plan import PLANS, Plan
from brickwork.limits.settings import LimitsSettings

if TYPE_CHECKING:
    from brickwork.data import Transaction
    from brickwork.kernel.platform import Platform

log = logging.getLogger("brickwork.limits")
CHANNEL = "brickwork_limits"
_HOLDER = "tenant"


@attrs.frozen
class PlanAssigned:
    """A tenant was put on a plan in the transaction."""

    tenant: str
    plan: str | None


class Plans:
    """Held in memory: a change is in force at once in this process, within a tenth of a second in others."""

    def __init__(self, platform: "Platform", settings: LimitsSettings) -> None:
        self._platform = platform
        declared = [plan for group in platform.plugins.hook.brickwork_plans() for plan in group]
        configured = [Plan(name=name, **dict(terms)) for name, terms in settings.plans.items()]
        known = {plan.name: plan for plan in (*PLANS, *declared, *configured)}
        self._compiled = {name: CompiledPlan(plan) for name, plan in sorted(known.items())}
        self._default = self._named("limits.default_plan", settings.default_plan)
        self._anonymous = self._named("limits.anonymous_plan", settings.anonymous_plan)
        self._watch: Watch[Mapping[str, str]] = Watch(
            platform.database, CHANNEL, refresh=settings.refresh, mark=_mark, load=_load, without=dict
        )
        #: Whether any tenant can be on a plan: with none but the built-in ones there is nothing to look up.
        self._assignable = bool(declared or configured)
        self.close = self._watch.close

    def list(self) -> list[Plan]:
        """Every plan, by its name."""
        return [compiled.plan for compiled in self._compiled.values()]

    def get(self, name: str) -> Plan:
        """A plan; raises `NotFoundError`."""
        found = self._compiled.get(name)
        if found is None:
            raise NotFoundError(f"there is no plan {name[:80]!r}; there are {', '.join(self._compiled)}")
        return found.plan

    def of(self, tenant: str) -> Plan | None:
        """The plan that a tenant is on; None where it is on none, and nothing is limited."""
        compiled = self.compiled(tenant)
        return None if compiled is None else compiled.plan

    def assign(self, tenant: str, plan: str | None) -> None:
        """Put a tenant on a plan, or with None back on the default one. What it has used of quotas that both plans name alike
        stays used.

        Raises `NotFoundError`, and `PermissionDeniedError` where a caller tries it: a tenant doesn't choose its own limits, an
        operator does, or the product's code once it has been paid for.
        """
        check_tenant(tenant)
        if plan is not None and not self._assignable:
            raise ValidationError("no plans are declared; see limits.plans and the hook brickwork_plans", field="plan")
        if plan is not None:
            self.get(plan)
        outer = self._platform.contexts.current
        if outer.access is not None:
            raise PermissionDeniedError("a tenant's plan is changed by an operator, not by a caller of the tenant")
        context = self._platform.context(tenant=tenant, actor=outer.actor, reason=outer.reason or f"plan {plan or 'default'}")
        with context, self._platform.transaction() as transaction:
            row = transaction.session.get(AssignmentRow, (transaction.tenant, _HOLDER))
            if row is None:
                transaction.session.add(AssignmentRow(holder=_HOLDER, plan=plan))
            else:
                row.plan = plan
            transaction.publish(PlanAssigned(tenant, plan))

    def assignments(self) -> dict[str, str]:
        """The tenants that are on a plan of their own, and which."""
        return dict(sorted(self._watch.value.items()))

    # -- for the neighbours in this room -------------------------------------------------------------------------------

    def compiled(self, tenant: str | None) -> CompiledPlan | None:
        """The plan for callers of a tenant, or for those who work in none."""
        if tenant is None:
            return self._anonymous
        if not self._assignable:
            return self._default
        name = self._watch.value.get(tenant)
        return self._default if name is None else self._compiled.get(name, self._default)

    def after_commit(self, transaction: "Transaction") -> None:
        if any(isinstance(event, PlanAssigned) for event in transaction.events):
            self._watch.changed()

    def _named(self, setting: str, name: str | None) -> CompiledPlan | None:
        if name is None:
            return None
        found = self._compiled.get(name)
        if found is None:
            raise SettingsError(f"{setting}: there is no plan {name!r}; there are {', '.join(self._compiled)}", field=setting)
        return found


def _mark(transaction: "Transaction") -> tuple[int, ...]:
    sums = select(func.count(), func.coalesce(func.sum(AssignmentRow.version), 0)).select_from(AssignmentRow)
    return tuple(map(int, transaction.execute(sums).one()))


def _load(transaction: "Transaction") -> dict[str, str]:
    wanted = select(AssignmentRow.tenant_id, AssignmentRow.plan).where(AssignmentRow.plan.is_not(None))
    rows: Any = transaction.execute(wanted)
    return {row.tenant_id: row.plan for row in rows}
