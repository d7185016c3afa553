"""Parcels over RabbitMQ: CloudEvents in quorum queues, consumed by dramatiq's workers."""

from collections import deque
from collections.abc import Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pika
import pika.exceptions
from dramatiq import Broker, Consumer, MessageProxy
from dramatiq.errors import ConnectionClosed

from brickwork.errors import UnavailableError
from brickwork.kernel.component import Health
from brickwork.messaging.bundle import Bundle, Part, bundled
from brickwork.messaging.port import Parcel, Unreadable
from brickwork_rabbitmq.policy import Policies
from brickwork_rabbitmq.publisher import Outgoing, Publisher
from brickwork_rabbitmq.settings import RabbitmqMessagingSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from brickwork.kernel.platform import Platform

_NOT_FOUND = 404
_LOST = (pika.exceptions.AMQPError, OSError, AssertionError)


class RabbitmqMessageBroker:
    """See the module."""

    local = False

    def __init__(self, platform: "Platform", settings: RabbitmqMessagingSettings) -> None:
        self._settings = settings
        self.window: int = platform.settings.messaging.window
        self.parameters = pika.URLParameters(settings.url)
        url = settings.management_url
        self._policies = None if url is None else Policies(url, self.parameters.virtual_host)
        self._publisher = Publisher(self.parameters, settings.confirm_timeout)

    def setup(self, queues: Sequence[str]) -> list[str]:
        dead = f"{self._settings.prefix}.dead"
        limits: dict[str, Any] = {"dead-letter-exchange": dead, "delivery-limit": self._settings.delivery_limit}
        policies = self._policies
        arguments: dict[str, Any] = {"x-queue-type": "quorum"}
        if policies is None:
            arguments |= {f"x-{name}": value for name, value in limits.items()}
        with self._channel() as channel:
            channel.exchange_declare(dead, exchange_type="fanout", durable=True)
            channel.queue_declare(dead, durable=True, arguments={"x-queue-type": "quorum"})
            channel.queue_bind(dead, dead)
            for queue in queues:
                if policies is None or not self._exists(self.name(queue)):
                    channel.queue_declare(self.name(queue), durable=True, arguments=arguments)
        declared = [f"quorum queue {self.name(queue)}" for queue in sorted(queues)]
        if policies is not None:
            name = policies.put(self._settings.prefix, limits)
            declared.append(f"policy {name}: " + ", ".join(f"{key} {value}" for key, value in limits.items()))
        return [f"exchange and quorum queue {dead} for dead letters", *declared]

    def send(self, parcels: Sequence[Parcel]) -> None:
        self._publisher.publish([self._outgoing(bundle) for bundle in bundled(parcels, self._settings.bundle)])

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

    def _exists(self, name: str) -> bool:
        """Whether there is such a queue, with whatever arguments: one from before the policy keeps its own."""
        with self._channel() as channel:  # of its own, since the answer that there is none closes it
            try:
                channel.queue_declare(name, passive=True)
            except pika.exceptions.ChannelClosedByBroker as error:
                if error.reply_code == _NOT_FOUND:
                    return False
                raise
        return True

    def _outgoing(self, bundle: Sequence[Parcel]) -> Outgoing:
        """CloudEvents' JSON batch format; the headers tell whose each event is, and how many bytes it has."""
        events = [parcel.event.encode() for parcel in bundle]
        headers = {
            "delivery": [parcel.id for parcel in bundle],
            "tenant": [parcel.tenant for parcel in bundle],
            "subscription": [parcel.subscription for parcel in bundle],
            "bytes": [len(event) for event in events],
        }
        properties = pika.BasicProperties(content_type="application/cloudevents-batch+json", delivery_mode=2, headers=headers)
        return self.name(bundle[0].queue), b"[" + b",".join(events) + b"]", properties

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


