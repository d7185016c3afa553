"""Handlers: effects once, retries, order, limits, dead letters. Time is the test's own; `drain` handles what is due."""

import contextlib
from uuid import uuid4

import attrs
import pytest
from sqlalchemy import func, select

from brickwork.errors import ConflictError, MissingTenantError, NotFoundError, ValidationError
from brickwork.messaging import DeadLettersGrew, Event, Retry, handles
from brickwork.messaging.models import DeliveryRow
from brickwork.testing.ward import Tag, component


class Knocked(Event, name="door.knocked", version=2, key="door"):
    door: str
    number: int = 0


@pytest.fixture
def platform(make_platform, frozen_clock):
    return make_platform(plugins=[component], clock=frozen_clock, messaging={"dead_letter_alarm": 2})


def knock(platform, *doors, tenant="alpha"):
    with platform.context(tenant=tenant, actor="user:kim"), platform.transaction() as transaction:
        for number, door in enumerate(doors):
            transaction.publish(Knocked(door=door, number=number))


def tags(platform, tenant="alpha"):
    with platform.context(tenant=tenant, actor="user:kim"), platform.transaction(readonly=True) as transaction:
        return sorted(transaction.session.scalars(select(Tag.name)))


def waiting(platform):
    return sum(platform.messaging.backlog().values())


class Fault:
    """A handler that writes a tag and then fails as often as it is told to."""

    def __init__(self, platform, *, times=10**6, error=RuntimeError, **options):
        self.left, self.error = times, error
        self.calls = []
        retry = options.pop("retry", Retry(attempts=3, first=10, most=15))

        @handles(Knocked, name="tagger", retry=retry, **options)
        def tagger(platform, event):
            self.calls.append(event.door)
            with platform.transaction() as transaction:
                transaction.session.add(Tag(name=f"{event.door}-{event.number}"))
            if self.left > 0:
                self.left -= 1
                raise self.error("the door is stuck")

        platform.messaging.subscribe(tagger)


def test_a_failed_handler_leaves_nothing_and_succeeds_later(platform, frozen_clock):
    fault = Fault(platform, times=2)
    knock(platform, "front")
    assert platform.messaging.drain() == 0
    assert tags(platform) == []
    assert platform.messaging.drain() == 0  # it isn't due yet
    assert len(fault.calls) == 1
    frozen_clock.advance(seconds=15)
    assert platform.messaging.drain() == 0
    frozen_clock.advance(seconds=15)
    assert platform.messaging.drain() == 1
    assert tags(platform) == ["front-0"]
    assert waiting(platform) == 0


@pytest.mark.parametrize("error", [RuntimeError, SystemExit, KeyboardInterrupt, MemoryError])
def test_after_the_last_attempt_it_rests_with_its_history(platform, frozen_clock, error):
    Fault(platform, error=error)
    knock(platform, "front")
    for _ in range(3):
        platform.messaging.drain()
        frozen_clock.advance(seconds=20)
    assert waiting(platform) == 0
    with platform.context(tenant="alpha", actor="user:kim"):
        (letter,) = platform.messaging.dead.list().items
    assert letter.subscription == "tagger"
    assert letter.event["data"] == {"door": "front", "number": 0}
    assert [entry["error"] for entry in letter.history] == [f"{error.__name__}: the door is stuck"] * 3
    assert "tagger" in letter.history[0]["traceback"]
    assert tags(platform) == []


def test_a_poison_event_does_not_hold_up_the_others(platform):
    @handles(Knocked, name="picky")
    def picky(platform, event):
        if event.door == "poison":
            raise ValueError("bad")
        with platform.transaction() as transaction:
            transaction.session.add(Tag(name=event.door))

    platform.messaging.subscribe(picky)
    knock(platform, "a", "poison", "b", "c")
    assert platform.messaging.drain() == 3
    assert tags(platform) == ["a", "b", "c"]


def test_order_within_a_key_survives_a_failure(platform, frozen_clock):
    fault = Fault(platform, times=1, ordered=True)
    knock(platform, "front", "front", "back", "front")
    platform.messaging.drain()
    assert fault.calls == ["front", "back"]  # the failed one holds back its own key only
    frozen_clock.advance(seconds=20)
    platform.messaging.drain()
    assert tags(platform) == ["back-2", "front-0", "front-1", "front-3"]


def test_what_waited_long_for_its_predecessor_is_found_at_once(platform, frozen_clock):
    """A relay looks at what became due lately only, but what keeps an order became due long before it may be taken."""

    @handles(Knocked, name="open", ordered=True)
    def open_(platform, event): ...

    platform.messaging.subscribe(open_)
    knock(platform, *["a"] * 5)
    frozen_clock.advance(seconds=600)
    relay = platform.messaging.relay(["default"])
    for _ in range(5):
        (parcel,) = relay.take("default", 100, recent=True)
        assert platform.messaging.consumer.handle(parcel)


