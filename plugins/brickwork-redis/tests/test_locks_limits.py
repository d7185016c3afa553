"""Redis keeps the contracts of locks and limits."""

import pytest

from brickwork.errors import UnavailableError
from brickwork.testing.contracts.limits import LimitsContract
from brickwork.testing.contracts.locks import LocksContract


@pytest.fixture
def database_kind():
    """Neither uses the database."""
    return "sqlite"


class TestLocks(LocksContract):
    @pytest.fixture
    def locks_section(self, section):
        return {"backend": "redis", "redis": section}

    def test_a_redis_that_forgot_everything_gives_larger_tokens_still(self, store, client, section):
        before = store.take("a:x", "one", 1, 30)
        for key in client.scan_iter(f"{section['prefix']}:*"):
            client.delete(key)
        assert store.take("a:x", "two", 1, 30) > before


class TestLimits(LimitsContract):
    @pytest.fixture
    def limits_section(self, section):
        return {"backend": "redis", "redis": section}


def test_a_lock_can_not_be_had_without_its_server(make_platform):
    """Port 1 stands for a server that is not there."""
    away = {"backend": "redis", "redis": {"url": "redis://127.0.0.1:1/0"}}
    platform = make_platform(components=["locks", "limits"], migrated=False, locks=away, limits=away)
    with pytest.raises(UnavailableError, match="Redis"), platform.locks.lock("till"):
        pytest.fail("there is no lock")
    assert platform.limits.hit("k", "1/hour").allowed
    assert not platform.health()["locks"].ok
