"""Limits in this process's memory alone: what decides while the store that all processes share is away."""

import threading
from collections.abc import Sequence
from time import monotonic

from brickwork.kernel.component import Health
from brickwork.limits.decide import decide
from brickwork.limits.port import Count, Pace, Taken

#: One in so many calls removes what no longer counts.
_SWEEP = 1000


class MemoryLimits:
    """See the module."""

    def __init__(self) -> None:
        self._even: dict[str, float] = {}
        self._used: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()
        self._calls = 0

    def advance(self, key: str, step: float, most: float) -> tuple[bool, float]:
        taken = self.take([Pace(key, step, most)], [])
        return taken.all, taken.ahead[0]

    def take(self, paces: Sequence[Pace], counts: Sequence[Count]) -> Taken:
        with self._lock:
            now = monotonic()
            self._sweep(now)
            ahead = [max(self._even.get(pace.key, 0.0) - now, 0.0) for pace in paces]
            used = [self._known(count, now) for count in counts]
            taken = decide(paces, counts, ahead, used)
            if taken.all:
                for pace, further in zip(paces, taken.ahead, strict=True):
                    self._even[pace.key] = now + further
                for count, total in zip(counts, taken.used, strict=True):
                    if count.cost:
                        self._used[count.key] = (total or 0, now + count.ttl)
            return taken

    def reset(self, key: str) -> None:
        with self._lock:
            self._even.pop(key, None)

    def health(self) -> Health:
        return Health(True, "memory")

    def close(self) -> None:
        """There is nothing to let go of."""

    def _known(self, count: Count, now: float) -> int | None:
        used, until = self._used.get(count.key, (0, 0.0))
        return used if until > now else count.floor

    def _sweep(self, now: float) -> None:
        self._calls += 1
        if self._calls % _SWEEP == 0:
            self._even = {key: even for key, even in self._even.items() if even > now}
            self._used = {key: kept for key, kept in self._used.items() if kept[1] > now}
