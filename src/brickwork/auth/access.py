"""The decision: what one subject may do in one tenant, compiled once and asked millions of times."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

import attrs

from brickwork.auth.condition import ALL as EVERY
from brickwork.auth.condition import NOTHING, Condition, Filter
from brickwork.auth.policy import covers
from brickwork.errors import PermissionDeniedError
from brickwork.kernel.access import ALL_FIELDS, Fields, Relations
from brickwork.kernel.expressions import Ready

#: Permissions of a subject whose plans are kept; names come from outside, so there must be an end.
MOST_PLANS = 4096
#: Different scopes of a subject's keys for which that is kept.
MOST_NARROWED = 64
_NONE: Mapping[str, Any] = {}


@attrs.frozen
class Rule:
    """A grant made ready. `role` and `number` say where it was written."""

    role: str
    number: int
    allows: bool
    patterns: tuple[str, ...]
    condition: Condition | None
    after: Condition | None
    related: frozenset[str]
    fields: frozenset[str] | None

    @property
    def plain(self) -> bool:
        """Whether it holds for every resource."""
        return self.condition is None and self.after is None and not self.related

    def describe(self) -> str:
        effect = "allows" if self.allows else "denies"
        limits = [f"when {self.condition.source}"] if self.condition else []
        limits += [f"then {self.after.source}"] if self.after else []
        limits += [f"to {' or '.join(sorted(self.related))}"] if self.related else []
        limits += [f"for {', '.join(sorted(self.fields))} only"] if self.fields is not None else []
        return f"role {self.role}, grant {self.number}, {effect} {', '.join(self.patterns)} {' '.join(limits)}".strip()


@attrs.frozen
class Subject:
    """Who asks: "user:…" or "service:…", with what conditions and relations may want to know."""

    id: str
    roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = attrs.field(factory=dict)
    person: str | None = None

    @property
    def names(self) -> list[str]:
        """Under which something may be shared with it."""
        return [self.id, *(f"group:{name}" for name in self.groups)]


@attrs.define
class Plan:
    """The rules that speak of one permission. `settled` is the answer where it needs no resource, `uniform` are the fields where
    they are the same for every resource that is allowed."""

    denials: list[Rule]
    allowances: list[Rule]
    settled: bool | None
    uniform: Fields | None = None


@attrs.frozen
class Verdict:
    """Why something was allowed or denied, in sentences."""

    allowed: bool
    permission: str
    because: str
    considered: list[str]


class SubjectAccess:
    """`brickwork.kernel.access.Access` of a subject with these rules. `scopes` narrow them, as a key's do."""

    def __init__(
        self, tenant: str, subject: Subject, rules: Sequence[Rule], now: Callable[[], datetime],
        scopes: Sequence[str] | None = None,
    ) -> None:  # fmt: skip
        self.subject = subject
        self._tenant = tenant
        self._rules = rules
        self._now = now
        self.scopes = scopes
        self._plans: dict[str, Plan] = {}
        self._narrowed: dict[tuple[str, ...], SubjectAccess] = {}

    # -- asking --------------------------------------------------------------------------------------------------------

    def holds(self, permission: str) -> bool:
        plan = self._plans.get(permission) or self._plan(permission)
        return bool(plan.allowances) if plan.settled is None else plan.settled

    def allows(
        self, permission: str, resource: Mapping[str, Any] | None = None, relations: Relations | None = None, *,
        written: bool = False,
    ) -> bool:  # fmt: skip
        plan = self._plans.get(permission) or self._plan(permission)
        if plan.settled is not None:
            return plan.settled
        case = _Case(self, resource, relations, plan, written=written)
        return not any(case.bars(rule) for rule in plan.denials) and any(case.admits(rule) for rule in plan.allowances)

    def require(
        self, permission: str, resource: Mapping[str, Any] | None = None, relations: Relations | None = None, *,
        written: bool = False,
    ) -> None:  # fmt: skip
        if not self.allows(permission, resource, relations, written=written):
            raise denied(self.subject.id, permission)

    def everywhere(self, permission: str) -> bool:
        plan = self._plans.get(permission) or self._plan(permission)
        return plan.settled is True and self.fields(permission) is ALL_FIELDS

    def rows(self, permission: str) -> Mapping[str, Any] | None:
        plan = self._plans.get(permission) or self._plan(permission)
        if plan.settled is not None:
            return None if plan.settled else NOTHING
        values = self._values(_NONE)
        denials = [rule for rule in plan.denials if rule.fields is None]
        parts: list[Filter] = [] if _whole(plan.allowances) else [
            {"or": [_filter(rule, values, holds=True) for rule in plan.allowances]}
        ]  # fmt: skip
        return {"and": [*parts, *(_filter(rule, values, holds=False) for rule in denials)]}

    def always(self, permission: str) -> bool:
        """Whether it is allowed for every resource, if not for all fields."""
        plan = self._plans.get(permission) or self._plan(permission)
        return plan.settled is True

    def uniform(self, permission: str) -> Fields | None:
        """The fields of each resource that is allowed, where they don't depend on which it is; else None."""
        plan = self._plans.get(permission) or self._plan(permission)
        return plan.uniform

    def fields(self, permission: str, resource: Mapping[str, Any] | None = None, relations: Relations | None = None) -> Fields:
        plan = self._plans.get(permission) or self._plan(permission)
        if plan.uniform is not None:
            return plan.uniform
        case = _Case(self, resource, relations, plan) if resource is not None else None
        allowances = [rule for rule in plan.allowances if case is None or case.admits(rule)]
        denials = [rule for rule in plan.denials if rule.fields is not None and (case is None or case.bars(rule))]
        barred = frozenset[str]().union(*(rule.fields or () for rule in denials))
        sets = [rule.fields for rule in allowances]
        if case is None:  # on every resource: what each of the grants admits
            named = [fields for fields in sets if fields is not None]
            admitted = frozenset.intersection(*named) if named else None
        else:
            admitted = None if None in sets else frozenset[str]().union(*(fields or () for fields in sets))
        return Fields(admitted, barred) if admitted is not None or barred else ALL_FIELDS

    def explain(self, permission: str, resource: Mapping[str, Any] | None = None, relations: Relations | None = None) -> Verdict:
        """The decision, the rule that made it, and every rule that was looked at."""
        plan = self._plan(permission)
        case = _Case(self, resource, relations, plan)
        told = [f"{rule.describe()}: {case.tell(rule)}" for rule in (*plan.denials, *plan.allowances)]
        if self.scopes is not None and not any(covers(scope, permission) for scope in self.scopes):
            return Verdict(False, permission, f"the key's scopes ({', '.join(self.scopes)}) leave it out", told)
        for rule in plan.denials:
            if rule.fields is None and case.bars(rule):
                return Verdict(False, permission, f"{rule.describe()}: {case.tell(rule)}", told)
        for rule in plan.allowances:
            if case.admits(rule):
                return Verdict(True, permission, f"{rule.describe()}: {case.tell(rule)}", told)
        roles = ", ".join(self.subject.roles) or "none"
        reason = "no allowing grant applies" if plan.allowances else f"none of the roles of {self.subject.id} ({roles}) grants it"
        return Verdict(False, permission, reason, told)

    def contains(self, pattern: str) -> bool:
        """Whether everything that `pattern` stands for is allowed, whatever the resource, so that it may be given away."""
        if self.scopes is not None and not any(covers(scope, pattern) for scope in self.scopes):
            return False
        whole = [rule for rule in self._rules if rule.allows and rule.plain and rule.fields is None]
        denied = [p for rule in self._rules if not rule.allows for p in rule.patterns]
        if any(covers(p, pattern) or covers(pattern, p) for p in denied):
            return False
        return any(covers(p, pattern) for rule in whole for p in rule.patterns)

    def narrowed(self, scopes: Sequence[str]) -> "SubjectAccess":
        """The same within scopes: what both admit. It is kept, since a key asks for it at every call."""
        found = self._narrowed.get(tuple(scopes))
        if found is None:
            found = SubjectAccess(self._tenant, self.subject, self._rules, self._now, scopes)
            if len(self._narrowed) >= MOST_NARROWED:
                self._narrowed.clear()
            self._narrowed[tuple(scopes)] = found
        return found

    # -- inside --------------------------------------------------------------------------------------------------------

    def _plan(self, permission: str) -> Plan:
        spoken = [rule for rule in self._rules if any(covers(pattern, permission) for pattern in rule.patterns)]
        if self.scopes is not None and not any(covers(scope, permission) for scope in self.scopes):
            plan = Plan([], [], False)
        else:
            plan = Plan([r for r in spoken if not r.allows], [r for r in spoken if r.allows], None)
            plan.settled = _settled(plan)
            plan.uniform = _uniform(plan)
        if len(self._plans) >= MOST_PLANS:
            self._plans.clear()
        self._plans[permission] = plan
        return plan

    @cached_property
    def _actor(self) -> Ready:
        subject = self.subject
        return Ready(
            {
                "id": subject.id,
                "roles": list(subject.roles),
                "groups": list(subject.groups),
                "attributes": dict(subject.attributes),
                "person": subject.person,
            }
        )

    def _values(self, resource: Mapping[str, Any]) -> dict[str, Any]:
        return {"actor": self._actor, "resource": resource, "context": {"tenant": self._tenant, "now": self._now()}}


