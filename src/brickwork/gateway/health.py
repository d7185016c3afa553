"""Which instances are well: by what they answer when asked, and by how real requests end."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from math import inf
from time import monotonic

import attrs

from brickwork.errors import BrickworkError
from brickwork.gateway.definition import ActiveHealth, HealthChecks
from brickwork.gateway.discovery.port import Instance
from brickwork.gateway.forwarding import request_head
from brickwork.gateway.upstream import Pool

log = logging.getLogger("brickwork.gateway")
#: Instances of a service that are asked at once.
AT_ONCE = 32


@attrs.define(eq=False)
class _Record:
    """What is known of one instance. It rests until `rests_until` (monotonic)."""

    failures: deque[float] = attrs.field(factory=deque)
    rests_until: float = 0.0
    #: Answers in a row, good ones above zero, bad ones below.
    streak: int = 0


class InstanceHealth:
    """The verdicts on one service's instances, in one event loop. One that was never judged is healthy."""

    def __init__(self, service: str, checks: HealthChecks) -> None:
        self._service = service
        self._checks = checks
        self._records: dict[Instance, _Record] = {}

    def keep(self, instances: Iterable[Instance]) -> None:
        """Forget all others."""
        self._records = {instance: self._records.get(instance) or _Record() for instance in instances}

    def healthy(self, instance: Instance) -> bool:
        """Whether it may get requests."""
        record = self._records.get(instance)
        return record is None or not record.rests_until or record.rests_until <= monotonic()

    def ended(self, instance: Instance, *, well: bool) -> None:
        """A real request ended."""
        passive, record = self._checks.passive, self._records.get(instance)
        if passive is None or record is None or well:
            return
        now = monotonic()
        record.failures.append(now)
        while record.failures[0] <= now - passive.window:
            record.failures.popleft()
        if len(record.failures) >= passive.failures and record.rests_until <= now:
            record.failures.clear()
            record.rests_until = now + passive.window
            log.warning("service %s: %s failed %d times and rests", *self._of(instance), passive.failures)

    def probed(self, instance: Instance, *, well: bool) -> None:
        """It was asked itself. What it says then outweighs how requests ended before."""
        active, record = self._checks.active, self._records.get(instance)
        if active is None or record is None:
            return
        record.streak = max(record.streak, 0) + 1 if well else min(record.streak, 0) - 1
        if record.streak == -active.unhealthy and record.rests_until != inf:
            record.rests_until = inf
            log.warning("service %s: %s is unhealthy", *self._of(instance))
        elif record.streak >= active.healthy and record.rests_until == inf:
            record.rests_until = 0.0
            record.failures.clear()
            log.warning("service %s: %s is healthy again", *self._of(instance))

    def _of(self, instance: Instance) -> tuple[str, str]:
        return self._service, instance.address


class Prober:
    """Asks every instance, again and again."""

    def __init__(
        self,
        active: ActiveHealth,
        health: InstanceHealth,
        instances: Callable[[], Sequence[Instance]],
        pool: Callable[[Instance], Pool],
        host: Callable[[Instance], bytes],
    ) -> None:
        self._active, self._health = active, health
        self._instances, self._pool, self._host = instances, pool, host

    async def run(self) -> None:
        """Until cancelled."""
        gate = asyncio.Semaphore(AT_ONCE)
        while True:
            await asyncio.gather(*(self._judge(instance, gate) for instance in self._instances()))
            await asyncio.sleep(self._active.interval)

    async def _judge(self, instance: Instance, gate: asyncio.Semaphore) -> None:
        async with gate:
            self._health.probed(instance, well=await self._asked(instance))

    async def _asked(self, instance: Instance) -> bool:
        """Whether it gives a good answer in time, on a new connection, as a client that has none would need."""
        headers = [(b"user-agent", b"brickwork-gateway"), (b"connection", b"close")]
        head = request_head("GET", self._active.path.encode(), self._host(instance), headers)
        connection = None
        with suppress(BrickworkError, TimeoutError):
            async with asyncio.timeout(self._active.timeout):
                connection = await self._pool(instance).connect(self._active.timeout)
                connection.begin(head, bodyless=False)
                await connection.head(self._active.timeout)
        if connection is None:
            return False
        connection.abort()
        return 200 <= connection.status < 400
