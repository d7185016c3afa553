"""Streams, snapshots and projections, on both databases."""

import threading

import pytest
from pydantic import BaseModel
from sqlalchemy import delete, insert, select, update

from brickwork.errors import ConflictError, ImmutableError, MissingTenantError, NotFoundError, ValidationError
from brickwork.eventstore import Projection
from brickwork.eventstore.models import StoredEventRow
from brickwork.messaging import Event, handles
from brickwork.testing.ward import Tag, component


class Deposited(Event, name="account.deposited"):
    amount: int


class Balance(BaseModel):
    total: int = 0
    entries: int = 0


def apply(balance, event):
    return Balance(total=balance.total + event.amount, entries=balance.entries + 1)


@pytest.fixture
def platform(make_platform):
    platform = make_platform(components=["eventstore", "ward"], plugins=[component])
    platform.messaging.catalogue.add_event(Deposited)
    with platform.context(tenant="alpha", actor="user:kim"):
        yield platform


@pytest.fixture
def store(platform):
    return platform.eventstore


def deposits(*amounts):
    return [Deposited(amount=amount) for amount in amounts]


def test_events_are_appended_and_read_in_order(store):
    assert store.append("account-1", deposits(1, 2)) == 2
    assert store.append("account-1", deposits(3), expected=2) == 3
    read = list(store.read("account-1"))
    assert [(s.version, s.event.amount) for s in read] == [(1, 1), (2, 2), (3, 3)]
    assert [s.event.amount for s in store.read("account-1", after=2)] == [3]
    assert store.version("account-1") == 3
    assert store.version("nowhere") == 0
    assert read[0].cloud.actor == "user:kim"


def test_a_stale_writer_is_refused(store):
    store.append("account-1", deposits(1), expected=0)
    with pytest.raises(ConflictError, match="is at version 1, not 0"):
        store.append("account-1", deposits(2), expected=0)
    assert [s.event.amount for s in store.read("account-1")] == [1]


def test_of_writers_at_once_one_wins(platform, store):
    begun, results = threading.Barrier(4), []

    def write():
        begun.wait()
        with platform.context(tenant="alpha", actor="user:kim"):
            try:
                results.append(store.append("account-1", deposits(1), expected=0))
            except ConflictError:
                results.append(None)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results, key=str) == [1, None, None, None]