def test_what_became_due_is_found_also_where_a_relay_looks_at_the_latest_only(platform, frozen_clock):
    @handles(Knocked, name="open")
    def open_(platform, event): ...

    platform.messaging.subscribe(open_)
    relay = platform.messaging.relay(["default"])
    for _ in range(3):
        knock(platform, "a", "b")
        frozen_clock.advance(seconds=1)
        assert len(relay.take("default", 100, recent=True)) == 2


def test_a_dead_letter_lets_the_rest_of_its_key_go_on(platform, frozen_clock):
    Fault(platform, times=3, ordered=True)
    knock(platform, "front", "front")
    for _ in range(4):
        platform.messaging.drain()
        frozen_clock.advance(seconds=20)
    assert tags(platform) == ["front-1"]


def test_a_limit_holds_over_all_relays(platform):
    Fault(platform, times=0, concurrency=2)
    knock(platform, "a", "b", "c", "d")
    one, two = platform.messaging.relay(["default"]), platform.messaging.relay(["default"])
    taken = one.take("default", 10)
    assert len(taken) == 2
    assert two.take("default", 10) == []
    for parcel in taken:
        assert platform.messaging.consumer.handle(parcel)
    assert len(two.take("default", 10)) == 2


def test_what_was_taken_and_never_came_back_is_taken_again_and_counted(platform, frozen_clock):
    Fault(platform, times=0)
    knock(platform, "front")
    relay = platform.messaging.relay(["default"])
    (parcel,) = relay.take("default", 10)
    assert relay.take("default", 10) == []
    frozen_clock.advance(seconds=600)
    (again,) = relay.take("default", 10)
    assert again == attrs.evolve(parcel, tried=True)
    with platform.system_context(reason="test"), platform.transaction() as transaction:
        assert transaction.execute(select(DeliveryRow.failures)).scalar_one() == 1
    assert platform.messaging.consumer.handle(parcel)
    assert not platform.messaging.consumer.handle(again)  # handled once, whoever still has it
    assert tags(platform) == ["front-0"]


def test_a_process_killer_ends_among_the_dead(platform, frozen_clock):
    fault = Fault(platform, times=0)
    knock(platform, "front")
    relay = platform.messaging.relay(["default"])
    for _ in range(5):
        assert len(relay.take("default", 10)) == 1  # the process that took it dies each time
        frozen_clock.advance(seconds=600)
    assert platform.messaging.drain() == 0
    assert fault.calls == []
    with platform.context(tenant="alpha", actor="user:kim"):
        (letter,) = platform.messaging.dead.list().items
    assert "process" in letter.error


def test_a_handler_without_a_transaction_sees_no_open_one(platform):
    seen = []

    @handles(Knocked, name="caller", transactional=False)
    def caller(platform, event):
        seen.append(platform.database._joinable())

    platform.messaging.subscribe(caller)
    knock(platform, "front")
    assert platform.messaging.drain() == 1
    assert seen == [None]
    assert waiting(platform) == 0


def test_a_failure_that_a_handler_catches_fails_it_all_the_same(platform):
    """Blocks inside a handler are no savepoints, so half of one can't be kept."""

    @handles(Knocked, name="careless")
    def careless(platform, event):
        try:
            with platform.transaction() as transaction:
                transaction.session.add(Tag(name="half"))
                raise KeyError
        except KeyError:
            pass

    platform.messaging.subscribe(careless)
    knock(platform, "front")
    assert platform.messaging.drain() == 0
    assert tags(platform) == []


def test_an_event_of_the_system_is_handled_in_the_systems_context(platform):
    seen = []

    @handles(Knocked, name="system")
    def system(platform, event):
        seen.append((platform.current.system, platform.current.reason))

    platform.messaging.subscribe(system)
    with platform.system_context(reason="nightly"), platform.transaction() as transaction:
        transaction.publish(Knocked(door="gate"))
    assert platform.messaging.drain() == 1
    assert seen[0][0]
    assert "door.knocked" in seen[0][1]


