"""Parcels over RabbitMQ: CloudEvents in quorum queues, consumed by dramatiq's workers."""

import logging
from collections.abc import Callable, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import pika
import pika.exceptions
from dramatiq import Broker, Consumer, Message, MessageProxy
from dramatiq.errors import ConnectionClosed

from brickwork.errors import UnavailableError
from brickwork.kernel.component import Health
from brickwork.messaging.backends.sql import ACTOR
from brickwork.messaging.port import Parcel, Unreadable
from brickwork_rabbitmq.publisher import Outgoing, Publisher
from brickwork_rabbitmq.settings import RabbitmqMessagingSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from brickwork.kernel.platform import Platform

_LOST = (pika.exceptions.AMQPError, OSError, AssertionError)

log = logging.getLogger("brickwork.messaging")


class RabbitmqMessageBroker:
    """See the module."""

    local = False

    def __init__(self, platform: "Platform", settings: RabbitmqMessagingSettings) -> None:
        self._settings = settings
        self._window: int = platform.settings.messaging.window
        self.parameters = pika.URLParameters(settings.url)
        self._publisher = Publisher(self.parameters, settings.confirm_timeout)

    def setup(self, queues: Sequence[str]) -> list[str]:
        dead = f"{self._settings.prefix}.dead"
        arguments = {
            "x-queue-type": "quorum",
            "x-dead-letter-exchange": dead,
            "x-delivery-limit": self._settings.delivery_limit,
        }
        with self._channel() as channel:
            channel.exchange_declare(dead, exchange_type="fanout", durable=True)
            channel.queue_declare(dead, durable=True, arguments={"x-queue-type": "quorum"})
            channel.queue_bind(dead, dead)
            for queue in queues:
                channel.queue_declare(self.name(queue), durable=True, arguments=arguments)
        declared = [f"quorum queue {self.name(queue)}" for queue in sorted(queues)]
        return [f"exchange and quorum queue {dead} for dead letters", *declared]

    def room(self, queue: str) -> int:
        return self._window - self.depth(queue)

    def send(self, parcels: Sequence[Parcel]) -> None:
        self._publisher.publish([self._outgoing(parcel) for parcel in parcels])

    def transport(self, unreadable: Unreadable) -> Broker:
        return _Transport(self, unreadable, self._settings.prefetch)

    def depth(self, queue: str) -> int:
        return self._publisher.count(self.name(queue))

    def health(self) -> Health:
        try:
            with self._channel():
                return Health(True, "rabbitmq")
        except UnavailableError as error:
            return Health(False, error.message)

    def close(self) -> None:
        self._publisher.close()

    def name(self, queue: str) -> str:
        """The name of a queue on the server."""
        return f"{self._settings.prefix}.{queue}"

    def _outgoing(self, parcel: Parcel) -> Outgoing:
        headers = {"delivery": parcel.id, "tenant": parcel.tenant, "subscription": parcel.subscription}
        properties = pika.BasicProperties(content_type="application/cloudevents+json", delivery_mode=2, headers=headers)
        return self.name(parcel.queue), parcel.event.encode(), properties

    @contextmanager
    def _channel(self) -> "Iterator[Any]":
        try:
            connection = pika.BlockingConnection(self.parameters)
        except _LOST as error:
            raise UnavailableError(f"RabbitMQ can't be reached: {type(error).__name__}") from None
        try:
            yield connection.channel()
        except pika.exceptions.AMQPError as error:
            raise UnavailableError(f"RabbitMQ refused: {error}") from None
        finally:
            with suppress(*_LOST):
                connection.close()


class _Transport(Broker):
    def __init__(self, owner: RabbitmqMessageBroker, unreadable: Unreadable, prefetch: int) -> None:
        super().__init__(middleware=[])
        self.owner = owner
        self.unreadable = unreadable
        self.prefetch = prefetch
        self.queues = set[str]()

    def declare_queue(self, queue_name: str) -> None:
        if queue_name not in self.queues:
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def get_declared_queues(self) -> set[str]:
        return set(self.queues)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 1000) -> Consumer:
        return _Consumer(self, queue_name, timeout / 1000)


class _Tagged(MessageProxy):
    def __init__(self, message: Message[Any], tag: int) -> None:
        super().__init__(message)
        self.tag = tag


class _Consumer(Consumer):
    """One connection a queue. Acknowledgements come from other threads and are handed to this one."""

    def __init__(self, transport: _Transport, queue: str, timeout: float) -> None:
        self._transport = transport
        self._queue = queue
        try:
            self._connection = pika.BlockingConnection(transport.owner.parameters)
            self._channel = self._connection.channel()
            self._channel.basic_qos(prefetch_count=transport.prefetch)
            self._messages = self._channel.consume(transport.owner.name(queue), inactivity_timeout=timeout)
        except _LOST as error:
            raise ConnectionClosed(error) from None

    def __next__(self) -> MessageProxy | None:
        try:
            method, properties, body = next(self._messages)
        except (*_LOST, StopIteration) as error:
            raise ConnectionClosed(error) from None
        if method is None:
            return None
        arguments = _arguments(self._queue, properties, body)
        if arguments is None:
            self._transport.unreadable(self._queue, body)
            self._channel.basic_ack(method.delivery_tag)
            return None
        return _Tagged(Message(self._queue, ACTOR, arguments, {}, {}), method.delivery_tag)

    def ack(self, message: MessageProxy) -> None:
        self._later(partial(self._channel.basic_ack, message.tag))

    def nack(self, message: MessageProxy) -> None:
        self._later(partial(self._channel.basic_nack, message.tag, requeue=False))

    def close(self) -> None:
        with suppress(*_LOST):
            self._connection.process_data_events(0)
            self._connection.close()

    def _later(self, call: Callable[[], None]) -> None:
        try:
            self._connection.add_callback_threadsafe(call)
        except _LOST:
            log.info("the connection is gone; RabbitMQ gives the message to another worker")


def _arguments(queue: str, properties: Any, body: bytes) -> tuple[Any, ...] | None:
    """What the worker's actor takes, or None where the message is none of ours."""
    headers = properties.headers or {}
    try:
        parcel = Parcel(int(headers["delivery"]), str(headers["tenant"]), str(headers["subscription"]), queue, body.decode())
    except (KeyError, TypeError, ValueError):
        return None
    return parcel.arguments()
