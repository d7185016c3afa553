"""The `[gateway]` section."""

from pathlib import Path

from pydantic import Field

from brickwork.gateway.discovery.settings import DiscoverySettings
from brickwork.kernel.component import ComponentSettings


class GatewaySettings(ComponentSettings):
    #: YAML files with the definition; together they are one.
    files: list[Path] = []
    #: Where `brickwork gateway serve` listens.
    host: str = "127.0.0.1"
    port: int = Field(8080, ge=0, le=65535)
    #: Processes that serve.
    workers: int = Field(1, ge=1, le=64)
    #: Seconds for which an unused connection to an upstream is kept; less than upstreams keep theirs.
    keepalive: float = Field(4.0, ge=0)
    #: Most connections of a process to one instance.
    connections: int = Field(512, ge=1)
    #: Who keeps the states of circuits: "embedded" for the processes of one machine; "redis", from a plugin, for all machines.
    backend: str = "embedded"
    #: Seconds until a process hears of a circuit that another has opened.
    refresh: float = Field(1.0, gt=0)
    discovery: DiscoverySettings = DiscoverySettings()
