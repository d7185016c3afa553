"""Who is asking: tenant, actor, correlation id, locale and roles, carried in a context variable.

Each platform has its own variable, so two platforms in one process never see each other's tenant. A context variable
follows `await` and `asyncio` tasks by itself; `carry` takes it into threads.
"""

import contextvars
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import attrs

from brickwork.errors import MissingTenantError, ValidationError
from brickwork.kernel.ids import uuid7

P = ParamSpec("P")
R = TypeVar("R")

_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_ATOM = re.compile(r"[^\x00-\x1f\x7f]{1,200}\Z")

#: The tenant under which deeds of the system itself are audited. It can't be a product's tenant.
SYSTEM_TENANT = "*"


def check_tenant(tenant: str) -> str:
    """`tenant`, if it may name one: 1 to 64 letters, digits, dots, underscores and hyphens, the first a letter or digit."""
    if not _TENANT.match(tenant):
        raise ValidationError(
            f"tenant {tenant[:80]!r} is not a valid name; it takes 1 to 64 of A-Z a-z 0-9 . _ - and begins with a "
            "letter or digit",
            field="tenant",
        )
    return tenant


def _check_atom(name: str, value: str) -> str:
    if not _ATOM.match(value):
        raise ValidationError(f"{name} takes 1 to 200 characters without control characters", field=name)
    return value


@attrs.frozen
class Context:
    """The circumstances of a piece of work. `system` is true inside `Platform.system_context`, which crosses tenants."""

    tenant: str | None = None
    actor: str = "anonymous"
    correlation_id: str = attrs.field(factory=lambda: str(uuid7()))
    locale: str = "en"
    roles: frozenset[str] = frozenset()
    reason: str | None = None
    system: bool = False

    def require_tenant(self) -> str:
        """The tenant; raises `MissingTenantError` if there is none."""
        if self.tenant is None:
            raise MissingTenantError(
                "no tenant in the context; wrap the call in `with platform.context(tenant=..., actor=...)`"
            )
        return self.tenant


NO_CONTEXT = Context(correlation_id="none")


class ContextStack:
    """The current context of one platform."""

    def __init__(self) -> None:
        self._variable: contextvars.ContextVar[Context] = contextvars.ContextVar("brickwork_context", default=NO_CONTEXT)

    @property
    def current(self) -> Context:
        return self._variable.get()

    @contextmanager
    def use(self, context: Context) -> Iterator[Context]:
        token = self._variable.set(context)
        try:
            yield context
        finally:
            self._variable.reset(token)

    def derive(
        self,
        *,
        tenant: str | None = None,
        actor: str | None = None,
        correlation_id: str | None = None,
        locale: str | None = None,
        roles: frozenset[str] | None = None,
        reason: str | None = None,
    ) -> Context:
        """A context that takes what is not given from the current one (and a new correlation id if there is none)."""
        outer = self.current
        known = None if outer is NO_CONTEXT else outer.correlation_id
        return Context(
            tenant=check_tenant(tenant) if tenant is not None else outer.tenant,
            actor=_check_atom("actor", actor) if actor is not None else outer.actor,
            correlation_id=_check_atom("correlation_id", correlation_id) if correlation_id else known or str(uuid7()),
            locale=locale or outer.locale,
            roles=outer.roles if roles is None else roles,
            reason=reason if reason is not None else outer.reason,
        )


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, bound to the caller's context, to be run in another thread."""
    snapshot = contextvars.copy_context()

    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        return snapshot.copy().run(function, *args, **kwargs)

    return run
