"""Until when a call must be answered, and whether anybody still waits for it.

The deadline goes along with the calls that a call makes. A transaction that would commit after it is rolled back, so that a call
that ran out leaves nothing half done.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic
from typing import Any

import attrs

from brickwork.errors import BrickworkError
from brickwork.kernel.hookspecs import hookimpl


class DeadlineExceededError(BrickworkError):
    """A call was not answered in time. What it changed was rolled back, unless it had been committed before."""

    code = "deadline_exceeded"
    status = 504


class CancelledError(BrickworkError):
    """The caller has given up, so the call was ended."""

    code = "cancelled"
    status = 499


@attrs.frozen
class Deadline:
    """`at` is on the monotonic clock, `active` tells whether the caller still waits."""

    at: float
    active: Callable[[], bool]

    def left(self) -> float:
        """Seconds until then; negative once it is over."""
        return self.at - monotonic()

    def check(self) -> None:
        """Raise `DeadlineExceededError` or `CancelledError` if the answer would come too late."""
        if self.left() <= 0:
            raise DeadlineExceededError("the call was not done before its deadline")
        if not self.active():
            raise CancelledError("the caller doesn't wait any more")


_DEADLINE: ContextVar[Deadline | None] = ContextVar("brickwork_deadline", default=None)


def current() -> Deadline | None:
    """The deadline of the call that is being served here, if one is."""
    return _DEADLINE.get()


@contextmanager
def until(deadline: Deadline) -> Iterator[None]:
    """A block that serves a call."""
    token = _DEADLINE.set(deadline)
    try:
        yield
    finally:
        _DEADLINE.reset(token)


class Commits:
    """A plugin of serving processes: lets no transaction commit for a caller who is gone."""

    @hookimpl
    def brickwork_before_commit(self, platform: Any, transaction: Any) -> None:
        deadline = current()
        if deadline is not None:
            deadline.check()
