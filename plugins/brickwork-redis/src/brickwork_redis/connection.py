"""A client of Redis whose errors are brickwork's."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from brickwork.errors import UnavailableError
from brickwork.kernel.component import Health
from brickwork_redis.settings import RedisSettings


def connect(settings: RedisSettings) -> Any:
    """A client with a pool, whose users wait for a connection when all are in use. A connection that the server closed is made
    anew once; a server that is away is told at once."""
    pool = redis.BlockingConnectionPool.from_url(
        settings.url,
        max_connections=settings.connections,
        timeout=settings.timeout,
        socket_timeout=settings.timeout,
        socket_connect_timeout=settings.timeout,
        health_check_interval=0,
        retry=Retry(NoBackoff(), 1),
    )
    return redis.Redis.from_pool(pool)


@contextmanager
def told() -> Iterator[None]:
    """A block whose Redis errors are told as `UnavailableError`; never with the URL, which may hold a password."""
    try:
        yield
    except redis.RedisError as error:
        raise UnavailableError(f"Redis can't be used: {type(error).__name__}") from None


def health(client: Any) -> Health:
    """Whether the server answers."""
    try:
        with told():
            client.ping()
    except UnavailableError as error:
        return Health(False, error.message)
    return Health(True, "redis")
