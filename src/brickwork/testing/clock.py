"""A clock that stands still until a test moves it."""

import threading
from datetime import UTC, datetime, timedelta

#: Where a new `FrozenClock` stands: a Monday morning.
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


class FrozenClock:
    """A `brickwork.kernel.clock.Clock` under a test's control; safe to read from several threads."""

    def __init__(self, now: datetime = START) -> None:
        if now.tzinfo is None:
            raise ValueError("a frozen clock needs an aware datetime")
        self._now = now.astimezone(UTC)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The moment the clock stands at, in UTC."""
        return self._now

    def advance(self, by: timedelta | None = None, **parts: float) -> datetime:
        """Move forward by a timedelta or by its parts (`advance(minutes=5)`), and return the new moment."""
        step = (by or timedelta()) + timedelta(**parts)
        if step < timedelta():
            raise ValueError("time does not go back; `jump` does what somebody does who sets the clock")
        with self._lock:
            self._now += step
        return self._now

    def jump(self, **parts: float) -> datetime:
        """Set the clock forward or back, as an administrator or a time server does (`jump(hours=-1)`)."""
        with self._lock:
            self._now += timedelta(**parts)
        return self._now