class _Case:
    """One question: relations are asked for once, and only where a rule wants them."""

    def __init__(
        self, access: SubjectAccess, resource: Mapping[str, Any] | None, relations: Relations | None, plan: Plan, *,
        written: bool = False,
    ) -> None:  # fmt: skip
        self._values = access._values(resource or _NONE)
        self._relations = relations
        self._plan = plan
        self._written = written
        self._related: frozenset[str] | None = None

    def admits(self, rule: Rule) -> bool:
        """Whether an allowance applies: what can't be told doesn't."""
        if (condition := self._condition(rule)) is not None and condition.test(self._values) is not True:
            return False
        return not rule.related or bool(rule.related & self._known())

    def bars(self, rule: Rule) -> bool:
        """Whether a denial applies: what can't be told does."""
        if (condition := self._condition(rule)) is not None and condition.test(self._values) is False:
            return False
        return not rule.related or self._relations is None or bool(rule.related & self._known())

    def tell(self, rule: Rule) -> str:
        """How the rule came out."""
        if rule.condition is not None:
            found = rule.condition.test(self._values)
            if found is not True:
                return "its condition does not hold" if found is False else "its condition can't be told of this resource"
        if rule.related and not rule.related & self._known():
            return f"the subject is not its {' or '.join(sorted(rule.related))}"
        return "applies"

    def _condition(self, rule: Rule) -> Condition | None:
        return rule.after if self._written and rule.after is not None else rule.condition

    def _known(self) -> frozenset[str]:
        if self._related is None:
            wanted = frozenset[str]().union(*(rule.related for rule in (*self._plan.denials, *self._plan.allowances)))
            self._related = self._relations(wanted) if self._relations is not None else frozenset()
        return self._related


