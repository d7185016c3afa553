"""The state of a circuit and the steps between its states (Nygard, "Release It!", 2nd edition, 5.2): closed, open, half-open.

Steps are pure: each gives the next circuit, or None where there is nothing to do.
"""

from enum import StrEnum
from typing import Any

import attrs

from brickwork.errors import UnavailableError, ValidationError


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


def _positive(instance: object, attribute: "attrs.Attribute[Any]", value: float) -> None:
    if value <= 0:
        raise ValidationError(f"a breaker's {attribute.name} is positive, not {value:g}", field=attribute.name)


@attrs.frozen(kw_only=True)
class BreakerRule:
    """When a circuit opens and how it closes again. Times are in seconds."""

    #: So many failures in `window` open it …
    failures: int = attrs.field(default=5, validator=_positive)
    #: … if they are at least this share of all calls in it, so that a busy upstream may have a few.
    failure_ratio: float = attrs.field(default=0.5, validator=_positive)
    window: float = attrs.field(default=10.0, validator=_positive)
    #: How long it stays open.
    open_for: float = attrs.field(default=10.0, validator=_positive)
    #: How many calls then pass as probes; all must succeed.
    probes: int = attrs.field(default=3, validator=_positive)
    #: How long a probe may take before its process is believed to be dead; longer than a request may take.
    probe_timeout: float = attrs.field(default=60.0, validator=_positive)

    def __attrs_post_init__(self) -> None:
        if self.failure_ratio > 1:
            raise ValidationError(f"a breaker's failure_ratio is at most 1, not {self.failure_ratio:g}", field="failure_ratio")


@attrs.frozen
class Circuit:
    """One circuit as every process sees it."""

    state: State
    #: Grows with each change of state, so that what ends late is not taken for a probe of another time.
    period: int = 0
    #: While open: when probes may pass. While half-open: when a probe that was not heard of counts as lost.
    until: float = 0.0
    #: Probes that passed in this period, and those of them that ended well.
    given: int = 0
    good: int = 0

    def tripped(self, now: float, rule: BreakerRule) -> "Circuit | None":
        """Open, where it was closed."""
        return self._opened(now, rule) if self.state is State.CLOSED else None

    def probed(self, now: float, rule: BreakerRule) -> "Circuit | None":
        """With one probe more on its way, where one may pass."""
        if self.state is State.CLOSED:
            return None
        if self.state is State.HALF_OPEN and self.given < rule.probes:
            return attrs.evolve(self, given=self.given + 1, until=now + rule.probe_timeout)
        if now < self.until:
            return None
        return Circuit(State.HALF_OPEN, self._next(now), now + rule.probe_timeout, given=1)

    def settled(self, now: float, rule: BreakerRule, period: int, *, well: bool) -> "Circuit | None":
        """After a probe of `period` has ended."""
        if self.state is not State.HALF_OPEN or self.period != period:
            return None
        if not well:
            return self._opened(now, rule)
        return attrs.evolve(self, good=self.good + 1) if self.good + 1 < rule.probes else CLOSED

    def returned(self, period: int) -> "Circuit | None":
        """After a probe of `period` was given up and tells nothing of the upstream: another may take its turn."""
        if self.state is not State.HALF_OPEN or self.period != period or self.given <= self.good:
            return None
        return attrs.evolve(self, given=self.given - 1)

    def encode(self) -> str:
        """As text; equal circuits have equal texts."""
        return f"{self.state} {self.period} {self.until!r} {self.given} {self.good}"

    @classmethod
    def decode(cls, text: str) -> "Circuit":
        """The circuit that `encode` wrote; raises `UnavailableError` for anything else."""
        try:
            state, period, until, given, good = text.split(" ")
            return cls(State(state), int(period), float(until), int(given), int(good))
        except ValueError:
            raise UnavailableError(f"the store of circuits holds {text[:50]!r}, which is no circuit") from None

    def _opened(self, now: float, rule: BreakerRule) -> "Circuit":
        return Circuit(State.OPEN, self._next(now), now + rule.open_for)

    def _next(self, now: float) -> int:
        """Follows the clock, so that it grows though closed circuits are forgotten."""
        return max(self.period + 1, int(now * 1_000_000))


CLOSED = Circuit(State.CLOSED)
