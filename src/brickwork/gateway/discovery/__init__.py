"""Finding the instances of services: a file a mechanism, several at once, the last known kept while a registry is away."""

from brickwork.gateway.discovery.port import Found, Instance, Mechanism
from brickwork.gateway.discovery.service import Discovery
from brickwork.gateway.discovery.settings import DiscoverySettings

__all__ = ["Discovery", "DiscoverySettings", "Found", "Instance", "Mechanism"]
