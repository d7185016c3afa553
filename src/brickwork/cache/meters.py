"""What the cache counts, for Prometheus and for `Cache.stats`."""

from typing import Any

import attrs
from prometheus_client import CollectorRegistry, Counter, Histogram

RESULTS = ("process", "shared", "stale", "miss", "bypass")


@attrs.frozen
class RegionStats:
    """Reads of a region in this process: `process` and `shared` are hits by tier, `stale` were given an old value while
    another loaded, `miss` found nothing and ran the loader, `bypass` asked the loader since
    the transaction had changed the value, or the backend does not hear of every change."""

    process: int = 0
    shared: int = 0
    stale: int = 0
    miss: int = 0
    bypass: int = 0

    @property
    def hit_ratio(self) -> float:
        """Hits of all reads, 0 to 1; 0 where there were none."""
        hits = self.process + self.shared + self.stale
        total = hits + self.miss + self.bypass
        return hits / total if total else 0.0


class RegionMeter:
    """The counters of one region."""

    def __init__(self, reads: Counter, seconds: Histogram, region: str) -> None:
        self._reads: dict[str, Any] = {result: reads.labels(region, result) for result in RESULTS}
        self.process, self.shared = self._reads["process"].inc, self._reads["shared"].inc
        self.stale, self.miss, self.bypass = self._reads["stale"].inc, self._reads["miss"].inc, self._reads["bypass"].inc
        self.loaded = seconds.labels(region).observe
        self._before = self._now()

    def stats(self) -> RegionStats:
        """The counts of this process since the platform was made."""
        return RegionStats(**{name: int(value - self._before[name]) for name, value in self._now().items()})

    def _now(self) -> dict[str, float]:
        return {name: counter._value.get() for name, counter in self._reads.items()}


class Meters:
    """The counters of a cache."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._reads = Counter("brickwork_cache_reads", "Reads by how they were answered", ("region", "result"), registry=registry)
        self._seconds = Histogram("brickwork_cache_load_seconds", "Time of loaders", ("region",), registry=registry)
        self._failures = Counter("brickwork_cache_backend_failures", "Calls that the backend could not serve", registry=registry)
        self.failed = self._failures.inc

    def region(self, name: str) -> RegionMeter:
        """The counters of a region."""
        return RegionMeter(self._reads, self._seconds, name)

    @property
    def failures(self) -> int:
        """Calls that the backend could not serve."""
        return int(self._failures._value.get())
