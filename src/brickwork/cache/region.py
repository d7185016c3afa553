"""A region of the cache: values of one kind, kept as its strategy says."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from hashlib import blake2b
from time import monotonic, perf_counter, sleep
from typing import TYPE_CHECKING, Generic, TypeVar, cast

import attrs

from brickwork.cache.codec import Codec, TypedCodec
from brickwork.cache.entry import Entry
from brickwork.cache.port import CHANGING, Versions, slot_of
from brickwork.cache.settings import Strategy
from brickwork.errors import UnsupportedError

if TYPE_CHECKING:
    from brickwork.cache.meters import RegionStats
    from brickwork.cache.service import Cache

T = TypeVar("T")
#: What stands for "there is none" among payloads.
NOTHING = b""
#: Every entry depends on these: its tenant's whole cache, its region, itself.
ALL, REGION, OWN = "*", "@{}", "={}:{}"
#: Characters of a key beyond which its hash stands for it.
LONGEST = 250


@attrs.frozen
class Place:
    """Where a value is kept, and what it depends on."""

    key: str
    slots: tuple[int, ...]


@attrs.frozen
class Found:
    """What the tiers know of a place: the versions of its tags before anything is loaded, and an entry that still counts."""

    memory: Versions | None
    shared: Versions | None
    entry: Entry | None


class Region(Generic[T]):
    """Made by `cache.region(name)`. Keys and tags belong to the context's tenant."""

    def __init__(self, cache: "Cache", name: str, strategy: Strategy, codec: Codec[T]) -> None:
        self.name = name
        self.strategy = strategy
        self._cache = cache
        self._store = cache.store
        self._codec = codec
        self._immutable = isinstance(codec, TypedCodec) and codec.immutable
        self._meter = cache.meter(name)
        #: A promise that can't be kept is not made: with other machines' changes unheard, a strict value is the loader's.
        self._aside = strategy.strict and not cache.hears_all
        self._in_memory, self._in_store = _tiers(name, strategy, strict_memory=cache.store.strict_memory)

    def get_or_load(self, key: str, loader: Callable[[], T | None], *, tags: Sequence[str] = ()) -> T | None:
        """The cached value, or what `loader` gives, which is kept.

        The value counts until its time is over or one of `tags` changes: a tag is the name of an event ("price.changed"),
        with or without the event's key ("price.changed:retail"), or what `cache.invalidate` names. One caller loads at a
        time; the others wait, or get the stale value where the strategy allows. Inside a transaction that has changed one
        of the tags, the cache stands aside; so does a strict strategy where the backend does not hear of every change.
        """
        transaction = self._cache.transaction()
        if self._aside or (transaction is not None and self._cache.touched(transaction, tags)):
            self._meter.bypass()
            return loader()
        place = self._place(key, tags)
        found = self._ask(place) if self._cache.refreshing() else self._find(place)
        kept: T | None = None
        if found.entry is not None:
            try:
                kept = self._read(found.entry)
            except ValueError:  # of another release, whose type was another
                self.delete(key)
                found = self._ask(place)
        if found.entry is not None and self._cache.now() < found.entry.fresh_until:
            return kept
        if transaction is not None:  # what it sees may be older than the present, or not committed
            self._meter.miss()
            return loader()
        flight = (place.key, found.shared or found.memory, self._store.changes)
        if found.entry is not None and self._cache.flights.running(flight):
            self._meter.stale()
            return kept
        return self._value(self._cache.flights.run(flight, lambda: self._load(place, found, loader)))

    def get(self, key: str, *, tags: Sequence[str] = ()) -> T | None:
        """The cached value if it is fresh, else None. `tags` are those it was kept with."""
        found = self._find(self._place(key, tags))
        if found.entry is None or self._cache.now() >= found.entry.fresh_until:
            self._meter.miss()
            return None
        with suppress(ValueError):
            return self._read(found.entry)
        return None

    def set(self, key: str, value: T, *, tags: Sequence[str] = (), ttl: float | None = None) -> None:
        """Keep a value that comes from no loader, such as a session; the last writer wins. It must not depend on data of a
        transaction that may yet roll back."""
        place = self._place(key, tags)
        self._keep(place, self._ask(place), self._codec.dump(value), ttl or self.strategy.ttl)

    def delete(self, *keys: str) -> None:
        """Forget values; a loader that is under way doesn't bring them back."""
        tenant = self._cache.tenant()
        self._store.change([slot_of(tenant, OWN.format(self.name, key)) for key in keys])

    def clear(self) -> None:
        """Forget all of the tenant's values in this region."""
        self._store.change([slot_of(self._cache.tenant(), REGION.format(self.name))])

    def stats(self) -> "RegionStats":
        """The reads of this process."""
        return self._meter.stats()

    # -- inside ----------------------------------------------------------------------------------------------------------

    def _place(self, key: str, tags: Sequence[str]) -> Place:
        return place_of(self._cache.tenant(), self.name, key, tuple(tags))

    def _find(self, place: Place) -> Found:
        """What the tiers have, the nearest first. An entry that is found is within its time and its grace."""
        memory = self._store.remembered(place.slots) if self._in_memory else None
        stale = None
        if memory is not None:
            entry = self._cache.near.get(place.key)
            if entry is not None and entry.counts(place.slots, memory):
                left = entry.fresh_until - self._cache.now()
                if left > 0:
                    self._meter.process()
                    return Found(memory, None, entry)
                stale = entry if -left < self.strategy.stale else None
        look = self._store.look(place.key, place.slots) if self._in_store else None
        if look is None:
            return Found(memory, None, stale)
        entry = Entry.unpack(look.entry) if look.entry else None
        if entry is None or not entry.counts(place.slots, look.versions):
            return Found(memory, look.versions, stale)
        left = entry.fresh_until - self._cache.now()
        if left > 0:
            self._meter.shared()
            if memory is not None:
                self._cache.near.keep(place.key, attrs.evolve(entry, versions=memory))
        return Found(memory, look.versions, entry if left > -self.strategy.stale else None)

    def _ask(self, place: Place) -> Found:
        """Only the versions."""
        memory = self._store.remembered(place.slots) if self._in_memory else None
        look = self._store.look(place.key, place.slots) if self._in_store else None
        return Found(memory, look.versions if look else None, None)

    def _load(self, place: Place, found: Found, loader: Callable[[], T | None]) -> bytes:
        """The value as bytes, from the loader, or from another process that loads it just now."""
        if found.shared is None or self._cache.refreshing():
            return self._loaded(place, found, loader)
        deadline, pause = monotonic() + self.strategy.wait, 0.002
        while True:
            lease = self._store.lease(place.key, max(self.strategy.wait, 1.0))
            if lease is not None or monotonic() >= deadline:
                break
            if found.entry is not None:
                self._meter.stale()
                return found.entry.payload
            sleep(pause)
            pause = min(pause * 1.5, 0.05)
        try:
            again = self._find(place)  # it may have been loaded since the first look
            if again.entry is not None and self._cache.now() < again.entry.fresh_until:
                return again.entry.payload
            return self._loaded(place, again, loader)
        finally:
            self._store.release(place.key, lease or "")

    def _loaded(self, place: Place, found: Found, loader: Callable[[], T | None]) -> bytes:
        began = perf_counter()
        with self._cache.tracing.span(f"cache load {self.name}", {"brickwork.cache.region": self.name}, inner=True):
            value = loader()
        self._meter.miss()
        self._meter.loaded(perf_counter() - began)
        if value is None:
            if self.strategy.negative_ttl:
                self._keep(place, found, NOTHING, self.strategy.negative_ttl)
            return NOTHING
        payload = self._codec.dump(value)
        self._keep(place, found, payload, self.strategy.ttl)
        return payload

    def _keep(self, place: Place, found: Found, payload: bytes, ttl: float) -> None:
        if len(payload) > self._cache.settings.max_value_bytes:
            return
        fresh_until = self._cache.now() + ttl
        if found.memory is not None and CHANGING not in found.memory:
            self._cache.near.keep(place.key, Entry(fresh_until, place.slots, found.memory, payload))
        if found.shared is not None and CHANGING not in found.shared:
            entry = Entry(fresh_until, place.slots, found.shared, payload)
            self._store.keep(place.key, entry.pack(), ttl + self.strategy.stale)

    def _read(self, entry: Entry) -> T | None:
        if not self._immutable:
            return self._value(entry.payload)
        if entry.read is None:
            entry.read = self._value(entry.payload)
        return cast("T | None", entry.read)

    def _value(self, payload: bytes) -> T | None:
        return None if payload == NOTHING else self._codec.load(payload)


@lru_cache(maxsize=20_000)
def place_of(tenant: str, region: str, key: str, tags: tuple[str, ...]) -> Place:
    """Where a value is kept. What it depends on besides its tags lets a region, a tenant or a key alone be forgotten."""
    own = (ALL, REGION.format(region), OWN.format(region, key))
    slots = (0, *(slot_of(tenant, tag) for tag in (*own, *tags)))
    short = key if len(key) <= LONGEST else blake2b(key.encode()).hexdigest()
    return Place(f"{tenant}:{region}:{short}", slots)


def _tiers(name: str, strategy: Strategy, *, strict_memory: bool) -> tuple[bool, bool]:
    """Whether values are kept in memory, and in the store."""
    if strategy.strict and strategy.tiers is None:
        return strict_memory, not strict_memory
    memory, store = strategy.tiers in ("process", "both", None), strategy.tiers in ("shared", "both", None)
    if memory and strategy.strict and not strict_memory:
        raise UnsupportedError(
            f"cache.strategies.{name}: with this backend a process's memory can be behind, so it can't be strict there; "
            'leave out tiers, or set tiers = "shared"'
        )
    return memory, store
