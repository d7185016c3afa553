"""Locks as a product sees them: `platform.locks`.

A lock that lapses while its holder pauses (garbage collection, a suspended machine) can be held by two who both believe in it;
so each holder has a fencing token, which whatever is protected can compare with the last it saw (Kleppmann, "How to do
distributed locking", 2016).
"""

import logging
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import TYPE_CHECKING
from uuid import uuid4

import attrs

from brickwork.errors import ConflictError, UnavailableError, ValidationError
from brickwork.kernel.component import Health
from brickwork.kernel.context import SYSTEM_TENANT
from brickwork.locks.port import LockStore
from brickwork.locks.settings import LocksSettings

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

log = logging.getLogger("brickwork.locks")
#: Seconds between two looks at a lock that another holds, at first and at most.
FIRST_PAUSE, LAST_PAUSE = 0.002, 0.1


class LockTimeoutError(ConflictError):
    """A lock or a semaphore's permit did not come free in time."""

    code = "locked"


class LockLostError(ConflictError):
    """A lock lapsed while its holder still worked: the store was away, or the process stood still, for too long."""

    code = "lock_lost"


@attrs.define(eq=False)
class Held:
    """A lock in force. `token` is larger than that of every earlier holder: hand it to what the lock protects, and let that
    refuse a smaller one than it has seen."""

    name: str
    token: int
    _holder: str
    _ttl: float
    _until: float

    @property
    def lost(self) -> bool:
        """Whether it may have lapsed, as far as this process knows."""
        return monotonic() >= self._until

    def check(self) -> None:
        """Raise `LockLostError` if it may have lapsed. Ask before each step that must not be done twice."""
        if self.lost:
            raise LockLostError(f"lock {self.name!r} lapsed while it was held", token=self.token)


class Locks:
    """Locks and semaphores by name; names belong to the context's tenant, or to the system where there is none."""

    def __init__(self, platform: "Platform", settings: LocksSettings) -> None:
        self._platform = platform
        self._settings = settings
        self.store: LockStore = platform.backend("locks", settings.backend)
        self._held: set[Held] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._pause = 0.0
        self._keeper: threading.Thread | None = None

    @contextmanager
    def lock(self, name: str, *, wait: float | None = None, ttl: float | None = None) -> Iterator[Held]:
        """Hold the lock `name` in a block; raises `LockTimeoutError` if it doesn't come free within `wait` seconds (by default
        the setting; 0 doesn't wait). It is renewed while the block runs, and lapses `ttl` seconds after the process dies. It is
        not reentrant: a block that asks for its own lock waits for itself."""
        with self.semaphore(name, 1, wait=wait, ttl=ttl) as held:
            yield held

    @contextmanager
    def semaphore(self, name: str, permits: int, *, wait: float | None = None, ttl: float | None = None) -> Iterator[Held]:
        """Hold one of `permits` permits on `name` in a block. Otherwise as `lock`."""
        if permits < 1:
            raise ValidationError(f"a semaphore has at least one permit, not {permits}", field="permits")
        held = self._take(name, permits, self._settings.wait if wait is None else wait, ttl or self._settings.ttl)
        try:
            yield held
        finally:
            self._free(held)

    def is_held(self, name: str) -> bool:
        """Whether somebody holds a permit on `name` just now."""
        return self.store.held(self._scoped(name)) > 0

    def close(self) -> None:
        self._stop.set()
        self._wake.set()
        keeper = self._keeper
        if keeper is not None:
            keeper.join()
        self.store.close()

    def health(self) -> Health:
        return self.store.health()

    # -- inside ----------------------------------------------------------------------------------------------------------

    def _take(self, name: str, permits: int, wait: float, ttl: float) -> Held:
        scoped, holder = self._scoped(name), str(uuid4())
        deadline, pause = monotonic() + wait, FIRST_PAUSE
        while True:
            asked = monotonic()
            token = self.store.take(scoped, holder, permits, ttl)
            if token is not None:
                held = Held(scoped, token, holder, ttl, asked + ttl)
                self._keep(held)
                return held
            left = deadline - monotonic()
            if left <= 0:
                raise LockTimeoutError(f"{name!r} is held by others; it did not come free within {wait:g} s", name=name)
            sleep(min(left, pause * random.uniform(0.5, 1.5)))
            pause = min(pause * 1.5, LAST_PAUSE)

    def _free(self, held: Held) -> None:
        with self._lock:
            self._held.discard(held)
        try:
            self.store.free(held.name, held._holder)
        except UnavailableError as error:
            log.warning("lock %s could not be given back, it lapses by itself: %s", held.name, error.message)

    def _scoped(self, name: str) -> str:
        if not (0 < len(name) <= 200 and name.isprintable()):
            raise ValidationError("a lock's name takes 1 to 200 printable characters", field="name")
        return f"{self._platform.contexts.current.tenant or SYSTEM_TENANT}:{name}"

    def _keep(self, held: Held) -> None:
        """See that it is renewed in time."""
        with self._lock:
            self._held.add(held)
            if self._keeper is None:
                self._keeper = threading.Thread(target=self._renew, name="locks", daemon=True)
                self._keeper.start()
            elif held._ttl / 6 < self._pause:
                self._wake.set()

    def _renew(self) -> None:
        """Runs for as long as something is held, and looks six times in the shortest time to live."""
        while True:
            with self._lock:
                if not self._held or self._stop.is_set():
                    self._keeper = None
                    return
                self._pause = min(held._ttl for held in self._held) / 6
                due = [held for held in self._held if held._until - monotonic() < held._ttl * 2 / 3]
            for held in due:
                self._renew_one(held)
            self._wake.wait(self._pause)
            self._wake.clear()

    def _renew_one(self, held: Held) -> None:
        asked = monotonic()
        try:
            if self.store.renew(held.name, held._holder, held._ttl):
                held._until = asked + held._ttl
            elif held in self._held:  # and not given back just now
                held._until = 0.0
                log.warning("lock %s lapsed while it was held", held.name)
        except UnavailableError as error:
            log.warning("lock %s could not be renewed: %s", held.name, error.message)
        except Exception:
            log.exception("lock %s could not be renewed", held.name)
