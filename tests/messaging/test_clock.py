"""Clocks that are set forward or back: nothing waits until one has caught up, and nothing is done twice."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from brickwork.messaging import Event, Retry, handles
from brickwork.messaging.models import DeliveryRow
from brickwork.testing.contracts.broker import until


class Knocked(Event, name="door.knocked", key="door"):
    door: str


@pytest.fixture
def seen():
    return []


@pytest.fixture
def platform(make_platform, frozen_clock, seen):
    platform = make_platform(components=["messaging"], plugins=[], clock=frozen_clock)

    @handles(Knocked, name="open", timeout=30, retry=Retry(attempts=5, first=10, most=40))
    def open_(platform, event):
        seen.append(event.door)
        if event.door == "stuck" and seen.count("stuck") < 3:
            raise RuntimeError("it doesn't open")

    platform.messaging.subscribe(open_)
    return platform


@pytest.fixture
def relay(platform):
    return platform.messaging.relay(["default"])


def knock(platform, *doors, at=None):
    with platform.context(tenant="alpha", actor="user:kim"), platform.transaction() as transaction:
        for door in doors:
            if at is None:
                transaction.publish(Knocked(door=door))
            else:
                platform.messaging.send("open", Knocked(door=door), at=at)


def work(platform, relay):
    """Take and handle what is due, as one relay that goes on running does."""
    parcels = relay.take("default", 100, recent=True)
    for parcel in parcels:
        platform.messaging.consumer.handle(parcel)
    return len(parcels)


def failures(platform):
    with platform.system_context(reason="test"), platform.transaction() as transaction:
        return list(transaction.execute(select(DeliveryRow.failures)).scalars())


@pytest.mark.parametrize("jump", [-86_400, -3600, -5])
def test_what_was_published_before_the_clock_was_set_back_is_due_at_once(platform, relay, frozen_clock, seen, jump):
    knock(platform, "a", "b")
    frozen_clock.jump(seconds=jump)
    knock(platform, "c")
    assert work(platform, relay) == 3
    assert sorted(seen) == ["a", "b", "c"]


def test_a_relay_that_is_started_after_the_clock_was_set_back_finds_it_too(platform, frozen_clock, seen):
    knock(platform, "a")
    frozen_clock.jump(hours=-1)
    worker = platform.messaging.worker(threads=1)
    worker.start()
    try:
        until(lambda: not platform.messaging.backlog())
    finally:
        worker.stop(10)
    assert seen == ["a"]


def test_a_retry_waits_no_longer_than_its_pause_after_the_clock_was_set_back(platform, relay, frozen_clock, seen):
    knock(platform, "stuck")
    assert work(platform, relay) == 1
    frozen_clock.jump(hours=-1)
    assert work(platform, relay) == 0  # the pause of up to ten seconds still counts
    frozen_clock.advance(seconds=10)
    assert work(platform, relay) == 1
    frozen_clock.jump(days=-30)
    assert work(platform, relay) == 0
    frozen_clock.advance(seconds=20)
    assert work(platform, relay) == 1
    assert seen == ["stuck"] * 3
    assert platform.messaging.backlog() == {}


def test_what_is_lost_comes_back_within_a_lease_although_the_clock_was_set_back(platform, relay, frozen_clock, seen):
    knock(platform, "a")
    (lost,) = relay.take("default", 10)
    frozen_clock.jump(hours=-1)
    assert work(platform, relay) == 0
    frozen_clock.advance(seconds=100)  # redelivery and the handler's timeout
    assert work(platform, relay) == 1
    assert seen == ["a"]
    assert not platform.messaging.consumer.handle(lost)


def test_a_time_that_was_named_is_a_time_of_day_and_moves_with_the_clock(platform, relay, frozen_clock, seen):
    named = frozen_clock.now() + timedelta(minutes=10)
    knock(platform, "later", at=named)
    frozen_clock.jump(hours=-1)
    assert work(platform, relay) == 0
    frozen_clock.advance(minutes=69)
    assert work(platform, relay) == 0
    frozen_clock.advance(minutes=1)
    assert work(platform, relay) == 1
    frozen_clock.advance(minutes=1)
    knock(platform, "forward", at=frozen_clock.now() + timedelta(days=1))
    frozen_clock.jump(days=2)
    assert work(platform, relay) == 1


def test_a_clock_set_forward_repeats_what_is_under_way_and_does_nothing_twice(platform, relay, frozen_clock, seen):
    knock(platform, "a")
    (parcel,) = relay.take("default", 10)
    frozen_clock.jump(hours=1)
    (again,) = relay.take("default", 10)  # the lease seems over
    assert failures(platform) == [1]  # one loss of the five that it may have
    assert platform.messaging.consumer.handle(parcel)
    assert not platform.messaging.consumer.handle(again)
    assert seen == ["a"]


def test_clocks_that_go_to_and_fro_bury_nothing(platform, relay, frozen_clock, seen):
    """Each jump forward looks like a loss; a handled event has none, however often the clock is set."""
    for door in "abcdefgh":
        knock(platform, door)
        frozen_clock.jump(hours=1)
        assert work(platform, relay) == 1
        frozen_clock.jump(hours=-1)
        assert work(platform, relay) == 0
    assert seen == list("abcdefgh")
    assert platform.messaging.backlog() == {}
