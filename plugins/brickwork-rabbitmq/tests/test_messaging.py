"""RabbitMQ keeps the broker's contract."""

import base64
import json
import os
import secrets
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

import pika
import pika.exceptions
import pytest

from brickwork.errors import UnavailableError
from brickwork.testing.contracts.broker import BrokerContract, Knocked, handles, until
from brickwork.testing.plugin import absent

MANAGEMENT = os.environ.get("BRICKWORK_TEST_RABBITMQ_MANAGEMENT", "http://guest:guest@127.0.0.1:15672")
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


class TestPolicies:
    """With the management plugin; it is enabled by `rabbitmq-plugins enable rabbitmq_management`."""

    @pytest.fixture
    def api(self):
        parts = urlsplit(MANAGEMENT)
        given = base64.b64encode(f"{parts.username}:{parts.password}".encode()).decode()
        vhost = quote(pika.URLParameters(URL).virtual_host, safe="")

        def call(path, method="GET"):
            address = f"{parts.scheme}://{parts.hostname}:{parts.port}/api/{path.format(vhost=vhost)}"
            with urlopen(Request(address, headers={"Authorization": f"Basic {given}"}, method=method), timeout=10) as answer:
                return json.loads(answer.read() or "null")

        try:
            call("overview")
        except OSError as error:
            absent(f"no management plugin of RabbitMQ for tests ({error}); set BRICKWORK_TEST_RABBITMQ_MANAGEMENT")
        return call

    @pytest.fixture
    def managed(self, section, api):
        section["rabbitmq"] |= {"management_url": MANAGEMENT}
        prefix = section["rabbitmq"]["prefix"]
        yield section
        api(f"policies/{{vhost}}/{prefix}", "DELETE")

    def limit(self, api, prefix, queue):
        """The delivery limit in force, by what the server tells of the queue's policy."""
        told = api(f"queues/{{vhost}}/{prefix}.{queue}")
        return (told.get("effective_policy_definition") or {}).get("delivery-limit"), told["arguments"]

    def test_a_limit_is_changed_while_the_queue_exists(self, make_platform, managed, api):
        prefix = managed["rabbitmq"]["prefix"]
        setup = make_platform(messaging=managed).messaging.broker.setup
        assert setup(["default"]) == setup(["default"])
        assert f"policy {prefix}: dead-letter-exchange {prefix}.dead, delivery-limit 10" in setup(["default"])
        managed["rabbitmq"]["delivery_limit"] = 3
        make_platform(messaging=managed).messaging.broker.setup(["default"])
        until(lambda: self.limit(api, prefix, "default") == (3, {"x-queue-type": "quorum"}))
        policy = api(f"policies/{{vhost}}/{prefix}")
        assert policy["definition"] == {"dead-letter-exchange": f"{prefix}.dead", "delivery-limit": 3}

    def test_the_policy_dead_letters_and_leaves_the_dead_alone(self, make_platform, managed, api, channel):
        prefix = managed["rabbitmq"]["prefix"]
        make_platform(messaging=managed).messaging.broker.setup(["default"])
        until(lambda: self.limit(api, prefix, "default")[0] == 10)
        assert self.limit(api, prefix, "dead")[0] is None
        channel.basic_publish("", f"{prefix}.default", b"refused")
        until(lambda: channel.queue_declare(f"{prefix}.default", passive=True).method.message_count)
        method, _, _ = channel.basic_get(f"{prefix}.default")
        channel.basic_nack(method.delivery_tag, requeue=False)
        until(lambda: channel.queue_declare(f"{prefix}.dead", passive=True).method.message_count == 1)

    def test_queues_from_before_the_policy_are_kept(self, make_platform, section, api):
        prefix = section["rabbitmq"]["prefix"]
        make_platform(messaging=section).messaging.broker.setup(["default"])
        section["rabbitmq"] |= {"management_url": MANAGEMENT, "delivery_limit": 5}
        make_platform(messaging=section).messaging.broker.setup(["default"])
        try:
            until(lambda: self.limit(api, prefix, "default")[0] == 5)
            assert self.limit(api, prefix, "default")[1]["x-delivery-limit"] == 10
        finally:
            api(f"policies/{{vhost}}/{prefix}", "DELETE")

    def test_a_user_who_may_not_is_told_what_is_missing(self, make_platform, section, api):
        section["rabbitmq"] |= {"management_url": MANAGEMENT.replace("guest:guest", "guest:wrong")}
        with pytest.raises(UnavailableError, match=r"401 .*policymaker"):
            make_platform(messaging=section).messaging.broker.setup(["default"])


def test_a_management_plugin_that_is_away_is_told(make_platform, section):
    """Port 1 stands for a plugin that is not enabled."""
    section["rabbitmq"] |= {"management_url": "http://guest:guest@127.0.0.1:1"}
    with pytest.raises(UnavailableError, match="rabbitmq-plugins enable"):
        make_platform(messaging=section).messaging.broker.setup(["default"])
