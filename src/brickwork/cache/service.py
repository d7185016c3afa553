"""The cache as a product sees it: `platform.cache`."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar, overload

from brickwork.cache.codec import Codec, codec_of
from brickwork.cache.events import CacheInvalidated
from brickwork.cache.flights import Flights
from brickwork.cache.meters import Meters, RegionMeter, RegionStats
from brickwork.cache.near import Near
from brickwork.cache.port import slot_of
from brickwork.cache.region import ALL, Region
from brickwork.cache.settings import CacheSettings, Strategy
from brickwork.cache.steady import SteadyStore
from brickwork.errors import NotFoundError, UnavailableError
from brickwork.kernel.component import Health
from brickwork.kernel.context import SYSTEM_TENANT

if TYPE_CHECKING:
    from brickwork.data import Transaction
    from brickwork.kernel.platform import Platform

log = logging.getLogger("brickwork.cache")
T = TypeVar("T")
#: Events of a transaction that are searched for a tag on each read inside it.
MOST_EVENTS = 100


class Cache:
    """Regions of values, and their invalidation."""

    def __init__(self, platform: "Platform", settings: CacheSettings) -> None:
        self.settings = settings
        self._platform = platform
        self._database = platform.database
        self._meters = Meters(platform.metrics)
        self.tracing = platform.tracing
        self.store = SteadyStore(platform.backend("cache", settings.backend), self._meters, settings.retry_after)
        self.near = Near(settings.process_entries)
        self.flights: Flights[bytes] = Flights()
        self._strategies = dict(settings.strategies)
        self._regions: dict[tuple[str, Any], Region[Any]] = {}
        self._meter_of: dict[str, RegionMeter] = {}
        self._refreshing: ContextVar[bool] = ContextVar("brickwork_cache_refreshing", default=False)
        self._stop = threading.Event()
        self._warmer: threading.Thread | None = None

    @overload
    def region(self, name: str) -> Region[Any]: ...
    @overload
    def region(self, name: str, kind: type[T]) -> Region[T]: ...
    @overload
    def region(self, name: str, *, codec: Codec[T]) -> Region[T]: ...
    def region(self, name: str, kind: Any = None, *, codec: Codec[Any] | None = None) -> Region[Any]:
        """The region whose strategy is called `name`, for values of type `kind` (anything pydantic knows; plain JSON if it is
        left out). Raises `NotFoundError`."""
        known = self._regions.get((name, codec or kind))
        if known is None:
            strategy = self._strategies.get(name)
            if strategy is None:
                have = ", ".join(sorted(self._strategies))
                raise NotFoundError(f"there is no cache strategy {name!r}; write [cache.strategies.{name}]; there are {have}")
            known = self._regions[(name, codec or kind)] = Region(self, name, strategy, codec or codec_of(kind))
        return known

    def define(self, name: str, strategy: Strategy) -> None:
        """A strategy that a component brings; the settings' one of that name wins."""
        self._strategies.setdefault(name, strategy)

    def invalidate(self, *tags: str) -> None:
        """Forget what was kept with one of `tags`; inside a transaction, when it commits."""
        transaction = self.transaction()
        if transaction is not None and not transaction.readonly:
            transaction.publish(CacheInvalidated(tags))
        else:
            self.store.change([slot_of(self.tenant(), tag) for tag in tags])

    def clear(self, *, everything: bool = False) -> None:
        """Forget all values of the tenant, or of every tenant."""
        self.store.change([0 if everything else slot_of(self.tenant(), ALL)])

    def stats(self) -> dict[str, RegionStats]:
        """The reads of this process by region."""
        return {name: meter.stats() for name, meter in sorted(self._meter_of.items())}

    @property
    def failures(self) -> int:
        """Calls that the backend could not serve, and the cache answered without it."""
        return self._meters.failures

    @property
    def hears_all(self) -> bool:
        """Whether every change, by whatever process, reaches the backend."""
        here = self._database.embedded if self.settings.one_machine is None else self.settings.one_machine
        return self.store.spans_machines or here

    # -- for regions -----------------------------------------------------------------------------------------------------

    def tenant(self) -> str:
        """The tenant of keys and tags; raises `MissingTenantError`."""
        context = self._platform.contexts.current
        return SYSTEM_TENANT if context.system else context.require_tenant()

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._platform.clock.now().timestamp()

    def meter(self, region: str) -> RegionMeter:
        """The counters of a region."""
        return self._meter_of.setdefault(region, self._meters.region(region))

    def transaction(self) -> "Transaction | None":
        """The transaction that the caller is in."""
        return self._database.current

    def touched(self, transaction: "Transaction", tags: Iterable[str]) -> bool:
        """Whether `transaction` has changed one of `tags`, or so much that looking for them costs more than a loader."""
        return len(transaction.events) > MOST_EVENTS or not set(tags).isdisjoint(_changed(transaction))

    def refreshing(self) -> bool:
        """Whether loaders are to run even where there is a value."""
        return self._refreshing.get()

    @contextmanager
    def refresh(self) -> Iterator[None]:
        """A block in which each read loads anew and keeps what it got."""
        token = self._refreshing.set(True)
        try:
            yield
        finally:
            self._refreshing.reset(token)

    # -- life ------------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Warm what the product wants warm, now and every `warm_every` seconds (then in one process only)."""
        if self._platform.plugins.has_hook("brickwork_warm_cache"):
            self._warmer = threading.Thread(target=self._warm, name="cache-warm", daemon=True)
            self._warmer.start()

    def close(self) -> None:
        self._stop.set()
        if self._warmer is not None:
            self._warmer.join()
        self.store.close()

    def health(self) -> Health:
        """A cache without its backend is slower, not broken."""
        try:
            health = self.store.health()
        except UnavailableError as error:
            health = Health(False, error.message)
        return Health(True, health.detail if health.ok else f"does without its backend: {health.detail}")

    def _warm(self) -> None:
        self._run_warmers()
        every = self.settings.warm_every
        while every and not self._stop.wait(every):
            if self.store.lease("warm", every * 0.9):
                with self.refresh():
                    self._run_warmers()

    def _run_warmers(self) -> None:
        began = perf_counter()
        for implementation in self._platform.plugins.hook.brickwork_warm_cache.get_hookimpls():
            try:
                implementation.function(*[self._platform for _ in implementation.argnames])
            except Exception:  # a cold cache is no reason not to serve
                log.exception("%s could not warm the cache", implementation.plugin_name)
        log.info("the cache was warmed in %.1f s", perf_counter() - began)

    # -- the moments of a transaction ------------------------------------------------------------------------------------

    def _before_commit(self, transaction: "Transaction") -> None:
        self.store.announce(_slots(transaction))

    def _after_commit(self, transaction: "Transaction") -> None:
        self.store.change(_slots(transaction))


def _changed(transaction: "Transaction") -> Iterable[str]:
    """The tags that the transaction's events name."""
    for event in transaction.events:
        tell: Callable[[], Iterable[str]] | None = getattr(event, "tags", None)
        if tell is not None:
            yield from tell()


def _slots(transaction: "Transaction") -> list[int]:
    return sorted({slot_of(transaction.tenant, tag) for tag in _changed(transaction)})
