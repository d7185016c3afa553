"""Redis keeps the broker's contract."""

import secrets

import pytest
from dramatiq import Message
from dramatiq.brokers.redis import RedisBroker

from brickwork.testing.contracts.broker import BrokerContract, until


class TestRedis(BrokerContract):
    @pytest.fixture
    def broker_section(self, section):
        return {"backend": "redis", "redis": section}

    @pytest.fixture
    def inject(self, client, broker_section):
        prefix = broker_section["redis"]["prefix"]

        def put(queue, raw):
            id = secrets.token_hex(4)
            client.hset(f"{prefix}:{queue}.msgs", id, raw)
            client.rpush(f"{prefix}:{queue}", id)

        return put

    def test_a_message_of_another_program_rests(self, working, client, broker_section):
        prefix = broker_section["redis"]["prefix"]
        stranger = RedisBroker(client=client, middleware=[], namespace=prefix)
        stranger.enqueue(Message("default", "theirs", ("not", "ours"), {}, {}))
        with working.system_context(reason="test"):
            until(lambda: len(working.messaging.dead.list().items) == 1)
        until(lambda: not client.hlen(f"{prefix}:default.msgs"))  # it is acknowledged once it rests


def test_a_server_that_is_away_is_told_at_the_start(make_platform):
    """Port 1 stands for a server that is not there."""
    from brickwork.errors import UnavailableError
    from brickwork.testing.contracts.broker import Knocked, handles

    @handles(Knocked)
    def open_(platform, event): ...

    platform = make_platform(messaging={"backend": "redis", "redis": {"url": "redis://127.0.0.1:1/0"}})
    platform.messaging.subscribe(open_)
    with pytest.raises(UnavailableError, match="Redis"):
        platform.messaging.worker().start()
    assert not platform.messaging.health().ok
