"""The peers, each prepared as its documentation advises: policies and entities parsed once, before the first question."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.authorize.policy import CONDITIONAL, ROLES, Check, Policy

Decide = Callable[[Check], bool]
_MODEL = """
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act
"""


def by_role(policy: Policy) -> dict[str, Decide]:
    """All three, for questions without a resource."""
    cedar = _cedar(policy)
    return {
        "pycasbin": _casbin(policy, fast=False),
        "pycasbinfast": _casbin(policy, fast=True),
        "cedarpy": lambda check: cedar(check[0], check[1], {}),
    }


def cedar_by_condition(policy: Policy) -> Decide:
    """Cedar alone; the resource comes with the question, as its context."""
    cedar = _cedar(policy)
    return lambda check: cedar(check[0], check[1], check[2] or {})


def _casbin(policy: Policy, *, fast: bool) -> Decide:
    import casbin

    with tempfile.TemporaryDirectory(prefix="brickwork-bench-") as folder:
        model, rules = Path(folder, "model.conf"), Path(folder, "policy.csv")
        model.write_text(_MODEL)
        lines = [f"p, role-{number}, report-{number}, read" for number in range(ROLES)]
        lines += [f"g, {user}, role-{policy.role_of(user)}" for user in policy.users]
        rules.write_text("\n".join(lines))
        if fast:
            enforcer = casbin.FastEnforcer(str(model), str(rules), cache_key_order=[1, 2])
        else:
            enforcer = casbin.Enforcer(str(model), str(rules))
    return lambda check: bool(enforcer.enforce(check[0], f"report-{check[1]}", "read"))


def _cedar(policy: Policy) -> Callable[[str, int, dict[str, Any]], bool]:
    import cedarpy

    def permit(number: int) -> str:
        head = f'permit(principal in Role::"role-{number}", action == Action::"read", resource == Report::"report-{number}")'
        limit = " when { context.owner == principal.name && context.amount < 1000 }" if number in CONDITIONAL else ""
        return f"{head}{limit};"

    policies = cedarpy.PolicySet.from_str("\n".join(permit(number) for number in range(ROLES)))
    entities: list[dict[str, Any]] = [
        {"uid": {"type": "Role", "id": f"role-{number}"}, "attrs": {}, "parents": []} for number in range(ROLES)
    ]
    entities += [
        {
            "uid": {"type": "User", "id": user},
            "attrs": {"name": user},
            "parents": [{"type": "Role", "id": f"role-{policy.role_of(user)}"}],
        }
        for user in policy.users
    ]
    known = cedarpy.Entities.from_json_str(json.dumps(entities))

    def decide(user: str, number: int, context: dict[str, Any]) -> bool:
        request = {
            "principal": {"type": "User", "id": user},
            "action": {"type": "Action", "id": "read"},
            "resource": {"type": "Report", "id": f"report-{number}"},
            "context": context,
        }
        return bool(cedarpy.is_authorized(request, policies, known).allowed)

    return decide
