"""brickwork's side: the roles are the tenant's, the users service accounts, the questions go to `platform.auth`."""

from pathlib import Path
from typing import Any

from benchmarks.authorize.policy import CONDITIONAL, ROLES, Check, Policy
from benchmarks.harness import say


class Brickwork:
    """A platform with the policy."""

    def __init__(self, folder: Path, policy: Policy) -> None:
        from brickwork import Platform

        self._platform = Platform(
            ["auth"], settings={"database": {"url": f"sqlite:///{folder / 'authorize.db'}"}, "platform": {"data_dir": folder}},
            discover=False,
        )  # fmt: skip
        self._platform.migrate()
        self._platform.enter(tenant="north", actor="setup")
        say("storing 1,000 roles and 10,000 who have one")
        auth = self._platform.auth
        with self._platform.transaction():
            for number in range(ROLES):
                auth.roles.define_permission(f"reports.report-{number}.read")
                auth.roles.define({"name": f"role-{number}", "grants": [_grant(number)]})
        with self._platform.transaction():
            for user in policy.users:
                auth.services.create(user, roles=[f"role-{policy.role_of(user)}"])

    def __enter__(self) -> "Brickwork":
        return self

    def __exit__(self, *_: object) -> None:
        self._platform.close()

    def by_role(self, check: Check) -> bool:
        """One question."""
        return self._platform.auth.allows(f"reports.report-{check[1]}.read", subject=f"service:{check[0]}")

    def by_condition(self, check: Check) -> bool:
        """One question about a resource."""
        return self._platform.auth.allows(f"reports.report-{check[1]}.read", check[2], subject=f"service:{check[0]}")


def _grant(number: int) -> dict[str, Any]:
    grant: dict[str, Any] = {"allow": [f"reports.report-{number}.read"]}
    if number in CONDITIONAL:
        grant["when"] = "'service:' + resource.owner == actor.id && resource.amount < 1000"
    return grant
