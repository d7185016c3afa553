"""A service at run time: its instances, which of them gets the next request, and how each is doing."""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import attrs
from prometheus_client import Counter

from brickwork.gateway.balance import Place, balancer
from brickwork.gateway.circuit import BreakerRule
from brickwork.gateway.definition import Service
from brickwork.gateway.discovery.port import Instance
from brickwork.gateway.errors import CircuitOpenError, NoTargetError
from brickwork.gateway.health import InstanceHealth, Prober
from brickwork.gateway.settings import GatewaySettings
from brickwork.gateway.upstream import Pool, tls_context

if TYPE_CHECKING:
    from brickwork.gateway.breaker import CircuitBreaker
    from brickwork.gateway.discovery import Discovery

_DEFAULT_PORTS = {"http": 80, "https": 443}


@attrs.define(eq=False)
class Lease:
    """An instance for one request: `judge` how it did, once, then `release` it."""

    instance: Instance
    pool: Pool
    #: For the Host header.
    host: bytes
    _cluster: "Cluster"
    _place: Place
    _turn: int
    _judged: bool = False

    def judge(self, *, well: bool) -> None:
        """The request ended well, or failed by the instance's fault. A failure counts also after a good beginning."""
        if self._judged and well:
            return
        self._cluster._ended(self.instance, self._turn, well=well, again=self._judged)
        self._judged = True

    def release(self) -> None:
        """The request is over. Where it was not judged its client has left, which tells nothing of the instance."""
        if not self._judged:
            self._cluster._given_up(self.instance, self._turn)
        self._cluster._balancer.give_back(self._place)


class Cluster:
    """The instances of a service, in one event loop."""

    def __init__(
        self, service: Service, discovery: "Discovery", breaker: "CircuitBreaker", settings: GatewaySettings, retries: Counter
    ) -> None:
        self.service = service
        self._discovery, self._breaker, self._settings = discovery, breaker, settings
        self._retries = retries.labels(service.name)
        self._balancer = balancer(service.balance)
        self._health = InstanceHealth(service.name, service.health)
        self._checked = service.health.active is not None or service.health.passive is not None
        self._instances: Sequence[Instance] = ()
        self._pools: dict[Instance, Pool] = {}
        self._tls = tls_context(service)
        self._prober: asyncio.Task[None] | None = None
        rule = service.breaker
        self._rule = None if rule is None else BreakerRule(**rule.model_dump(), probe_timeout=_longest(service))

    async def lease(self, tried: Collection[str]) -> Lease:
        """An instance for one more request, none of the addresses `tried`; raises `NoTargetError` or `CircuitOpenError`."""
        self._refresh()
        passed_over = set(tried)
        refused = False
        while True:
            place = self._take(passed_over)
            if place is None:
                break
            instance = place.instance
            turn = 0 if self._rule is None else await self._admit(instance)
            if turn or self._rule is None:
                return Lease(instance, self._pool(instance), self._host(instance), self, place, turn)
            self._balancer.give_back(place)
            passed_over.add(instance.address)
            refused = True
        name = self.service.name
        if refused:
            assert self._rule is not None
            wait = max(1, round(self._rule.open_for))
            raise CircuitOpenError(f"service {name} fails, and is left alone for a while", retry_after=wait)
        raise NoTargetError(f"service {name} has no instance that could answer", retry_after=1)

    def retried(self) -> None:
        """Count a request that is tried at another instance."""
        self._retries.inc()

    def start(self) -> None:
        """Begin to ask instances how they are, in the running loop."""
        active = self.service.health.active
        if active is not None and self._prober is None:
            prober = Prober(active, self._health, self._current, self._pool, self._host)
            self._prober = asyncio.create_task(prober.run())

    async def close(self) -> None:
        """Close connections that rest, and ask no more."""
        if self._prober is not None:
            self._prober.cancel()
            with suppress(asyncio.CancelledError):
                await self._prober
        for pool in self._pools.values():
            pool.close()

    def healthy(self, instance: Instance) -> bool:
        """What health checks say of an instance."""
        return self._health.healthy(instance)

    # -- inside ----------------------------------------------------------------------------------------------------------

    def _take(self, passed_over: Collection[str]) -> Place | None:
        """A healthy instance's place; where none is healthy, any other's, since the checks may be what is wrong."""
        healthy = self._health.healthy
        if not passed_over and not self._checked:
            return self._balancer.take(_any)
        if not passed_over:
            return self._balancer.take(healthy) or self._balancer.take(_any)
        place = self._balancer.take(lambda instance: healthy(instance) and instance.address not in passed_over)
        return place or self._balancer.take(lambda instance: instance.address not in passed_over)

    async def _admit(self, instance: Instance) -> int:
        key = self._key(instance)
        if self._breaker.asks(key):
            return await asyncio.to_thread(self._breaker.admit, key)
        return self._breaker.admit(key)

    def _ended(self, instance: Instance, turn: int, *, well: bool, again: bool) -> None:
        if self._checked:
            self._health.ended(instance, well=well)
        if turn:
            tell = self._breaker.succeeded if well else self._breaker.broke_off if again else self._breaker.failed
            tell(self._key(instance), turn)

    def _given_up(self, instance: Instance, turn: int) -> None:
        if turn:
            self._breaker.gave_up(self._key(instance), turn)

    def _key(self, instance: Instance) -> str:
        return f"{self.service.name} {instance.address}"

    def _current(self) -> Sequence[Instance]:
        self._refresh()
        return self._instances

    def _refresh(self) -> None:
        """Take in what discovery has learnt."""
        instances = self._discovery.instances(self.service.name)
        if instances is self._instances:
            return
        former, self._instances = self._instances, instances
        self._balancer.update(instances)
        self._health.keep(instances)
        for gone in self._pools.keys() - set(instances):
            self._pools.pop(gone).close()
        if self._rule is not None:
            for instance in instances:
                self._breaker.declare(self._key(instance), self._rule)
            for key in set(map(self._key, former)) - set(map(self._key, instances)):
                self._breaker.forget(key)

    def _pool(self, instance: Instance) -> Pool:
        pool = self._pools.get(instance)
        if pool is None:
            name = self.service.tls.server_name if self.service.tls is not None else None
            settings = self._settings
            pool = Pool(instance, self._tls, name, keepalive=settings.keepalive, most=settings.connections)
            self._pools[instance] = pool
        return pool

    def _host(self, instance: Instance) -> bytes:
        host = instance.name or (f"[{instance.host}]" if ":" in instance.host else instance.host)
        if instance.port == _DEFAULT_PORTS[self.service.protocol]:
            return host.encode()
        return f"{host}:{instance.port}".encode()


def _any(instance: Instance) -> bool:
    return True


def _longest(service: Service) -> float:
    """Seconds that a probe of a circuit may take: longer than an answer takes to begin."""
    return service.timeouts.connect + service.timeouts.write + service.timeouts.read + 1.0
