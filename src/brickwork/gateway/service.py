"""`platform.gateway`: the definition, and what serves it."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from brickwork.gateway.breaker import CircuitBreaker
from brickwork.gateway.definition import Gateway
from brickwork.gateway.definition_reading import read_definition
from brickwork.gateway.discovery import Discovery
from brickwork.gateway.policies import Plan
from brickwork.gateway.proxy import Meters, Proxy
from brickwork.gateway.registry import Registry
from brickwork.gateway.settings import GatewaySettings
from brickwork.gateway.upstream import tls_context
from brickwork.kernel.component import Health

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform


class GatewayService:
    """The door before other services.

    `definition` is what files and plugins say; `app` serves it. `registry` is where instances announce themselves.
    """

    def __init__(self, platform: "Platform", settings: GatewaySettings) -> None:
        self.platform = platform
        self.settings = settings
        self.registry = Registry(platform, refresh=settings.discovery.refresh)
        self._watching = False

    @cached_property
    def definition(self) -> Gateway:
        """The whole definition; raises `DefinitionError`."""
        given = self.platform.plugins.hook.brickwork_gateway()
        return read_definition([*self.settings.files, *(Path(p) if isinstance(p, str) else p for group in given for p in group)])

    @cached_property
    def breaker(self) -> CircuitBreaker:
        """The circuits to this definition's instances."""
        store = self.platform.backend("gateway", self.settings.backend)
        return CircuitBreaker(store, metrics=self.platform.metrics, refresh=self.settings.refresh)

    @cached_property
    def discovery(self) -> Discovery:
        """Where instances are now; it watches from the first look on."""
        discovery = Discovery(self.definition, self.settings.discovery, registry=self.registry, metrics=self.platform.metrics)
        discovery.start()
        return discovery

    @cached_property
    def meters(self) -> Meters:
        return Meters(self.platform)

    def app(self, *, own: bool = False) -> Proxy:
        """An ASGI application that serves the definition, for one event loop. With `own` the platform is closed with it."""
        return Proxy(self, at_end=self.platform.close if own else None)

    def check(self) -> Gateway:
        """The definition, if it could be served; raises `DefinitionError` where it asks for what is not there."""
        for route in self.definition.routes:
            for name in route.services:
                Plan(self.definition, route, self.definition.service(name), self.platform)
        for service in self.definition.services:
            tls_context(service)
        return self.definition

    def health(self) -> Health:
        """Whether every service that is served has instances."""
        return self.discovery.health() if "discovery" in vars(self) else Health(True, "not serving")

    def close(self) -> None:
        """Watch no more."""
        for name in ("discovery", "breaker"):
            if name in vars(self):
                vars(self)[name].close()
