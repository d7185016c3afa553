"""The clock is a dependency, so that tests can hold it still."""

from datetime import UTC, datetime
from time import monotonic
from typing import Protocol


class Clock(Protocol):
    """Tells the time. Every component asks the platform's clock and never the operating system's."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...


class SystemClock:
    """The operating system's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class Watch:
    """Notices that a clock was set back, by the time that passed meanwhile on one that can't be set. What is stored under the
    later time would otherwise wait until the clock has caught up."""

    #: Seconds by which a clock may fall behind from one look to the next, as when it is slewed.
    tolerance = 2.0

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lead = self._measure()

    def set_back(self) -> bool:
        """Whether the clock was set back since the last look."""
        before, self._lead = self._lead, self._measure()
        return self._lead < before - self.tolerance

    def _measure(self) -> float:
        return self._clock.now().timestamp() - monotonic()
