"""Handlers: functions that want to know of events, and how they want to be called."""

import random
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from brickwork.errors import ValidationError
from brickwork.messaging.event import Event

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

HandlerFunction = Callable[["Platform", Any], None]
F = TypeVar("F", bound=HandlerFunction)
_MARK = "__brickwork_subscriptions__"


@attrs.frozen(kw_only=True)
class Retry:
    """When a failed handler is tried again: after `first` seconds, twice as long each time up to `most`, and dead-lettered
    after `attempts`. Each pause is drawn between half of it and the whole ("equal jitter"), so that failures spread out."""

    attempts: int = attrs.field(default=8, validator=attrs.validators.ge(1))
    first: float = attrs.field(default=1.0, validator=attrs.validators.ge(0))
    most: float = attrs.field(default=3600.0, validator=attrs.validators.ge(0))

    def pause(self, failures: int) -> float:
        """Seconds until the next attempt, after `failures` of them."""
        whole = self.longest(failures)
        return whole / 2 + random.random() * whole / 2

    def longest(self, failures: int) -> float:
        """The most that `pause` gives."""
        return min(self.first * 2.0 ** min(failures - 1, 60), self.most)


@attrs.frozen(kw_only=True)
class Subscription:
    """A handler's wish to be called. `name` identifies it for ever: what waits for it is stored under that name."""

    name: str = attrs.field(validator=attrs.validators.matches_re(r"[A-Za-z0-9_.:-]{1,120}\Z"))
    pattern: str
    function: HandlerFunction
    event: type[Event] | None = None
    queue: str = attrs.field(default="default", validator=attrs.validators.matches_re(r"[a-z][a-z0-9_-]{0,40}\Z"))
    retry: Retry = attrs.field(factory=Retry)
    timeout: float = 60.0
    concurrency: int | None = None
    ordered: bool = False
    transactional: bool = True

    def wants(self, name: str) -> bool:
        """Whether events of that name go to it."""
        return name == self.pattern or ("*" in self.pattern and fnmatchcase(name, self.pattern))


def handles(
    event: type[Event] | str,
    *,
    name: str | None = None,
    queue: str = "default",
    retry: Retry | None = None,
    timeout: float = 60.0,
    concurrency: int | None = None,
    ordered: bool = False,
    transactional: bool = True,
) -> Callable[[F], F]:
    """Makes `function(platform, event)` a handler of an event class, or of a pattern such as "invoice.*".

    It runs in a transaction in which the event is also marked as handled, so what it writes happens exactly once. `timeout`
    is in seconds; `concurrency` bounds how many run at once, over all processes; with `ordered`, events of one key come one
    after the other, a failing one holding back the rest of its key until it succeeds or is dead-lettered. With
    `transactional=False` no transaction is open while it runs (for long calls to other systems), and after a crash it may
    see an event again.
    """
    pattern = event if isinstance(event, str) else event.event_name
    if not pattern:
        raise ValidationError("an event class that is handled needs a name: class Paid(Event, name='order.paid')")
    if timeout <= 0 or (concurrency is not None and concurrency < 1):
        raise ValidationError("timeout takes seconds above 0, concurrency a number from 1")

    def mark(function: F) -> F:
        subscription = Subscription(
            name=name or f"{function.__module__}.{function.__qualname__}".replace("<locals>.", ""),
            pattern=pattern,
            function=function,
            event=None if isinstance(event, str) else event,
            queue=queue,
            retry=retry or Retry(),
            timeout=timeout,
            concurrency=concurrency,
            ordered=ordered,
            transactional=transactional,
        )
        setattr(function, _MARK, (*getattr(function, _MARK, ()), subscription))
        return function

    return mark


def subscriptions_of(source: object) -> Sequence[Subscription]:
    """The subscriptions of a decorated function, or of all those in a module."""
    if marked := getattr(source, _MARK, None):
        return list(marked)
    found = [s for value in vars(source).values() for s in getattr(value, _MARK, ())] if hasattr(source, "__dict__") else []
    if not found:
        raise ValidationError(f"{source!r} is no handler; decorate it with @handles(EventClass)")
    return found