class TestDeadLetters:
    @pytest.fixture
    def letters(self, platform, frozen_clock):
        self.fault = Fault(platform, retry=Retry(attempts=1))
        knock(platform, "a", "b", "c")
        knock(platform, "theirs", tenant="beta")
        platform.messaging.drain()
        return platform.messaging.dead

    @pytest.fixture
    def alpha(self, platform, letters):
        with platform.context(tenant="alpha", actor="user:ann"):
            yield letters

    def test_they_are_listed_in_pages_and_by_filter(self, alpha):
        first = alpha.list(limit=2)
        assert len(first.items) == 2
        rest = alpha.list(limit=2, cursor=first.cursor)
        assert len(rest.items) == 1
        assert rest.cursor is None
        assert alpha.list(subscription="other").items == []
        assert len(alpha.list(event="door.knocked").items) == 3
        assert alpha.counts() == {"tagger": 3}

    def test_another_tenants_are_out_of_reach(self, platform, letters):
        with platform.context(tenant="beta", actor="user:eve"):
            (theirs,) = letters.list().items
        with platform.context(tenant="alpha", actor="user:ann"):
            with pytest.raises(NotFoundError):
                letters.get(theirs.id)
            with pytest.raises(NotFoundError):
                letters.replay([theirs.id])
            assert letters.discard([theirs.id], reason="mine") == 0
        with pytest.raises(MissingTenantError):
            letters.list()

    def test_one_is_edited_and_replayed(self, platform, alpha):
        self.fault.left = 0
        letter = alpha.list().items[0]
        edited = alpha.edit(letter.id, {"door": "mended", "number": 7})
        assert edited.event["data"]["door"] == "mended"
        assert alpha.replay([letter.id]) == 1
        assert platform.messaging.drain() == 1
        assert tags(platform) == ["mended-7"]
        after = alpha.get(letter.id)
        assert (after.status, after.decided_by) == ("replayed", "user:ann")
        with pytest.raises(NotFoundError, match="none of these"):
            alpha.replay([letter.id])
        with pytest.raises(ConflictError, match="was replayed"):
            alpha.edit(letter.id, {"door": "again"})

    def test_an_edit_that_does_not_fit_the_event_is_refused(self, alpha):
        with pytest.raises(Exception, match="door"):
            alpha.edit(alpha.list().items[0].id, {"number": 1})

    def test_all_of_a_handler_are_replayed(self, platform, alpha):
        self.fault.left = 0
        assert alpha.replay(subscription="tagger") == 3
        assert platform.messaging.drain() == 3
        assert tags(platform) == ["a-0", "b-1", "c-2"]

    def test_discarding_takes_a_reason_and_is_audited(self, platform, alpha):
        with pytest.raises(ValidationError, match="reason"):
            alpha.discard(subscription="tagger", reason=" ")
        with pytest.raises(ValidationError, match="say what"):
            alpha.discard(reason="all of it")
        assert alpha.discard(subscription="tagger", reason="a drill") == 3
        assert alpha.list().items == []
        entries = platform.audit.entries(entity="message_dead", action="update").items
        assert {entry.after["status"] for entry in entries} == {"discarded"}
        assert all("event" not in entry.after for entry in entries)

    def test_one_that_is_not_there_is_told(self, alpha):
        with pytest.raises(NotFoundError):
            alpha.get(uuid4())

    def test_a_growing_queue_is_told_of(self, platform, frozen_clock):
        told = []

        @handles(DeadLettersGrew, name="page-somebody")
        def page(platform, event):
            told.append((event.subscription, event.resting))

        platform.messaging.subscribe(page)
        Fault(platform, retry=Retry(attempts=1))
        knock(platform, *"abcdefghi")
        platform.messaging.drain()
        assert told == [("tagger", 2), ("tagger", 4), ("tagger", 8)]

    def test_decided_ones_are_forgotten_in_the_end(self, platform, alpha, frozen_clock):
        alpha.discard(subscription="tagger", reason="a drill")
        frozen_clock.advance(days=91)
        assert alpha.expire() == 3
        with platform.context(tenant="beta", actor="user:eve"):
            assert len(alpha.list().items) == 1


def test_an_unknown_version_rests_at_once(platform, monkeypatch):
    Fault(platform, times=0)
    monkeypatch.setattr(Knocked, "event_version", 3)
    knock(platform, "front")
    monkeypatch.undo()
    platform.messaging.drain()
    with platform.context(tenant="alpha", actor="user:kim"):
        assert "newer than this code" in platform.messaging.dead.list().items[0].error


def test_two_that_publish_one_key_at_once_keep_its_order(platform):
    """A second publisher of a key waits for the first one's commit, so ids and commits agree."""
    import threading

    Fault(platform, times=0, ordered=True)
    begun = threading.Barrier(4)

    def publish(n):
        begun.wait()
        for _ in range(5):
            knock(platform, "front")

    threads = [threading.Thread(target=publish, args=[n]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with platform.system_context(reason="test"), platform.transaction() as transaction:
        assert transaction.execute(select(func.count()).select_from(DeliveryRow)).scalar_one() == 20


class Rung(Event, name="bell.rung"):
    door: str


def test_what_is_sent_in_a_savepoint_that_is_undone_is_undone_with_it(make_platform):
    heard = []

    @handles(Rung, name="listen")
    def listen(platform, event):
        heard.append(event.door)

    platform = make_platform(components=["messaging"], plugins=[])
    platform.messaging.subscribe(listen)
    with platform.context(tenant="north", actor="user:ito"), platform.transaction() as transaction:
        platform.messaging.send("listen", Rung(door="front"))
        with contextlib.suppress(RuntimeError), transaction.savepoint():
            platform.messaging.send("listen", Rung(door="cellar"))
            raise RuntimeError
    platform.messaging.drain()
    assert heard == ["front"]
