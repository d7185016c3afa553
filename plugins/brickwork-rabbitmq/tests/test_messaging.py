"""RabbitMQ keeps the broker's contract."""

import os
import secrets

import pika
import pika.exceptions
import pytest

from brickwork.errors import UnavailableError
from brickwork.testing.contracts.broker import BrokerContract, Knocked, handles
from brickwork.testing.plugin import absent

URL = os.environ.get("BRICKWORK_TEST_RABBITMQ", "amqp://guest:guest@127.0.0.1:5672/%2f")


@pytest.fixture
def channel():
    try:
        connection = pika.BlockingConnection(pika.URLParameters(URL))
    except (pika.exceptions.AMQPError, OSError) as error:
        absent(f"no RabbitMQ for tests ({type(error).__name__}); set BRICKWORK_TEST_RABBITMQ")
    yield connection.channel()
    connection.close()


@pytest.fixture
def section(channel):
    prefix = f"bwtest-{secrets.token_hex(4)}"
    yield {"backend": "rabbitmq", "rabbitmq": {"url": URL, "prefix": prefix}}
    for queue in ("default", "dogs", "dead"):
        channel.queue_delete(f"{prefix}.{queue}")
    channel.exchange_delete(f"{prefix}.dead")


class TestRabbitmq(BrokerContract):
    @pytest.fixture
    def broker_section(self, section):
        return section

    @pytest.fixture
    def inject(self, channel, broker_section):
        prefix = broker_section["rabbitmq"]["prefix"]
        return lambda queue, raw: channel.basic_publish("", f"{prefix}.{queue}", raw)


def test_the_queues_are_quorum_queues_with_a_dead_letter_exchange(make_platform, section, channel):
    platform = make_platform(messaging=section)
    platform.messaging.broker.setup(["default"])
    prefix = section["rabbitmq"]["prefix"]
    # declaring with other arguments is refused, and the refusal tells those of the queue
    with pytest.raises(pika.exceptions.ChannelClosedByBroker, match=r"x-queue-type|x-dead-letter|x-delivery"):
        channel.connection.channel().queue_declare(f"{prefix}.default", durable=True)
    channel.connection.channel().exchange_declare(f"{prefix}.dead", passive=True)


def test_a_queue_that_is_missing_is_told_and_nothing_is_lost(make_platform, section):
    platform = make_platform(messaging=section)

    @handles(Knocked, name="open")
    def open_(platform, event): ...

    platform.messaging.subscribe(open_)
    with platform.context(tenant="a", actor="user:x"), platform.transaction() as transaction:
        transaction.publish(Knocked(door="front", number=1))
    with pytest.raises(UnavailableError, match="brickwork messaging setup"):
        platform.messaging.relay(["default"]).once()
    assert platform.messaging.backlog() == {"open": 1}


def test_a_server_that_is_away_is_told_at_the_start(make_platform):
    """Port 1 stands for a server that is not there."""

    @handles(Knocked)
    def open_(platform, event): ...

    url = "amqp://guest:guest@127.0.0.1:1/%2f?connection_attempts=1"
    platform = make_platform(messaging={"backend": "rabbitmq", "rabbitmq": {"url": url}})
    platform.messaging.subscribe(open_)
    with pytest.raises(UnavailableError, match="RabbitMQ"):
        platform.messaging.worker().start()
    assert not platform.messaging.health().ok
