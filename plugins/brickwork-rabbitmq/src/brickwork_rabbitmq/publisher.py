"""Publishing in batches with confirms: pika's blocking connection would wait for the server after every single message."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pika
import pika.exceptions

from brickwork.errors import UnavailableError

Outgoing = tuple[str, bytes, pika.BasicProperties]


class _Batch:
    """Messages that wait for the server's word."""

    def __init__(self, messages: Sequence[Outgoing]) -> None:
        self.messages = messages
        self.missing = set[int]()
        self.fault: str | None = None
        self.done = threading.Event()

    def settle(self, tags: set[int], fault: str | None = None) -> None:
        """The server has decided on these messages."""
        self.fault = self.fault or fault
        self.missing -= tags
        if not self.missing or self.fault:
            self.done.set()


class Publisher:
    """One connection with a thread of its own; made on first use and anew after it broke."""

    def __init__(self, parameters: Any, timeout: float) -> None:
        self._parameters = parameters
        self._timeout = timeout
        self._lock = threading.Lock()
        self._connection: Any = None
        self._channel: Any = None
        self._batch: _Batch | None = None
        self._tag = 0
        self._ready = threading.Event()
        self._closed: str | None = None

    def publish(self, messages: Sequence[Outgoing]) -> None:
        """Returns when the server has stored every message; raises `UnavailableError`."""
        batch = _Batch(messages)
        with self._lock:
            self._open()
            self._connection.ioloop.add_callback_threadsafe(lambda: self._send(batch))
            if not batch.done.wait(self._timeout):
                batch.fault = "it did not confirm in time"
            if batch.fault:
                self._drop()
                raise UnavailableError(f"RabbitMQ did not take the messages: {batch.fault}")

    def count(self, queue: str) -> int:
        """How many messages a queue holds that no consumer has; raises `UnavailableError`, also if there is no such queue."""
        batch, found = _Batch([]), list[int]()

        def ask() -> None:
            self._batch = batch
            if self._closed is not None:
                batch.settle(set(), self._closed)
            else:
                self._channel.queue_declare(queue, passive=True, callback=told)

        def told(frame: Any) -> None:
            found.append(frame.method.message_count)
            batch.done.set()

        with self._lock:
            self._open()
            self._connection.ioloop.add_callback_threadsafe(ask)
            if not batch.done.wait(self._timeout):
                batch.fault = "it did not answer in time"
            if batch.fault:
                self._drop()
                raise UnavailableError(f"RabbitMQ can't tell of queue {queue}: {batch.fault}; try `brickwork messaging setup`")
        return found[0]

    def close(self) -> None:
        """End the connection."""
        with self._lock:
            self._drop()

    # -- in the caller's thread ----------------------------------------------------------------------------------------

    def _open(self) -> None:
        if self._connection is not None and self._closed is None:
            return
        self._drop()
        self._ready.clear()
        self._closed, self._tag = None, 0
        self._connection = pika.SelectConnection(
            self._parameters,
            on_open_callback=lambda connection: connection.channel(on_open_callback=self._prepare),
            on_open_error_callback=lambda _, error: self._broke(f"{type(error).__name__}"),
            on_close_callback=lambda _, error: self._broke(str(error)),
        )
        self._thread = threading.Thread(target=_loop, args=[self._connection], name="rabbitmq-publisher", daemon=True)
        self._thread.start()
        if not self._ready.wait(self._timeout) or self._closed is not None:
            fault = self._closed or "no answer"
            self._drop()
            raise UnavailableError(f"RabbitMQ can't be reached: {fault}")

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.ioloop.add_callback_threadsafe(_ender(connection))
            self._thread.join(self._timeout)

    # -- in the connection's thread ------------------------------------------------------------------------------------

    def _prepare(self, channel: Any) -> None:
        self._channel = channel
        channel.add_on_return_callback(self._returned)
        channel.add_on_close_callback(lambda _, error: self._broke(str(error)))
        channel.confirm_delivery(self._confirmed, callback=lambda _: self._ready.set())

    def _send(self, batch: _Batch) -> None:
        self._batch = batch
        if self._closed is not None:
            batch.settle(set(), self._closed)
            return
        batch.missing = set(range(self._tag + 1, self._tag + len(batch.messages) + 1))
        self._tag += len(batch.messages)
        try:
            for queue, body, properties in batch.messages:
                self._channel.basic_publish("", queue, body, properties, mandatory=True)
        except pika.exceptions.AMQPError as error:
            batch.settle(set(), type(error).__name__)

    def _confirmed(self, frame: Any) -> None:
        if self._batch is None:
            return
        tag, several = frame.method.delivery_tag, frame.method.multiple
        tags = {known for known in self._batch.missing if known <= tag} if several else {tag}
        refused = "it refused them" if isinstance(frame.method, pika.spec.Basic.Nack) else None
        self._batch.settle(tags, refused)

    def _returned(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        if self._batch is not None:
            self._batch.settle(set(), f"there is no queue {method.routing_key}; run `brickwork messaging setup`")

    def _broke(self, why: str) -> None:
        self._closed = self._closed or why
        self._ready.set()
        if self._batch is not None and not self._batch.done.is_set():
            self._batch.settle(set(), why)


def _loop(connection: Any) -> None:
    connection.ioloop.start()
    connection.ioloop.close()


def _ender(connection: Any) -> Callable[[], None]:
    def end() -> None:
        if connection.is_open:
            connection.add_on_close_callback(lambda *_: connection.ioloop.stop())
            connection.close()
        else:
            connection.ioloop.stop()

    return end