def test_positions_have_no_gap_that_fills_later(platform, store):
    def write(n):
        with platform.context(tenant="alpha", actor="user:kim"):
            for _ in range(5):
                store.append(f"account-{n}", deposits(n))

    threads = [threading.Thread(target=write, args=[n]) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [s.position for s in store.read_all()] == list(range(1, 21))


def test_a_rollback_appends_nothing(platform, store):
    with pytest.raises(KeyError), platform.transaction():
        store.append("account-1", deposits(1))
        raise KeyError
    assert store.version("account-1") == 0
    assert store.append("account-1", deposits(5), expected=0) == 1


def test_what_is_appended_is_published(platform, store):
    seen = []

    @handles(Deposited, name="watch")
    def watch(platform, event):
        seen.append(event.amount)

    platform.messaging.subscribe(watch)
    store.append("account-1", deposits(1, 2))
    platform.messaging.drain()
    assert seen == [1, 2]


def test_a_state_is_made_of_its_events(store):
    store.append("account-1", deposits(1, 2, 3))
    loaded = store.load("account-1", Balance, apply)
    assert (loaded.state.total, loaded.version) == (6, 3)
    with pytest.raises(NotFoundError, match="no stream 'nowhere'"):
        store.load("nowhere", Balance, apply)


def test_a_snapshot_saves_reading_and_one_that_no_longer_fits_is_left_aside(store):
    calls = []

    def counting(balance, event):
        calls.append(event.amount)
        return apply(balance, event)

    store.append("account-1", deposits(*[1] * 150))
    assert store.load("account-1", Balance, counting).state.total == 150
    store.append("account-1", deposits(7))
    calls.clear()
    assert store.load("account-1", Balance, counting).state.total == 157
    assert calls == [7]

    class Other(BaseModel):
        total: int = 0
        entries: str = ""

    Other.__module__, Other.__qualname__ = Balance.__module__, Balance.__qualname__
    rebuilt = store.load("account-1", Other, lambda other, event: Other(total=other.total + event.amount))
    assert rebuilt.state.total == 157


def test_tenants_have_streams_of_their_own(platform, store):
    store.append("account-1", deposits(1))
    with platform.context(tenant="beta", actor="user:eve"):
        assert store.version("account-1") == 0
        assert store.read_all() == []
    with platform.contexts.use(type(platform.current)()), pytest.raises(MissingTenantError):
        store.version("account-1")


def test_nonsense_is_refused(store):
    with pytest.raises(ValidationError, match="nothing to append"):
        store.append("account-1", [])
    with pytest.raises(ValidationError, match="1 to 200"):
        store.append("", deposits(1))


class TestProjections:
    @pytest.fixture
    def projection(self, platform, store):
        """A read model in the ward's tags: "generation/amount"."""

        def follow(platform, generation, events):
            with platform.transaction() as transaction:
                for stored in events:
                    transaction.session.add(Tag(name=f"{generation}/{stored.event.amount}"))

        def clear(platform, generation):
            with platform.transaction() as transaction:
                mine = Tag.__table__.c
                transaction.execute(
                    delete(Tag.__table__).where(mine.tenant_id == transaction.tenant, mine.name.like(f"{generation}/%"))
                )

        made = Projection(name="amounts", apply=follow, clear=clear)
        store.projections.add(made)
        return made

    def rows(self, platform):
        with platform.transaction(readonly=True) as transaction:
            return sorted(transaction.session.scalars(select(Tag.name)))

    def test_it_follows_and_reads_nothing_twice(self, platform, store, projection):
        store.append("account-1", deposits(1, 2))
        assert store.projections.advance("amounts") == 2
        assert store.projections.advance("amounts") == 0
        store.append("account-1", deposits(3))
        assert store.projections.advance("amounts") == 1
        assert self.rows(platform) == ["1/1", "1/2", "1/3"]

    def test_a_failure_leaves_mark_and_rows_together(self, platform, store):
        def fail(platform, generation, events):
            with platform.transaction() as transaction:
                transaction.execute(insert(Tag.__table__), {"tenant_id": "alpha", "id": events[0].cloud.id, "name": "half"})
            raise RuntimeError

        store.projections.add(Projection(name="broken", apply=fail, clear=lambda platform, generation: None))
        store.append("account-1", deposits(1))
        with pytest.raises(RuntimeError):
            store.projections.advance("broken")
        assert self.rows(platform) == []

    def test_it_is_rebuilt_while_the_old_one_serves(self, platform, store, projection):
        store.append("account-1", deposits(*range(1, 301)))
        store.projections.advance("amounts")
        seen = []
        apply_ = projection.apply

        def watching(platform, generation, events):
            seen.append((store.projections.generation("amounts"), len([r for r in self.rows(platform) if r.startswith("1/")])))
            apply_(platform, generation, events)

        object.__setattr__(projection, "apply", watching)
        assert store.projections.rebuild("amounts") == 300
        assert seen == [(1, 300), (1, 300)]
        assert store.projections.generation("amounts") == 2
        assert len(self.rows(platform)) == 300
        assert all(name.startswith("2/") for name in self.rows(platform))

    def test_an_unknown_one_is_told(self, store):
        with pytest.raises(NotFoundError, match="known are none"):
            store.projections.advance("amounts")


def test_the_database_refuses_to_change_or_remove_an_event(platform, store):
    store.append("account-1", [Deposited(amount=5)])
    table = StoredEventRow.__table__
    mine = (table.c.tenant_id == "alpha", table.c.stream == "account-1")
    for statement in (update(table).where(*mine).values(event="{}"), delete(table).where(*mine)):
        with pytest.raises(ImmutableError, match="only be appended"), platform.transaction() as transaction:
            transaction.execute(statement)
    assert [stored.event.amount for stored in store.read("account-1")] == [5]
