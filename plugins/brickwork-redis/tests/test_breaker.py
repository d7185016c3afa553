"""Redis keeps the contract of circuits."""

import pytest
from brickwork_redis.breaker import RedisBreakers
from brickwork_redis.settings import RedisSettings

from brickwork.errors import UnavailableError
from brickwork.testing.contracts.breaker import BreakerContract


class TestRedis(BreakerContract):
    @pytest.fixture
    def breaker_stores(self, section):
        made = tuple(RedisBreakers(None, RedisSettings(**section)) for _ in range(2))
        yield made
        for store in made:
            store.close()


def test_a_server_that_is_away_is_told(section):
    """Port 1 stands for a server that is not there."""
    store = RedisBreakers(None, RedisSettings(url="redis://127.0.0.1:1/0"))
    with pytest.raises(UnavailableError, match="Redis"):
        store.read("up")
    assert not store.health().ok
    store.close()
