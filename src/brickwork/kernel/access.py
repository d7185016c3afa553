"""What a caller may do, as services ask for it.

A context carries an `Access` once the platform has authenticated who asks; services hold every call against it. Without one
the caller is the product's own code (a script, a handler, a job), which answers for itself.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import attrs

#: Gives those of the named relations in which the caller stands to the resource, in one query.
Relations = Callable[[frozenset[str]], frozenset[str]]


@attrs.frozen
class Fields:
    """The fields of a resource that may be seen or set; None admits all, `barred` are taken away from either."""

    admitted: frozenset[str] | None = None
    barred: frozenset[str] = frozenset()

    def admits(self, name: str) -> bool:
        """Whether the field is among them."""
        return name not in self.barred and (self.admitted is None or name in self.admitted)

    @property
    def everything(self) -> bool:
        return self.admitted is None and not self.barred

    def only(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What of `values` is admitted."""
        return {name: value for name, value in values.items() if self.admits(name)}


ALL_FIELDS = Fields()


class Access(Protocol):
    """The permissions of one caller in one tenant.

    A permission is a name like "entities.patient.read". `resource` are the values that conditions may ask for, and
    `relations` tells how the caller stands to it. It is asked before a change, and of what was `written` after it.
    """

    def holds(self, permission: str) -> bool:
        """Whether there is any resource for which it would be allowed."""
        ...

    def allows(
        self, permission: str, resource: Mapping[str, Any] | None = None, relations: Relations | None = None, *,
        written: bool = False,
    ) -> bool:  # fmt: skip
        """Whether it is allowed for the resource."""
        ...

    def require(
        self, permission: str, resource: Mapping[str, Any] | None = None, relations: Relations | None = None, *,
        written: bool = False,
    ) -> None:  # fmt: skip
        """Raise `PermissionDeniedError` unless it is allowed."""
        ...

    def everywhere(self, permission: str) -> bool:
        """Whether it is allowed for every resource, all fields included, so that nothing needs to be asked of each."""
        ...

    def rows(self, permission: str) -> Mapping[str, Any] | None:
        """The filter that leaves the resources for which it is allowed; None where those are all. It may hold the keys
        `$owner`, `$team`, `$shared` and `$linked`, for relations."""
        ...

    def fields(self, permission: str, resource: Mapping[str, Any] | None = None, relations: Relations | None = None) -> Fields:
        """The fields that may be seen or set, on this resource, for which it must be allowed, or where None is given on every
        one."""
        ...
