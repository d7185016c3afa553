"""The settings of the Redis backends."""

from pydantic import Field

from brickwork.kernel.component import ComponentSettings


class RedisSettings(ComponentSettings):
    """What every backend on Redis needs: `[cache.redis]`, `[locks.redis]`, `[limits.redis]`, `[gateway.redis]`."""

    url: str = "redis://127.0.0.1:6379/0"
    #: Begins every key.
    prefix: str = Field(default="brickwork", pattern=r"^[a-z0-9_:-]+$")
    #: Seconds to wait for an answer, and for a connection while all are in use.
    timeout: float = Field(default=2.0, gt=0)
    #: Connections that a process keeps at most.
    connections: int = Field(default=32, ge=1)


class RedisMessagingSettings(ComponentSettings):
    """`[messaging.redis]`."""

    url: str = "redis://127.0.0.1:6379/0"
    #: Begins every key.
    prefix: str = Field(default="brickwork", pattern=r"^[a-z0-9_:-]+$")
    #: Most events in one message. 1 where handlers take seconds, so that those of one burst are spread over all workers.
    bundle: int = Field(default=16, ge=1, le=25)
    #: Seconds without a sign of life after which a worker's messages go back into the queue.
    heartbeat: float = Field(default=15.0, gt=0)
