"""The mark on methods of a service that other processes may call; `brickwork.rpc` serves them."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import attrs

F = TypeVar("F", bound=Callable[..., Any])
_MARK = "__brickwork_exposed__"


@attrs.frozen
class Exposed:
    """How a method is exposed. `hidden` are parameters that callers can't give."""

    permission: str
    hidden: frozenset[str] = frozenset()


def exposed(permission: str, *, hidden: Sequence[str] = ()) -> Callable[[F], F]:
    """Exposes a method to callers that hold `permission`, such as "entities.{type}.read" with names of parameters, or that are
    `brickwork.web.endpoint`'s PUBLIC or SIGNED_IN. The method checks the particular resource itself, whoever calls it."""

    def mark(function: F) -> F:
        setattr(function, _MARK, Exposed(permission, frozenset(hidden)))
        return function

    return mark


def mark_of(function: object) -> Exposed | None:
    """The mark of a method, if it has one."""
    return getattr(function, _MARK, None)
