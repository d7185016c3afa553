"""The `[limits]` section."""

from typing import Annotated, Literal

from pydantic import Field

from brickwork.kernel.component import ComponentSettings
from brickwork.limits.plan import NAME, Terms


class LimitsSettings(ComponentSettings):
    #: "embedded" counts for the processes of one machine; "redis", from a plugin, for all machines.
    backend: str = "embedded"
    #: What to do while the backend is away: "alone" lets each process count for itself, "allow" lets everything through, "refuse"
    #: nothing.
    when_unavailable: Literal["alone", "allow", "refuse"] = "alone"
    #: Seconds for which a backend that failed is left alone.
    retry_after: float = Field(default=1.0, gt=0)
    #: Plans by name, over those that code declares: `[limits.plans.NAME]`.
    plans: dict[Annotated[str, Field(pattern=NAME)], Terms] = {}
    #: The plan of tenants that were put on none; None limits nothing.
    default_plan: str | None = None
    #: The plan of callers who work in no tenant, most of all those who have shown nothing; "anonymous" is there, 120 calls a
    #: minute for each address. None limits nothing.
    anonymous_plan: str | None = None
    #: Seconds between looks for plans that another process changed and that no signal told.
    refresh: float = Field(default=5.0, gt=0)
    #: Seconds between two rounds in which the use of quotas is written into the database: what a loss of the backend may cost.
    write_every: float = Field(default=5.0, gt=0)
    #: Days for which the use of past days and months is kept.
    usage_days: int = Field(default=400, ge=1)
