"""Who is asking: tenant, actor, correlation id, locale and roles, carried in a context variable.

Each platform has its own variable, so two platforms in one process never see each other's tenant. A context variable
follows `await` and `asyncio` tasks by itself; `carry` takes it into threads.
"""

import contextvars
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import attrs

from brickwork.errors import MissingTenantError, ValidationError
from brickwork.kernel.access import Access
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
    """The circumstances of a piece of work. `system` is true inside `Platform.system_context`, which crosses tenants; `access`
    is what the actor may do, or None where the product's own code answers for what is done."""

    tenant: str | None = None
    actor: str = "anonymous"
    correlation_id: str = attrs.field(factory=lambda: str(uuid7()))
    locale: str = "en"
    roles: frozenset[str] = frozenset()
    reason: str | None = None
    system: bool = False
    access: Access | None = attrs.field(default=None, repr=False, eq=False)

    def require_tenant(self) -> str:
        """The tenant; raises `MissingTenantError` if there is none."""
        if self.tenant is None:
            raise MissingTenantError("no tenant in the context; wrap the call in `with platform.context(tenant=..., actor=...)`")
        return self.tenant


#: Set where a line of work may move between threads but never runs in two at once.
_STRAND: contextvars.ContextVar[object] = contextvars.ContextVar("brickwork_strand", default=None)


def strand() -> object:
    """What tells apart lines of work that may run at the same time: the thread, or an iteration that wanders over threads."""
    return _STRAND.get() or threading.get_ident()


def wandering() -> contextvars.Context:
    """A copy of the caller's context in which work may go on in another thread each time, one step after the other."""
    context = contextvars.copy_context()
    context.run(_STRAND.set, object())
    return context


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

    def enter(self, context: Context) -> Context:
        """Make `context` the current one without an end."""
        self._variable.set(context)
        return context

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
        """A context that takes what is not given from the current one (and a new correlation id if there is none). Who names
        another tenant or actor answers for it: that context has no `access`."""
        outer = self.current
        known = None if outer is NO_CONTEXT else outer.correlation_id
        return Context(
            tenant=check_tenant(tenant) if tenant is not None else outer.tenant,
            actor=_check_atom("actor", actor) if actor is not None else outer.actor,
            correlation_id=_check_atom("correlation_id", correlation_id) if correlation_id else known or str(uuid7()),
            locale=locale or outer.locale,
            roles=outer.roles if roles is None else roles,
            reason=reason if reason is not None else outer.reason,
            access=outer.access if tenant is None and actor is None else None,
        )


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, bound to the caller's context, to be run in another thread. A transaction is not carried along."""
    snapshot = contextvars.copy_context()
    snapshot.run(_STRAND.set, None)

    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        return snapshot.copy().run(function, *args, **kwargs)

    return run
