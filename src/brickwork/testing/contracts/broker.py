"""The contract of the messaging port. A broker's tests subclass `BrokerContract` and give the fixtures `broker_section` and,
where the broker has a server, `inject`."""

import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from time import monotonic, sleep
from typing import Any

import pytest
from sqlalchemy import select

from brickwork.errors import UnavailableError
from brickwork.kernel.platform import Platform
from brickwork.messaging import Event, Parcel, Retry, handles
from brickwork.messaging.models import DeliveryRow
from brickwork.testing.plugin import PlatformMaker

Inject = Callable[[str, bytes], None]


class Knocked(Event, name="door.knocked", key="door"):
    """Somebody is at a door."""

    door: str
    number: int


def until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    """Wait for `condition`; fail the test if it doesn't come true in time."""
    deadline = monotonic() + seconds
    while not condition():
        if monotonic() > deadline:
            pytest.fail("it didn't come true in time")
        sleep(0.01)


class Notes:
    """What handlers saw, in whatever thread."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []
        self._lock = threading.Lock()

    def add(self, event: Knocked) -> int:
        """Note an event; how often it was seen."""
        with self._lock:
            self.seen.append((event.door, event.number))
            return self.seen.count((event.door, event.number))


class BrokerContract:
    """What every broker must do for brickwork's guarantees to hold. Fixtures of a subclass: `broker_section`, the settings of
    `[messaging]`; `inject(queue, raw)`, which puts bytes into a queue past brickwork, or None where that can't be done."""

    @pytest.fixture
    def inject(self) -> Inject | None:
        """No way past brickwork."""
        return None

    @pytest.fixture
    def notes(self) -> Notes:
        """What the handlers saw."""
        return Notes()

    @pytest.fixture
    def platform(self, make_platform: PlatformMaker, broker_section: Mapping[str, Any], notes: Notes) -> Platform:
        """A platform that uses the broker, with two handlers of a knock."""
        platform = make_platform(messaging={"poll": 0.2, "redelivery": 0.5, "in_server": False, **broker_section})

        @handles(Knocked, name="open", timeout=5.0, retry=Retry(attempts=3, first=0.01, most=0.05))
        def open_(platform: Platform, event: Knocked) -> None:
            if notes.add(event) == 1 and event.door == "stuck":
                raise RuntimeError("it doesn't open")

        @handles(Knocked, name="bark", timeout=5.0, queue="dogs", ordered=True)
        def bark(platform: Platform, event: Knocked) -> None:
            with platform.transaction() as transaction:
                transaction.publish(Barked(door=event.door, number=event.number))

        @handles(Barked, name="sleep", timeout=5.0)
        def sleep_(platform: Platform, event: Barked) -> None:
            barked.append(event.number)

        barked: list[int] = []
        platform.messaging.subscribe(open_, bark, sleep_)
        self.barked = barked
        return platform

    @pytest.fixture
    def working(self, platform: Platform) -> Iterator[Platform]:
        """The platform, with a worker."""
        worker = platform.messaging.worker(threads=3)
        worker.start()
        yield platform
        worker.stop(10)

    def knock(self, platform: Platform, door: str, *numbers: int) -> None:
        """Commit knocks, in one transaction."""
        with platform.context(tenant="alpha", actor="user:kim"), platform.transaction() as transaction:
            for number in numbers:
                transaction.publish(Knocked(door=door, number=number))

    def test_setup_says_what_it_declares_and_can_be_repeated(self, platform: Platform) -> None:
        first = platform.messaging.broker.setup(platform.messaging.queues())
        assert platform.messaging.broker.setup(platform.messaging.queues()) == first

    def test_what_is_committed_is_handled_once_by_each_subscriber(self, working: Platform, notes: Notes) -> None:
        self.knock(working, "front", *range(30))
        until(lambda: not working.messaging.backlog())
        assert sorted(notes.seen) == [("front", number) for number in range(30)]
        assert sorted(self.barked) == list(range(30))

    def test_a_subscriber_that_asks_for_order_gets_it(self, working: Platform) -> None:
        for number in range(12):
            self.knock(working, "front", number)
        until(lambda: not working.messaging.backlog())
        assert sorted(self.barked) == list(range(12))

    def test_what_fails_is_tried_again(self, working: Platform, notes: Notes) -> None:
        self.knock(working, "stuck", 1)
        until(lambda: not working.messaging.backlog())
        assert notes.seen == [("stuck", 1), ("stuck", 1)]

    def test_what_the_broker_repeats_is_handled_once(self, platform: Platform, notes: Notes) -> None:
        worker = platform.messaging.worker(threads=3)
        send = platform.messaging.broker.send
        platform.messaging.broker.send = lambda parcels: send([*parcels, *parcels])  # type: ignore[method-assign]
        worker.start()
        try:
            self.knock(platform, "front", *range(10))
            until(lambda: not platform.messaging.backlog())
        finally:
            worker.stop(10)
        assert sorted(notes.seen) == [("front", number) for number in range(10)]

    def test_what_the_broker_loses_comes_again(self, platform: Platform, notes: Notes) -> None:
        if platform.messaging.broker.local:
            return  # nothing can be lost on the way from the process to itself; a killed process is tested elsewhere
        worker = platform.messaging.worker(threads=3)
        send, lost = platform.messaging.broker.send, list[Parcel]()

        def lose(parcels: Any) -> None:
            if len(lost) < 5:
                lost.extend(parcels)
            else:
                send(parcels)

        platform.messaging.broker.send = lose  # type: ignore[method-assign]
        worker.start()
        try:
            self.knock(platform, "front", *range(5))
            until(lambda: not platform.messaging.backlog(), 30)
        finally:
            worker.stop(10)
        assert lost
        assert sorted(notes.seen) == [("front", number) for number in range(5)]

    def test_what_waits_long_for_a_worker_is_not_taken_for_lost(
        self, make_platform: PlatformMaker, broker_section: Mapping[str, Any]
    ) -> None:
        platform = make_platform(messaging={"poll": 0.1, "redelivery": 0.05, "in_server": False, **broker_section})
        calls = list[int]()

        @handles(Knocked, name="slow", timeout=1.0, retry=Retry(attempts=1))
        def slow(platform: Platform, event: Knocked) -> None:
            calls.append(event.number)
            sleep(0.1)

        platform.messaging.subscribe(slow)
        send, tried = platform.messaging.broker.send, list[bool]()

        def watch(parcels: Any) -> None:
            tried.extend(parcel.tried for parcel in parcels)
            send(parcels)

        platform.messaging.broker.send = watch  # type: ignore[method-assign]
        worker = platform.messaging.worker(threads=1)
        worker.start()
        try:
            self.knock(platform, "front", *range(40))
            until(lambda: not platform.messaging.backlog(), 60)
        finally:
            worker.stop(10)
        assert not any(tried)
        assert sorted(calls) == list(range(40))

    def test_a_failure_in_a_burst_is_its_own(self, working: Platform, notes: Notes) -> None:
        with working.context(tenant="alpha", actor="user:kim"), working.transaction() as transaction:
            for number in range(40):
                transaction.publish(Knocked(door="stuck" if number % 10 == 0 else "front", number=number))
        until(lambda: not working.messaging.backlog())
        assert sorted(number for _, number in notes.seen) == sorted([*range(40), 0, 10, 20, 30])

    def test_a_broker_that_is_away_costs_time_and_nothing_else(self, platform: Platform, notes: Notes) -> None:
        worker = platform.messaging.worker(threads=3)
        send, refusals = platform.messaging.broker.send, [0]

        def refuse(parcels: Any) -> None:
            refusals[0] += 1
            if refusals[0] < 3:
                raise UnavailableError("away")
            send(parcels)

        platform.messaging.broker.send = refuse  # type: ignore[method-assign]
        worker.start()
        try:
            self.knock(platform, "front", 1, 2, 3)
            until(lambda: len(set(notes.seen)) == 3 and not platform.messaging.backlog(), 60)
        finally:
            worker.stop(10)
        assert sorted(set(notes.seen)) == [("front", 1), ("front", 2), ("front", 3)]

    def test_what_no_worker_took_waits_in_the_queue(self, platform: Platform) -> None:
        platform.messaging.broker.setup(platform.messaging.queues())
        self.knock(platform, "front", 1, 2)
        relay = platform.messaging.relay(["default"])
        assert relay.once() == 2
        until(lambda: platform.messaging.broker.depth("default") == 2)

    def test_what_is_no_message_rests_and_stops_nothing(self, working: Platform, inject: Inject | None, notes: Notes) -> None:
        if inject is None:
            return  # there is no queue that a stranger could write to
        inject("default", b"\xff not a message")
        inject("default", b"{}")
        self.knock(working, "front", 1)
        until(lambda: notes.seen == [("front", 1)])
        with working.system_context(reason="test"):
            until(lambda: len(working.messaging.dead.list().items) == 2)
            letters = working.messaging.dead.list().items
        assert {str(letter.event) for letter in letters} == {"{}", "\ufffd not a message"}

    def test_a_publisher_hands_over_itself_once_the_broker_has_answered(self, platform: Platform, notes: Notes) -> None:
        platform.messaging.broker.setup(platform.messaging.queues())
        if platform.messaging.broker.local:
            self.knock(platform, "front", 1)
            assert self.stored(platform) == {"open": False, "bark": False}
            return
        self.answered(platform)
        self.knock(platform, "front", 1)
        assert self.stored(platform) == {"open": True, "bark": False}  # who wants order gets it from a relay
        until(lambda: platform.messaging.broker.depth("default") == 1)
        with platform.context(tenant="alpha", actor="user:kim"), platform.transaction():
            platform.messaging.send("open", Knocked(door="later", number=2), at=platform.clock.now() + timedelta(hours=1))
        worker = platform.messaging.worker(threads=3)
        worker.start()
        try:
            until(lambda: sum(platform.messaging.backlog().values()) == 1 and self.barked == [1])
        finally:
            worker.stop(10)
        assert notes.seen == [("front", 1)]

    def test_a_publisher_gives_back_what_it_cannot_hand_over(self, platform: Platform, notes: Notes) -> None:
        platform.messaging.broker.setup(platform.messaging.queues())
        if platform.messaging.broker.local:
            return  # nothing is handed over
        self.answered(platform)
        send, refused = platform.messaging.broker.send, list[Parcel]()

        def refuse(parcels: Any) -> None:
            refused.extend(parcels)
            raise UnavailableError("away")

        platform.messaging.broker.send = refuse  # type: ignore[method-assign]
        self.knock(platform, "front", 1)
        until(lambda: refused and not any(self.stored(platform).values()))
        assert not platform.messaging.handover.admits(platform.messaging.catalogue.subscriptions["open"], 0)
        platform.messaging.broker.send = send  # type: ignore[method-assign]
        worker = platform.messaging.worker(threads=3)
        worker.start()
        try:
            until(lambda: not platform.messaging.backlog())
        finally:
            worker.stop(10)
        assert notes.seen == [("front", 1)]

    def test_what_a_publisher_took_with_it_comes_when_its_lease_ends(self, platform: Platform, notes: Notes) -> None:
        platform.messaging.broker.setup(platform.messaging.queues())
        if platform.messaging.broker.local:
            return  # nothing is handed over
        self.answered(platform)
        platform.messaging.handover.add = lambda parcels: None  # type: ignore[method-assign] # as if it were killed here
        self.knock(platform, "front", 1)
        worker = platform.messaging.worker(threads=3)
        worker.start()
        try:
            until(lambda: not platform.messaging.backlog())
        finally:
            worker.stop(10)
        assert notes.seen == [("front", 1)]

    def test_closing_sends_what_is_still_to_be_handed_over(self, platform: Platform) -> None:
        platform.messaging.broker.setup(platform.messaging.queues())
        if platform.messaging.broker.local:
            return  # nothing is handed over
        self.answered(platform)
        self.knock(platform, "front", *range(40))
        platform.messaging.handover.close()
        sent = platform.messaging.broker.depth("default")
        until(lambda: 0 < platform.messaging.broker.depth("default") == sent)
        self.knock(platform, "front", 40)
        with platform.system_context(reason="test"), platform.transaction() as transaction:
            taken = select(DeliveryRow.event).where(DeliveryRow.taken)
            assert len(transaction.execute(taken).all()) == 40

    def test_a_publisher_leaves_to_the_relays_what_a_full_queue_has_no_room_for(
        self, make_platform: PlatformMaker, broker_section: Mapping[str, Any]
    ) -> None:
        platform = make_platform(messaging={"window": 3, "in_server": False, **broker_section})

        @handles(Knocked, name="open")
        def open_(platform: Platform, event: Knocked) -> None: ...

        platform.messaging.subscribe(open_)
        platform.messaging.broker.setup(["default"])
        if platform.messaging.broker.local:
            return  # nothing is handed over
        self.answered(platform)

        def left() -> bool:
            """Publish without a pause, until one is left."""
            self.knock(platform, "front", 1)
            with platform.system_context(reason="test"), platform.transaction() as transaction:
                kept = select(DeliveryRow.id).where(DeliveryRow.taken.is_(False))
                return transaction.execute(kept).first() is not None

        until(left)
        assert platform.messaging.broker.depth("default") >= 3

    def answered(self, platform: Platform) -> None:
        """Wait until the publisher knows that the broker is there."""
        wanted = platform.messaging.catalogue.subscriptions["open"]
        until(lambda: platform.messaging.handover.admits(wanted, 0))

    def stored(self, platform: Platform) -> dict[str, bool]:
        """Whether the delivery to each handler is taken, in the database."""
        with platform.system_context(reason="test"), platform.transaction() as transaction:
            rows: Any = transaction.execute(select(DeliveryRow.subscription, DeliveryRow.taken)).all()
        return {name: bool(taken) for name, taken in rows}

    def test_health_tells_that_it_answers(self, platform: Platform) -> None:
        assert platform.messaging.broker.health().ok


class Barked(Event, name="dog.barked", key="door"):
    """A dog heard a knock."""

    door: str
    number: int
