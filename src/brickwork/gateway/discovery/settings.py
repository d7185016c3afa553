"""The `[gateway.discovery]` section."""

from ipaddress import IPv4Network, IPv6Network

from pydantic import Field

from brickwork.kernel.component import ComponentSettings


class DiscoverySettings(ComponentSettings):
    #: Networks in which instances may be that DNS, Consul or the registry name; none: anywhere. Link-local addresses and those
    #: where clouds serve their metadata are refused in any case.
    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    #: Seconds for which the last known instances are used while a registry is away or answers nonsense.
    stale_for: float = Field(default=300.0, gt=0)
    #: Seconds between two looks into the database's registry.
    refresh: float = Field(default=1.0, gt=0)
    #: Seconds that a start waits for the first answers.
    patience: float = Field(default=3.0, ge=0)
    #: Seconds for which a question to Consul waits for news, up to ten minutes.
    consul_wait: float = Field(default=30.0, gt=0, le=600)