def denied(subject: str, permission: str) -> PermissionDeniedError:
    """The error; `brickwork auth explain` says more, to those who may know."""
    return PermissionDeniedError(f"{subject} may not {permission}", permission=permission)


def _settled(plan: Plan) -> bool | None:
    if not plan.allowances or any(rule.plain and rule.fields is None for rule in plan.denials):
        return False
    plan.denials = sorted(plan.denials, key=lambda rule: bool(rule.related))
    plan.allowances = sorted(plan.allowances, key=lambda rule: (not rule.plain, bool(rule.related)))
    if all(rule.fields is not None for rule in plan.denials) and plan.allowances[0].plain:
        return True
    return None


def _uniform(plan: Plan) -> Fields | None:
    """What every allowance admits alike, without what is denied whatever the resource."""
    masks = [rule for rule in plan.denials if rule.fields is not None]
    sets = {rule.fields for rule in plan.allowances}
    if len(sets) != 1 or not all(rule.plain for rule in masks):
        return None
    admitted = sets.pop()
    barred = frozenset[str]().union(*(rule.fields or () for rule in masks))
    return Fields(admitted, barred) if admitted is not None or barred else ALL_FIELDS


def _whole(allowances: Iterable[Rule]) -> bool:
    return any(rule.plain for rule in allowances)


def _filter(rule: Rule, values: Mapping[str, Any], *, holds: bool) -> Filter:
    """What leaves the resources to which the rule applies, or surely doesn't."""
    condition = rule.condition.filter(values, holds=holds) if rule.condition is not None else EVERY if holds else NOTHING
    if not rule.related:
        return condition
    related: Filter = {"or": [{f"${name.partition('.')[0]}": name} for name in sorted(rule.related)]}
    return {"and": [condition, related]} if holds else {"or": [condition, {"not": related}]}
