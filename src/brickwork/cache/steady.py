"""A store that never fails: where the real one does, the cache goes on without it, counts that, and makes up later for the
changes it couldn't tell."""

import logging
import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import TypeVar

from brickwork.cache.meters import Meters
from brickwork.cache.port import CacheStore, Look, Versions
from brickwork.errors import UnavailableError
from brickwork.kernel.component import Health

log = logging.getLogger("brickwork.cache")
T = TypeVar("T")
#: Changes that are kept for a store that is away; beyond that, everything is forgotten when it is back.
MOST_OWED = 10_000


class SteadyStore:
    """See the module. A failed store is left alone for `retry_after` seconds."""

    def __init__(self, store: CacheStore, meters: Meters, retry_after: float) -> None:
        self._store = store
        self._meters = meters
        self._retry_after = retry_after
        self._away_until = 0.0
        self._owed: set[int] = set()
        self._lock = threading.Lock()
        #: Grows with each change that this process made: what tells versions apart while the store can't.
        self.changes = 0

    @property
    def spans_machines(self) -> bool:
        return self._store.spans_machines

    @property
    def strict_memory(self) -> bool:
        return self._store.strict_memory

    def look(self, key: str, slots: Sequence[int]) -> Look | None:
        """None while the store is away."""
        return self._try(lambda: self._store.look(key, slots), None)

    def keep(self, key: str, entry: bytes, seconds: float) -> None:
        self._try(lambda: self._store.keep(key, entry, seconds), None)

    def lease(self, key: str, seconds: float) -> str | None:
        """While the store is away everybody may load."""
        everybody: str | None = ""
        return self._try(lambda: self._store.lease(key, seconds), everybody)

    def release(self, key: str, lease: str) -> None:
        if lease:
            self._try(lambda: self._store.release(key, lease), None)

    def announce(self, slots: Sequence[int]) -> None:
        self.changes += 1
        self._try(lambda: self._store.announce(slots), None)

    def change(self, slots: Sequence[int]) -> None:
        self.changes += 1
        with self._lock:
            self._owed.update(slots if len(self._owed) < MOST_OWED else (0,))
        self._try(lambda: None, None)

    def remembered(self, slots: Sequence[int]) -> Versions | None:
        return None if self._owed else self._store.remembered(slots)

    def health(self) -> Health:
        return self._store.health()

    def close(self) -> None:
        self._store.close()

    def _try(self, function: Callable[[], T], otherwise: T) -> T:
        if self._away_until and monotonic() < self._away_until:
            self._meters.failed()
            return otherwise
        try:
            if self._owed:
                self._pay()
            result = function()
        except UnavailableError as error:
            if not self._away_until:
                log.warning("the cache does without its backend: %s", error.message)
            self._away_until = monotonic() + self._retry_after
            self._meters.failed()
            return otherwise
        if self._away_until:
            log.warning("the cache's backend is back")
            self._away_until = 0.0
        return result

    def _pay(self) -> None:
        """Tell the changes that are owed, before anything is read."""
        with self._lock:
            owed, self._owed = self._owed, set()
        try:
            self._store.change(sorted(owed))
        except BaseException:
            with self._lock:
                self._owed |= owed
            raise
