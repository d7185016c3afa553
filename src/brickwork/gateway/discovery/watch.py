"""Looks into one source again and again, in a thread of its own, and keeps what it knows while the source is away."""

import logging
import random
import threading
from collections.abc import Callable
from math import inf
from time import monotonic

import attrs
from prometheus_client import CollectorRegistry, Counter, Gauge

from brickwork.errors import UnavailableError
from brickwork.gateway.discovery.port import Instance, Mechanism

log = logging.getLogger("brickwork.gateway")
#: Seconds until the next try after a failure, at first and at most.
FIRST_PAUSE, LAST_PAUSE = 0.5, 15.0


@attrs.frozen
class Meters:
    """What is counted of sources; each is named by its service and its kind."""

    instances: Gauge
    stale: Gauge
    failures: Counter

    @classmethod
    def on(cls, registry: CollectorRegistry) -> "Meters":
        def gauge(name: str, told: str) -> Gauge:
            return Gauge(name, told, labels, registry=registry, multiprocess_mode="mostrecent")

        labels = ("service", "source")
        return cls(
            gauge("brickwork_gateway_instances", "Instances that a source knows"),
            gauge("brickwork_gateway_discovery_stale", "1 while a source is away and the last known count"),
            Counter("brickwork_gateway_discovery_failures", "Looks that failed", labels, registry=registry),
        )


class Watched:
    """One source of one service. `changed` is called from the thread."""

    def __init__(
        self, service: str, kind: str, mechanism: Mechanism, meters: Meters, *, stale_for: float, changed: Callable[[str], None]
    ) -> None:
        self.service = service
        self.kind = kind
        #: What it knows now; the same object until that changes.
        self.instances: tuple[Instance, ...] = ()
        #: Whether the last look failed.
        self.stale = False
        #: Set once the first look is over, well or not.
        self.looked = threading.Event()
        self._mechanism = mechanism
        self._stale_for = stale_for
        self._changed = changed
        self._known = meters.instances.labels(service, kind)
        self._stale = meters.stale.labels(service, kind)
        self._failures = meters.failures.labels(service, kind)
        self._stop = threading.Event()
        self._good_at = monotonic()
        self._thread = threading.Thread(target=self._run, name=f"discovery-{service}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Begin to stop; `join` waits for it."""
        self._stop.set()
        self._mechanism.close()

    def join(self) -> None:
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._stop.is_set():
            again = self._look()
            pause = FIRST_PAUSE if again is not None else min(pause * 2, LAST_PAUSE)
            self.looked.set()
            if again == inf:
                return
            self._stop.wait(pause * random.uniform(0.5, 1.0) if again is None else again)

    def _look(self) -> float | None:
        """Seconds until the next look, or None where this one failed."""
        try:
            found = self._mechanism.look()
        except Exception as error:  # whatever a registry answers, requests go on
            if not self._stop.is_set():
                self._failed(error)
            return None
        self._good_at = monotonic()
        if self.stale:
            log.warning("discovery of %s by %s works again", self.service, self.kind)
            self.stale = False
            self._stale.set(0)
        self._publish(tuple(found.instances))
        return found.again

    def _failed(self, error: Exception) -> None:
        self._failures.inc()
        if not self.stale:
            told = error.message if isinstance(error, UnavailableError) else f"{type(error).__name__}: {error}"
            log.warning("discovery of %s by %s keeps what it knows: %s", self.service, self.kind, told)
        self.stale = True
        self._stale.set(1)
        if monotonic() - self._good_at > self._stale_for:
            self._publish(())

    def _publish(self, instances: tuple[Instance, ...]) -> None:
        if instances != self.instances:
            self.instances = instances
            self._known.set(len(instances))
            self._changed(self.service)
