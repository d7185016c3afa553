"""Discovery as the proxy sees it: the instances of a service, from memory."""

import os
from collections.abc import Callable, Sequence
from time import monotonic
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from brickwork.errors import SettingsError
from brickwork.gateway.definition import Gateway, Source
from brickwork.gateway.discovery.fence import Fence
from brickwork.gateway.discovery.port import Instance, Mechanism
from brickwork.gateway.discovery.settings import DiscoverySettings
from brickwork.gateway.discovery.watch import Meters, Watched
from brickwork.kernel.component import Health

if TYPE_CHECKING:
    from brickwork.gateway.registry import Registry


def _ignored(service: str) -> None:
    """Nobody wants to know."""


class Discovery:
    """Watches every source of every service of a definition. Of a service's sources the first that knows any instance counts; one
    that is away goes by what it knew for `stale_for` seconds, and then gives way to the next.

    `changed` is called with a service's name, from another thread, when its instances may have changed.
    """

    def __init__(
        self,
        gateway: Gateway,
        settings: DiscoverySettings,
        *,
        registry: "Registry",
        metrics: CollectorRegistry,
        changed: Callable[[str], None] = _ignored,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._fence = Fence(settings.allowed_networks)
        meters = Meters.on(metrics)
        self._watched: dict[str, list[Watched]] = {
            service.name: [
                Watched(service.name, source.kind, self._mechanism(source), meters, stale_for=settings.stale_for, changed=changed)
                for source in service.sources
            ]
            for service in gateway.services
        }

    def start(self) -> None:
        """Begin to watch, and wait `patience` seconds for the first answers."""
        deadline = monotonic() + self._settings.patience
        for watched in self._all:
            watched.start()
        for watched in self._all:
            watched.looked.wait(max(0.0, deadline - monotonic()))

    def instances(self, service: str) -> Sequence[Instance]:
        """Where the service's instances are, as far as is known; the same object until that changes."""
        return next((watched.instances for watched in self._watched[service] if watched.instances), ())

    def sources(self, service: str) -> Sequence[Watched]:
        """The sources of a service, in their order."""
        return self._watched[service]

    def health(self) -> Health:
        """Whether every service has instances; the detail names those without, and the sources that are away."""
        without = [name for name in self._watched if not self.instances(name)]
        away = [f"{watched.service} by {watched.kind}" for watched in self._all if watched.stale]
        told = [f"no instance of {', '.join(without)}"] if without else []
        told += [f"last known: {', '.join(away)}"] if away else []
        return Health(not without, "; ".join(told) or f"{len(self._watched)} services")

    def close(self) -> None:
        for watched in self._all:
            watched.stop()
        for watched in self._all:
            watched.join()

    @property
    def _all(self) -> list[Watched]:
        return [watched for several in self._watched.values() for watched in several]

    def _mechanism(self, source: Source) -> Mechanism:
        if source.static is not None:
            from brickwork.gateway.discovery.static import Static

            return Static(source.static)
        if source.dns_srv is not None:
            from brickwork.gateway.discovery.dns_srv import DnsSrv

            return DnsSrv(source.dns_srv.name, source.dns_srv.resolver, self._fence)
        if source.registry is not None:
            from brickwork.gateway.discovery.registry import Registered

            return Registered(self._registry, source.registry.service, self._fence)
        assert source.consul is not None  # a source is one of these
        from brickwork.gateway.discovery.consul import Consul

        return Consul(source.consul, _token(source.consul.token_variable), self._fence, wait=self._settings.consul_wait)


def _token(variable: str | None) -> str | None:
    if variable is None:
        return None
    token = os.environ.get(variable)
    if not token:
        raise SettingsError(
            f"the definition's token_variable names {variable}, which the environment doesn't have", field=variable
        )
    return token
