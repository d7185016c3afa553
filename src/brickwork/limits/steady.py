"""A store that goes on without its backend: while that is away, each process counts for itself."""

import logging
import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import TypeVar

from prometheus_client import Counter

from brickwork.errors import UnavailableError
from brickwork.kernel.component import Health
from brickwork.limits.backends.memory import MemoryLimits
from brickwork.limits.port import Count, LimitStore, Pace, Taken

log = logging.getLogger("brickwork.limits")
T = TypeVar("T")


class SteadyStore:
    """See the module. A backend that failed is left alone for `retry_after` seconds, then one caller tries it again. Without
    `alone`, what needs the backend raises `UnavailableError` meanwhile."""

    def __init__(self, store: LimitStore, degraded: Counter, retry_after: float, *, alone: bool) -> None:
        self._store = store
        self._degraded = degraded
        self._retry_after = retry_after
        self._away_until = 0.0
        self._lock = threading.Lock()
        self._alone = alone
        self._memory = MemoryLimits()

    def advance(self, key: str, step: float, most: float) -> tuple[bool, float]:
        return self._try(lambda store: store.advance(key, step, most))

    def take(self, paces: Sequence[Pace], counts: Sequence[Count]) -> Taken:
        return self._try(lambda store: store.take(paces, counts))

    def reset(self, key: str) -> None:
        self._memory.reset(key)
        self._try(lambda store: store.reset(key))

    def health(self) -> Health:
        return self._store.health()

    def close(self) -> None:
        self._store.close()

    def _try(self, ask: Callable[[LimitStore], T]) -> T:
        if not self._away_until or self._is_due():
            try:
                found = ask(self._store)
            except UnavailableError as error:
                if not self._away_until:
                    then = "each process counts for itself" if self._alone else "nothing is counted"
                    log.warning("the backend of limits is away, %s: %s", then, error.message)
                self._away_until = monotonic() + self._retry_after
            else:
                if self._away_until:
                    log.warning("the backend of limits is back")
                    self._away_until = 0.0
                    self._memory = MemoryLimits()  # what it counted is out of date when it is needed next
                return found
        self._degraded.inc()
        if not self._alone:
            raise UnavailableError("the backend of limits is away")
        return ask(self._memory)

    def _is_due(self) -> bool:
        """Whether this caller is the one to look whether the backend is back."""
        with self._lock:
            due = monotonic() >= self._away_until
            if due:
                self._away_until = monotonic() + self._retry_after
            return due
