"""Realtime as a product sees it: `platform.realtime`."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from prometheus_client import Counter, Gauge

from brickwork.errors import BrickworkError, NotFoundError, ValidationError
from brickwork.kernel.context import Context
from brickwork.kernel.ids import uuid7
from brickwork.messaging.event import Event
from brickwork.realtime.hub import CHANNEL, Hub
from brickwork.realtime.log import Log
from brickwork.realtime.presence import Presence
from brickwork.realtime.settings import RealtimeSettings
from brickwork.realtime.tickets import Guest, Tickets

if TYPE_CHECKING:
    from brickwork.data import Transaction
    from brickwork.kernel.platform import Platform

Check = Callable[["Platform", str], bool]
#: Seconds between two signals to other processes.
SPACING = 0.005


class TopicDeniedError(BrickworkError):
    """The actor may not listen to this topic."""

    code = "topic_denied"
    status = 403


class Realtime:
    """Messages to topics, as they happen."""

    def __init__(self, platform: "Platform", settings: RealtimeSettings) -> None:
        self.settings = settings
        self._platform = platform
        self._database = platform.database
        self.node = str(uuid7())
        self.connections = Gauge(
            "brickwork_realtime_connections", "Clients", registry=platform.metrics, multiprocess_mode="livesum"
        )
        self.dropped = Counter("brickwork_realtime_dropped", "Clients cut off", ("reason",), registry=platform.metrics)
        self._log = Log(platform.database)
        self.tickets = Tickets(platform.database)
        self.presence = Presence(platform.database, self._log, self.node, settings.presence_seconds)
        self.hub = Hub(platform.database, self._log, self.presence, self.tickets, settings)
        self._checks: dict[str, Check] = {"entity": _may_read, "job": _open, "room": _open}
        self._started = False
        self._ring = threading.Event()
        self._closed = threading.Event()
        self._ringer: threading.Thread | None = None

    def publish(self, topic: str, data: Any) -> None:
        """Send JSON-able `data` to a topic ("room:triage") of the context's tenant, with the current transaction or at once."""
        _check_topic(topic)
        with self._database.transaction() as transaction:
            self._log.append(transaction, topic, "message", data)
            transaction.tells = True

    def authorize(self, prefix: str, check: Check) -> None:
        """Who may listen to topics "prefix:…": `check(platform, topic)` runs in the client's context. The prefixes `job`
        and `room` are open to every actor of a tenant, `entity` to those who may read the records, others to nobody, until this
        is called."""
        self._checks[prefix] = check

    def check(self, topic: str) -> None:
        """Raise `TopicDeniedError` if the context's actor may not listen to `topic`."""
        _check_topic(topic)
        check = self._checks.get(topic.partition(":")[0])
        if check is None or not check(self._platform, topic):
            raise TopicDeniedError(f"topic {topic!r} is not open to you", field="topic")

    @property
    def log(self) -> Log:
        """The log, for those who resume."""
        return self._log

    def context(self, guest: Guest) -> Context:
        """The context in which a guest's requests are answered; raises `UnauthenticatedError` for one who has left."""
        if not guest.checked:
            return Context(tenant=guest.tenant, actor=guest.actor)
        access = self._platform.auth.policies.access(guest.tenant, guest.actor.partition(" via ")[0])
        return Context(guest.tenant, guest.actor, roles=frozenset(access.subject.roles), access=access)

    # -- life ------------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Serve clients in this process."""
        self._started = True
        self.hub.start()

    def close(self) -> None:
        self._closed.set()
        self._ring.set()
        if self._ringer is not None:
            self._ringer.join()
        if self._started:
            self.hub.stop()

    # -- the moments of a transaction --------------------------------------------------------------------------------------

    def _before_commit(self, transaction: "Transaction") -> None:
        for event in transaction.events:
            if isinstance(event, Event):
                self._tell(transaction, event)

    def _tell(self, transaction: "Transaction", event: Event) -> None:
        name, _, verb = event.event_name.partition(".")
        if name == "entity" and self.settings.entity_topics and not transaction.scope.system:
            data = {"event": verb, **event.model_dump(mode="json")}
            kind, id = data.get("type"), data.get("id") or data.get("winner")
            self._log.append(transaction, f"entity:{kind}", "entity", data)
            if id is not None:
                self._log.append(transaction, f"entity:{kind}:{id}", "entity", data)
            transaction.tells = True
        elif event.event_name == "job.progressed":
            data = event.model_dump(mode="json")
            self._log.append(transaction, f"job:{data['run']}", "job", data)
            transaction.tells = True

    def _after_commit(self) -> None:
        """Wake this process's hub, and the others' from a thread: many commits, one signal."""
        if self._started:
            self.hub.wake()
        if self._database.embedded or self._ring.is_set():
            return
        self._ring.set()
        if self._ringer is None:
            self._ringer = threading.Thread(target=self._forward, name="realtime-ring", daemon=True)
            self._ringer.start()

    def _forward(self) -> None:
        while not self._closed.is_set():
            self._ring.wait()
            self._ring.clear()
            with suppress(Exception):  # hubs look by themselves, too
                self._database.backend.signal(self._database.engines, CHANNEL)
            self._closed.wait(SPACING)


def _open(platform: "Platform", topic: str) -> bool:
    return True


def _may_read(platform: "Platform", topic: str) -> bool:
    """Of "entity:patient" who may read every patient, of "entity:patient:ID" who may read that one."""
    access = platform.contexts.current.access
    if access is None:
        return True
    type, _, id = topic.partition(":")[2].partition(":")
    if access.everywhere(f"entities.{type}.read"):
        return True
    if not id or not access.holds(f"entities.{type}.read"):
        return False
    with suppress(NotFoundError):
        return bool(platform.get("entities").get(type, id))
    return False


def _check_topic(topic: str) -> None:
    if not (0 < len(topic) <= 200 and topic.isprintable() and ":" in topic):
        raise ValidationError("a topic takes 3 to 200 printable characters, as entity:patient or room:triage", field="topic")
