"""Parcels over Redis, by dramatiq's broker."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import redis
from dramatiq import Broker, Consumer, Message, MessageProxy
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer
from dramatiq.errors import DecodeError

from brickwork.errors import UnavailableError
from brickwork.kernel.component import Health
from brickwork.messaging.backends.sql import ACTOR
from brickwork.messaging.bundle import Bundle, Part, bundled
from brickwork.messaging.port import Parcel, Unreadable
from brickwork_redis.settings import RedisMessagingSettings

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform


class RedisMessageBroker:
    """See the module."""

    local = False

    def __init__(self, platform: "Platform", settings: RedisMessagingSettings) -> None:
        self._settings = settings
        self.window: int = platform.settings.messaging.window
        self._client: Any = redis.Redis.from_url(settings.url, socket_connect_timeout=5, health_check_interval=30)

    def setup(self, queues: Sequence[str]) -> list[str]:
        self._reach(self._client.ping)
        return [f"queue {self._settings.prefix}:{queue} (a list, made with the first message)" for queue in sorted(queues)]

    def send(self, parcels: Sequence[Parcel]) -> None:
        # as dramatiq's own script enqueues, but all in one round trip
        pipeline = self._client.pipeline()
        for bundle in bundled(parcels, self._settings.bundle):
            queue = bundle[0].queue
            id, key = str(uuid4()), f"{self._settings.prefix}:{queue}"
            arguments = tuple(parcel.arguments() for parcel in bundle)
            message: Message[Any] = Message(queue, ACTOR, arguments, {}, {"redis_message_id": id})
            pipeline.hset(f"{key}.msgs", id, message.encode())
            pipeline.rpush(key, id)
        self._reach(pipeline.execute)

    def transport(self, unreadable: Unreadable) -> Broker:
        return _Transport(unreadable, self._client, self._settings)

    def depth(self, queue: str) -> int:
        return int(self._reach(self._client.llen, f"{self._settings.prefix}:{queue}"))

    def health(self) -> Health:
        try:
            self.setup([])
        except UnavailableError as error:
            return Health(False, error.message)
        return Health(True, "redis")

    def close(self) -> None:
        self._client.close()

    def _reach(self, function: Any, *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except redis.RedisError as error:
            raise UnavailableError(f"Redis can't be used: {type(error).__name__}") from None


class _Transport(RedisBroker):
    """dramatiq's broker without delay queues: what is to wait, waits in the database."""

    def __init__(self, unreadable: Unreadable, client: Any, settings: RedisMessagingSettings) -> None:
        timeout = int(settings.heartbeat * 1000)
        super().__init__(
            client=client, middleware=[], namespace=settings.prefix, heartbeat_timeout=timeout, maintenance_chance=10_000
        )
        self.unreadable = unreadable

    @property
    def consumer_class(self) -> Any:
        return _Consumer

    def declare_queue(self, queue_name: str) -> None:
        if queue_name not in self.queues:
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)


class _Consumer(_RedisConsumer, Consumer):
    """dramatiq's, but of bundles."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._parts: deque[Part] = deque()

    def __next__(self) -> MessageProxy | None:
        if not self._parts:
            try:
                whole: MessageProxy | None = super().__next__()
            except DecodeError as error:
                self._set_aside(bytes(error.data))
                return None
            if whole is None:
                return None
            self._parts.extend(self._open(whole))
        return self._parts.popleft() if self._parts else None

    def ack(self, message: MessageProxy) -> None:
        self._end(message, good=True)

    def nack(self, message: MessageProxy) -> None:
        self._end(message, good=False)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        bundles = {id(part.bundle): part.bundle for part in (*messages, *self._parts)}
        super().requeue([bundle.receipt for bundle in bundles.values()])

    def _open(self, whole: MessageProxy) -> list[Part]:
        try:
            parcels = [Parcel(*arguments) for arguments in whole.args]
        except TypeError:  # dramatiq's, but no parcels
            self.broker.unreadable(self.queue_name, whole.encode())
            super().ack(whole)
            return []
        return Bundle(whole, parcels).parts

    def _end(self, part: Any, *, good: bool) -> None:
        well = part.bundle.end(part, good=good)
        if well is not None:
            (super().ack if well else super().nack)(part.bundle.receipt)

    def _set_aside(self, raw: bytes) -> None:
        """dramatiq would stumble over it again and again."""
        self.broker.unreadable(self.queue_name, raw)
        key = f"{self.broker.namespace}:{self.queue_name}.msgs"
        for id, data in list(self.broker.client.hscan_iter(key)):
            if data == raw:
                self.broker.do_ack(self.queue_name, id)
