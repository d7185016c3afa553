"""The `[locks]` section."""

from pydantic import Field

from brickwork.kernel.component import ComponentSettings


class LocksSettings(ComponentSettings):
    #: "embedded" holds between the processes of one machine; "redis", from a plugin, between machines.
    backend: str = "embedded"
    #: Seconds after which what a killed process held is free again. While the holder lives it is renewed.
    ttl: float = Field(default=30.0, gt=0.1)
    #: Seconds to wait for a lock that another holds.
    wait: float = Field(default=10.0, ge=0)
