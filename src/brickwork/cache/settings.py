"""The `[cache]` section: the backend and the named strategies."""

from typing import Literal

from pydantic import Field, field_validator

from brickwork.kernel.component import ComponentSettings


class Strategy(ComponentSettings):
    """How the values of one region are kept: `[cache.strategies.NAME]`."""

    #: Seconds for which a value is fresh.
    ttl: float = Field(default=300.0, gt=0, le=86_400 * 30)
    #: Seconds after that for which it may still be given to others while one caller loads it anew.
    stale: float = Field(default=0.0, ge=0, le=86_400 * 30)
    #: Seconds for which the answer "there is none" (a loader's None) is kept; 0 does not keep it.
    negative_ttl: float = Field(default=0.0, ge=0, le=86_400)
    #: Where values are kept: in each process's memory, in the backend that all processes share, or in both. None is both,
    #: or where `strict` is set the one that can't be behind.
    tiers: Literal["process", "shared", "both"] | None = None
    #: Never give a value that was invalidated before the reading began. Without it, the memory of another process may be
    #: behind by the time that a broadcast takes, some milliseconds.
    strict: bool = False
    #: Seconds that a caller waits for another process's loader before it loads by itself.
    wait: float = Field(default=10.0, ge=0)


#: The strategies that brickwork's own components use. Those of the settings are merged over them.
STRATEGIES = {
    "default": Strategy(),
    "entity_data": Strategy(ttl=300, strict=True),
    "search_results": Strategy(ttl=60),
    "user_sessions": Strategy(ttl=3600, strict=True),
}


class CacheSettings(ComponentSettings):
    #: "embedded" keeps values in files beside an embedded database, or in the data folder; "redis" comes with a plugin.
    backend: str = "embedded"
    #: Whether all processes of the product run on this machine, so that the embedded backend hears of every change. None: where
    #: the database is embedded. Without that, strict strategies ask their loaders on the embedded backend.
    one_machine: bool | None = None
    #: Values in each process's memory, all regions together.
    process_entries: int = Field(default=10_000, ge=0)
    #: Largest value in bytes of JSON; a larger one is given to its caller and not kept.
    max_value_bytes: int = Field(default=1_048_576, ge=1024)
    #: Seconds for which a backend that failed is left alone.
    retry_after: float = Field(default=1.0, gt=0)
    #: Seconds between two rounds of `brickwork_warm_cache`; 0 warms at the start only.
    warm_every: float = Field(default=0.0, ge=0)
    #: Named strategies, over those that brickwork brings.
    strategies: dict[str, Strategy] = Field(default={}, validate_default=True)

    @field_validator("strategies", mode="after")
    @classmethod
    def _merge(cls, given: dict[str, Strategy]) -> dict[str, Strategy]:
        """What a section leaves out of one of brickwork's own strategies stays as it is."""
        known = {
            name: Strategy(**{**STRATEGIES[name].model_dump(), **strategy.model_dump(exclude_unset=True)})
            for name, strategy in given.items()
            if name in STRATEGIES
        }
        return {**STRATEGIES, **given, **known}
