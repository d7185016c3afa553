"""The registry: instances that announce themselves in the platform's database and beat for as long as they live.

Moments are those of the platform's clock on each machine, so machines whose clocks differ by more than a fraction of `ttl` drop
each other's instances early or late.
"""

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import attrs
from sqlalchemy import delete, insert, select, update

from brickwork.errors import BrickworkError, DuplicateError, PermissionDeniedError, ValidationError
from brickwork.gateway.discovery.port import Instance
from brickwork.gateway.models import InstanceRow
from brickwork.kernel.context import SYSTEM_TENANT, Context

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

log = logging.getLogger("brickwork.gateway")
#: Beats in a time to live, so that one or two may fail.
BEATS = 3
#: Most instances that are read.
MOST = 10_000
_table: Any = InstanceRow.__table__


@attrs.frozen
class Snapshot:
    """Who beat, by service, and for how many seconds that may be believed."""

    by_service: Mapping[str, Sequence[Instance]]
    left: float


class Registry:
    """See the module. `refresh` is in seconds."""

    def __init__(self, platform: "Platform", *, refresh: float = 1.0) -> None:
        self._platform = platform
        self._refresh = refresh
        self._lock = threading.Lock()
        self._known: tuple[float, Mapping[str, Sequence[Instance]]] | None = None

    @contextmanager
    def register(
        self,
        service: str,
        host: str,
        port: int,
        *,
        weight: int = 1,
        ttl: float = 15.0,
        metadata: Mapping[str, str] | None = None,
    ) -> Iterator[None]:
        """Be an instance of `service` for a block. A process that dies in it is gone after `ttl` seconds at most; one that could
        not reach the database for so long is back with its next beat. Only the product's own code may: an instance gets the
        requests of all tenants."""
        if self._platform.current.access is not None:
            raise PermissionDeniedError("instances are announced by the product's own code, on nobody's behalf")
        registration = _Registration(self._platform, Instance(host, port, weight, metadata=dict(metadata or {})), service, ttl)
        registration.begin()
        try:
            yield
        finally:
            registration.end()

    def instances(self) -> Mapping[str, Sequence[Instance]]:
        """Who beats now, by service."""
        return self._read()[1]

    def snapshot(self) -> Snapshot:
        """Who beats, no older than `refresh` seconds, and than the moment at which one of them runs out. Raises what the
        database raises."""
        with self._lock:
            if self._known is None or monotonic() >= self._known[0]:
                self._known = self._read()
            until, by_service = self._known
        return Snapshot(by_service, max(until - monotonic(), 0.01))

    def _read(self) -> tuple[float, Mapping[str, Sequence[Instance]]]:
        began, now = monotonic(), self._platform.clock.now()
        with self._platform.database.begin(Context(system=True), readonly=True) as transaction:
            alive = select(_table).where(_table.c.tenant_id == SYSTEM_TENANT, _table.c.expires_at > now)
            rows = transaction.execute(alive.order_by(_table.c.service, _table.c.host, _table.c.port).limit(MOST)).all()
        by_service: dict[str, list[Instance]] = {}
        for row in rows:
            by_service.setdefault(row.service, []).append(Instance(row.host, row.port, row.weight, metadata=row.meta))
        first = min(((row.expires_at - now).total_seconds() for row in rows), default=self._refresh)
        return began + min(first, self._refresh), by_service


class _Registration:
    """One instance, and the thread in which it beats."""

    def __init__(self, platform: "Platform", instance: Instance, service: str, ttl: float) -> None:
        _check(service, instance, ttl)
        self._platform = platform
        self._name = f"{service} at {instance.address}"
        self._ttl = ttl
        self._key = {"tenant_id": SYSTEM_TENANT, "service": service, "host": instance.host, "port": instance.port}
        self._holder = str(uuid4())
        self._values = {"weight": instance.weight, "meta": dict(instance.metadata), "holder": self._holder}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gateway-beat", daemon=True)

    def begin(self) -> None:
        try:
            self._announce()
        except DuplicateError:  # another process with this address was faster; the later one counts
            self._announce()
        self._thread.start()

    def end(self) -> None:
        self._stop.set()
        self._thread.join()
        try:
            with self._platform.database.begin(Context(system=True)) as transaction:
                transaction.execute(delete(_table).where(*self._mine()))
        except BrickworkError as error:
            log.warning("%s runs out by itself: %s", self._name, error.message)

    def _announce(self) -> None:
        """Take the place of a former instance at this address, and of those that ran out long ago."""
        now = self._platform.clock.now()
        with self._platform.database.begin(Context(system=True)) as transaction:
            system = _table.c.tenant_id == SYSTEM_TENANT
            transaction.execute(delete(_table).where(system, _table.c.expires_at < now - timedelta(days=1)))
            transaction.execute(delete(_table).where(*self._here()))
            transaction.execute(insert(_table), self._row())

    def _run(self) -> None:
        while not self._stop.wait(self._ttl / BEATS):
            try:
                if not self._beat():
                    log.warning("%s was taken over by another registration", self._name)
                    return
            except BrickworkError as error:
                log.warning("%s could not beat: %s", self._name, error.message)
            except Exception:
                log.exception("%s could not beat", self._name)

    def _beat(self) -> bool:
        """False where another has registered at this address."""
        expires = self._platform.clock.now() + timedelta(seconds=self._ttl)
        with self._platform.database.begin(Context(system=True)) as transaction:
            if transaction.execute(update(_table).where(*self._mine()).values(expires_at=expires)).rowcount:
                return True
            if transaction.execute(select(_table.c.holder).where(*self._here())).first() is not None:
                return False
            transaction.execute(insert(_table), self._row())  # the table was emptied, or restored
            return True

    def _row(self) -> dict[str, Any]:
        now = self._platform.clock.now()
        return {**self._key, **self._values, "registered_at": now, "expires_at": now + timedelta(seconds=self._ttl)}

    def _here(self) -> list[Any]:
        return [_table.c[name] == value for name, value in self._key.items()]

    def _mine(self) -> list[Any]:
        return [*self._here(), _table.c.holder == self._holder]


def _check(service: str, instance: Instance, ttl: float) -> None:
    if not (0 < len(service) <= 100 and service.isprintable()):
        raise ValidationError("a service's name takes 1 to 100 printable characters", field="service")
    if not (0 < len(instance.host) <= 253 and instance.host.isprintable()):
        raise ValidationError("a host is an address or a name of at most 253 characters", field="host")
    if not 1 <= instance.port <= 65_535:
        raise ValidationError(f"a port is between 1 and 65535, not {instance.port}", field="port")
    if not 0 <= instance.weight <= 1000:
        raise ValidationError(f"a weight is between 0 and 1000, not {instance.weight}", field="weight")
    if ttl <= 0:
        raise ValidationError(f"a time to live is positive, not {ttl:g} s", field="ttl")