class _Consumer(Consumer):
    """One connection a queue. What other threads acknowledge is collected and told to the server in one go: a message each
    would cost as much as handling it."""

    def __init__(self, transport: _Transport, queue: str, timeout: float) -> None:
        self._transport = transport
        self._queue = queue
        self._timeout = timeout
        self._inbox: deque[Part] = deque()
        self._done: deque[tuple[int, bool]] = deque()
        self._open = SortedTags()
        try:
            self._connection = pika.BlockingConnection(transport.owner.parameters)
            self._channel = self._connection.channel()
            self._channel.basic_qos(prefetch_count=transport.prefetch)
            self._channel.basic_consume(transport.owner.name(queue), self._arrived)
        except _LOST as error:
            raise ConnectionClosed(error) from None

    def __next__(self) -> MessageProxy | None:
        try:
            self._settle()
            if not self._inbox:
                self._connection.process_data_events(self._timeout)
            if not self._channel.is_open:
                raise pika.exceptions.ChannelWrongStateError("the server closed it")
        except _LOST as error:
            raise ConnectionClosed(error) from None
        return self._inbox.popleft() if self._inbox else None

    def ack(self, message: MessageProxy) -> None:
        self._decide(message, good=True)

    def nack(self, message: MessageProxy) -> None:
        self._decide(message, good=False)

    def close(self) -> None:
        with suppress(*_LOST):
            self._settle()
            self._connection.close()

    def _arrived(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        self._open.add(method.delivery_tag)
        parcels = _parcels(self._queue, properties, body)
        if parcels:
            self._inbox.extend(Bundle(method.delivery_tag, parcels).parts)
        else:
            self._transport.unreadable(self._queue, body)
            self._done.append((method.delivery_tag, True))

    def _decide(self, part: Any, *, good: bool) -> None:
        well = part.bundle.end(part, good=good)
        if well is None:
            return
        self._done.append((part.bundle.receipt, well))
        if len(self._done) * 4 >= self._transport.prefetch:
            with suppress(*_LOST):  # the consumer's thread finds out; RabbitMQ gives the messages to another worker
                self._connection.add_callback_threadsafe(self._settle)

    def _settle(self) -> None:
        """In the consumer's thread: acknowledge what was done, all up to a tag at once where nothing before it is open."""
        good = list[int]()
        while self._done:
            tag, kept = self._done.popleft()
            if kept:
                good.append(tag)
            else:
                self._open.discard(tag)
                self._channel.basic_nack(tag, requeue=False)
        together, single = self._open.settle(good)
        if together is not None:
            self._channel.basic_ack(together, multiple=True)
        for tag in single:
            self._channel.basic_ack(tag)


class SortedTags:
    """The delivery tags that were received and not acknowledged. They come in growing order."""

    def __init__(self) -> None:
        self._tags: dict[int, bool] = {}

    def add(self, tag: int) -> None:
        """A message came."""
        self._tags[tag] = False

    def discard(self, tag: int) -> None:
        """It was rejected by itself."""
        self._tags.pop(tag, None)

    def settle(self, done: Sequence[int]) -> tuple[int | None, list[int]]:
        """Of the tags done: the one up to which all can be acknowledged, and those beyond that need it singly."""
        finished = set(done) & self._tags.keys()
        together = None
        for tag in list(self._tags):
            if tag not in finished:
                break
            finished.discard(tag)
            del self._tags[tag]
            together = tag
        for tag in finished:
            del self._tags[tag]
        return together, sorted(finished)


def _parcels(queue: str, properties: Any, body: bytes) -> list[Parcel]:
    """What is in a message; nothing where it is none of ours."""
    headers = properties.headers or {}
    parcels, begin = list[Parcel](), 1
    try:
        told = zip(*(headers[name] for name in ("delivery", "tenant", "subscription", "bytes")), strict=True)
        for id, tenant, subscription, size in told:
            event = body[begin : begin + size].decode()
            parcels.append(Parcel(int(id), str(tenant), str(subscription), queue, event))
            begin += size + 1
    except (KeyError, TypeError, ValueError):
        return []
    return parcels if begin == len(body) else []
