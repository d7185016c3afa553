"""The `[limits]` section."""

from typing import Literal

from brickwork.kernel.component import ComponentSettings


class LimitsSettings(ComponentSettings):
    #: "embedded" counts for the processes of one machine; "redis", from a plugin, for all machines.
    backend: str = "embedded"
    #: What to decide while the backend is away: "allow" (and count it) or "refuse".
    when_unavailable: Literal["allow", "refuse"] = "allow"
