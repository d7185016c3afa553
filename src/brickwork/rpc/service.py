"""`platform.rpc`: what this platform exposes, described and served."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from brickwork.errors import MissingDependencyError, NotFoundError, PluginError
from brickwork.rpc.settings import RpcSettings

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform
    from brickwork.rpc.methods import Method, Service
    from brickwork.rpc.schema import Schema
    from brickwork.rpc.server import Server


class Rpc:
    """The exposed services of a platform, by hook `brickwork_rpc_services`."""

    def __init__(self, platform: "Platform", settings: RpcSettings) -> None:
        self.settings = settings
        self._platform = platform
        self._server: Server | None = None

    def services(self) -> "dict[str, Service]":
        """The exposed services by their full name."""
        found: dict[str, Service] = {}
        for given in self._platform.plugins.hook.brickwork_rpc_services(platform=self._platform):
            for service in given:
                if service.name in found:
                    raise PluginError(f"two services are exposed as {service.name!r}")
                found[service.name] = service
        return found

    def packages(self) -> list[str]:
        """The packages of the exposed services."""
        return sorted({service.package for service in self.services().values()})

    def describe(self, package: str) -> "tuple[Schema, Mapping[str, Mapping[str, Method]]]":
        """The schema of a package, and the methods of each of its services; raises `NotFoundError`."""
        try:
            from brickwork.rpc.methods import describe
        except ImportError:
            raise MissingDependencyError("grpcio", "grpc") from None
        classes: dict[str, Any] = {
            service.name.rpartition(".")[2]: type(service.target)
            for service in self.services().values()
            if service.package == package
        }
        if not classes:
            raise NotFoundError(f"nothing is exposed in {package!r}; there are {', '.join(self.packages()) or 'none'}")
        return describe(package, classes)

    def proto(self, package: str) -> str:
        """The schema of a package as a `.proto` file."""
        return self.describe(package)[0].proto()

    def client(self, package: str) -> str:
        """The source of a typed Python client of a package."""
        from brickwork.rpc.generate import module

        return module(*self.describe(package))

    def serve(self, *, host: str | None = None, port: int | None = None) -> "Server":
        """A server that has started, the platform's only one, which ends with it. Raises `SettingsError` where that is unsafe."""
        try:
            from brickwork.rpc.server import Server
        except ImportError:
            raise MissingDependencyError("grpcio", "grpc") from None
        self._server = Server(self._platform, self.settings)
        self._server.start(host or self.settings.host, self.settings.port if port is None else port)
        return self._server

    def close(self) -> None:
        if self._server is not None:
            self._server.stop()
