"""Counts of calls over a sliding window."""

from collections import deque

#: Parts of a window; the oldest falls out as a whole.
_PARTS = 10


class Window:
    """How many calls there were in the last `seconds`, and how many of them failed."""

    def __init__(self, seconds: float) -> None:
        self._span = seconds / _PARTS
        self._parts: deque[list[int]] = deque()
        self.total = 0
        self.failed = 0

    def add(self, now: float, *, failed: bool, counted: bool = False) -> None:
        """Count one call at `now` (monotonic seconds), or the failure of one that was `counted` before."""
        part = int(now / self._span)
        if not self._parts or self._parts[-1][0] != part:
            while self._parts and self._parts[0][0] <= part - _PARTS:
                _, total, bad = self._parts.popleft()
                self.total -= total
                self.failed -= bad
            self._parts.append([part, 0, 0])
        self._parts[-1][1] += not counted
        self._parts[-1][2] += failed
        self.total += not counted
        self.failed += failed
