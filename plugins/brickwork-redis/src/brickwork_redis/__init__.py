"""Redis for brickwork."""

from collections.abc import Sequence

from brickwork import Backend, hookimpl
from brickwork_redis.settings import RedisMessagingSettings, RedisSettings


@hookimpl
def brickwork_backends() -> Sequence[Backend]:
    return [
        Backend(
            port="messaging",
            name="redis",
            factory="brickwork_redis.messaging:RedisMessageBroker",
            summary="dramatiq's Redis broker",
            settings=RedisMessagingSettings,
        ),
        Backend(
            port="cache",
            name="redis",
            factory="brickwork_redis.cache:RedisStore",
            summary="Values that all machines share",
            settings=RedisSettings,
        ),
        Backend(
            port="locks",
            name="redis",
            factory="brickwork_redis.locks:RedisLocks",
            summary="Locks and semaphores between machines",
            settings=RedisSettings,
        ),
        Backend(
            port="limits",
            name="redis",
            factory="brickwork_redis.limits:RedisLimits",
            summary="Rate limits over all machines",
            settings=RedisSettings,
        ),
        Backend(
            port="gateway",
            name="redis",
            factory="brickwork_redis.breaker:RedisBreakers",
            summary="Circuits that all machines share",
            settings=RedisSettings,
        ),
    ]
