"""Circuits open, are probed and close; embedded ones between processes; broken stores that show that the contract bites."""

import subprocess
import sys
import textwrap
from contextlib import ExitStack

import attrs
import pytest
from prometheus_client import CollectorRegistry

from brickwork.errors import UnavailableError, ValidationError
from brickwork.gateway.backends.embedded import EmbeddedBreakers
from brickwork.gateway.breaker import CircuitBreaker
from brickwork.gateway.circuit import CLOSED, BreakerRule, Circuit, State
from brickwork.gateway.window import Window
from brickwork.kernel.component import ComponentSettings
from brickwork.testing.contracts.breaker import QUICK, BreakerContract
from brickwork.testing.contracts.broker import until


@pytest.fixture
def database_kind():
    """Circuits lie beside the database, whichever it is."""
    return "sqlite"


@pytest.fixture
def breaker_stores(make_platform):
    platform = make_platform(components=["database"], migrated=False)
    made = tuple(EmbeddedBreakers(platform, ComponentSettings()) for _ in range(2))
    yield made
    for store in made:
        store.close()


@pytest.fixture
def make_breaker(breaker_stores):
    made = []

    def make(store=None, refresh=0.05, **rule):
        breaker = CircuitBreaker(store or breaker_stores[0], metrics=CollectorRegistry(), refresh=refresh)
        breaker.declare("up", BreakerRule(**rule))
        made.append(breaker)
        return breaker

    yield make
    for breaker in made:
        breaker.close()


class TestEmbedded(BreakerContract):
    pass


class Overwrites(EmbeddedBreakers):
    """Doesn't compare before it swaps."""

    def swap(self, key, seen, new):
        return super().swap(key, self.read(key)[0], new)


class Remembers(EmbeddedBreakers):
    """Keeps closed circuits among the troubled."""

    def swap(self, key, seen, new):
        return super().swap(key, seen, new if new != CLOSED else Circuit(State.CLOSED, 1))


class Apart(EmbeddedBreakers):
    """Each process sees its own."""

    def read(self, key):
        return super().read(f"{id(self)}{key}")

    def swap(self, key, seen, new):
        return super().swap(f"{id(self)}{key}", seen, new)


@pytest.mark.parametrize(
    "broken, rule",
    [
        (Overwrites, BreakerContract.test_nothing_is_put_in_place_of_what_was_not_seen),
        (Overwrites, BreakerContract.test_of_many_swaps_at_once_one_wins),
        (Remembers, BreakerContract.test_a_closed_circuit_is_forgotten),
        (Apart, BreakerContract.test_both_processes_read_what_one_has_put),
    ],
)
def test_a_broken_store_fails_the_rule_that_it_breaks(make_platform, broken, rule):
    platform = make_platform(components=["database"], migrated=False)
    stores = tuple(broken(platform, ComponentSettings()) for _ in range(2))
    with pytest.raises(AssertionError):
        rule(BreakerContract(), stores)
    for store in stores:
        store.close()


class Generous(EmbeddedBreakers):
    """Forgets the probes that it gave out."""

    def swap(self, key, seen, new):
        return EmbeddedBreakers.swap(self, key, EmbeddedBreakers.read(self, key)[0], new)

    def read(self, key):
        circuit, now = super().read(key)
        return attrs.evolve(circuit, given=0), now


def test_a_store_that_gives_out_more_probes_fails_the_rule_on_them(make_platform):
    platform = make_platform(components=["database"], migrated=False)
    breakers = [
        CircuitBreaker(Generous(platform, ComponentSettings()), metrics=CollectorRegistry(), refresh=0.05) for _ in range(2)
    ]
    for breaker in breakers:
        breaker.declare("up", QUICK)
    with pytest.raises(AssertionError, match="== 3"):
        BreakerContract.test_just_as_many_probes_pass_as_the_rule_says_in_all_processes_together(BreakerContract(), breakers)
    for breaker in breakers:
        breaker.close()


def test_few_failures_among_many_calls_open_nothing(make_breaker):
    breaker = make_breaker(failures=3, failure_ratio=0.5, open_for=60)
    for _ in range(10):
        breaker.succeeded("up", breaker.admit("up"))
    for _ in range(9):
        breaker.failed("up", breaker.admit("up"))
    assert breaker.state("up") is State.CLOSED
    breaker.failed("up", breaker.admit("up"))
    assert breaker.state("up") is State.OPEN


def test_a_window_forgets_what_is_older_than_it():
    window = Window(10)
    for second in range(20):
        window.add(second, failed=second < 10)
    assert (window.total, window.failed) == (10, 0)


def test_what_was_admitted_before_it_opened_is_no_probe(make_breaker):
    """A late failure doesn't open it again, a late success doesn't close it."""
    breaker = make_breaker(failures=1, open_for=0.05, probes=1)
    late, also_late = breaker.admit("up"), breaker.admit("up")
    breaker.failed("up", breaker.admit("up"))
    turns = []
    until(lambda: turns.append(breaker.admit("up")) or turns[-1], 5)
    assert breaker.state("up") is State.HALF_OPEN
    breaker.failed("up", late)
    breaker.succeeded("up", also_late)
    breaker.refresh()
    assert breaker.state("up") is State.HALF_OPEN
    breaker.succeeded("up", turns[-1])
    until(lambda: breaker.state("up") is State.CLOSED, 5)


def test_probes_of_a_process_that_died_are_given_out_again(make_breaker):
    breaker = make_breaker(failures=1, open_for=0.05, probes=1, probe_timeout=0.2)
    breaker.failed("up", breaker.admit("up"))
    until(lambda: breaker.admit("up"), 5)  # and nothing is heard of it
    until(lambda: breaker.admit("up"), 5)


def test_a_probe_that_is_given_up_leaves_its_turn_to_another_at_once(make_breaker):
    breaker = make_breaker(failures=1, open_for=0.05, probes=1, probe_timeout=600)
    breaker.failed("up", breaker.admit("up"))
    turns = []
    until(lambda: turns.append(breaker.admit("up")) or turns[-1], 5)
    assert not breaker.admit("up")
    breaker.gave_up("up", turns[-1])
    until(lambda: turns.append(breaker.admit("up")) or turns[-1], 5)
    assert not breaker.admit("up")  # one turn was given back, and one was taken
    breaker.succeeded("up", turns[-1])
    until(lambda: breaker.state("up") is State.CLOSED, 5)


def test_what_is_given_up_says_nothing_of_a_closed_circuit_or_of_another_time(make_breaker):
    breaker = make_breaker(failures=1, open_for=0.05, probes=1, probe_timeout=600)
    early = breaker.admit("up")
    breaker.gave_up("up", early)
    assert breaker.state("up") is State.CLOSED
    breaker.failed("up", breaker.admit("up"))
    until(lambda: breaker.admit("up"), 5)
    breaker.gave_up("up", early)
    breaker.refresh()
    assert not breaker.admit("up")


def test_a_call_that_breaks_off_after_a_good_beginning_is_one_failure(make_breaker):
    """Counted as one call and not as two, so that a rule on all calls can be broken by such ones alone."""
    breaker = make_breaker(failures=3, failure_ratio=1.0, open_for=60)
    for left in (2, 1, 0):
        turn = breaker.admit("up")
        breaker.succeeded("up", turn)
        assert breaker.state("up") is State.CLOSED
        breaker.broke_off("up", turn)
        assert (breaker.state("up") is State.OPEN) == (left == 0)


def test_an_open_circuit_asks_the_store_nothing(make_breaker, breaker_stores, monkeypatch):
    breaker = make_breaker(refresh=60, failures=1, open_for=60)
    assert breaker.admit("up")
    breaker.failed("up", breaker.admit("up"))
    until(lambda: breaker_stores[1].troubled()[0], 5)
    for name in ("read", "swap", "troubled"):
        monkeypatch.setattr(breaker_stores[0], name, lambda *arguments: pytest.fail("the store was asked"))
    assert not breaker.asks("up")
    assert not any(breaker.admit("up") for _ in range(100))
    assert breaker.admit("another")


class Gone:
    """A store whose server is away."""

    def __getattr__(self, name):
        def away(*arguments):
            raise UnavailableError("the server is gone")

        return (lambda: None) if name == "close" else away


class Refuses(EmbeddedBreakers):
    """Never puts anything."""

    def swap(self, key, seen, new):
        return False


def test_a_store_that_refuses_every_change_is_not_asked_for_ever(make_platform, make_breaker):
    platform = make_platform(components=["database"], migrated=False)
    breaker = make_breaker(Refuses(platform, ComponentSettings()), refresh=60, failures=1, open_for=0.05, probes=1)
    breaker.failed("up", breaker.admit("up"))
    until(lambda: breaker.admit("up"), 5)


def test_without_its_store_a_process_decides_alone(make_breaker):
    breaker = make_breaker(Gone(), refresh=60, failures=2, open_for=0.05, probes=2)
    for _ in range(2):
        breaker.failed("up", breaker.admit("up"))
    assert breaker.state("up") is State.OPEN
    until(lambda: breaker.asks("up"), 5)
    probes = [breaker.admit("up") for _ in range(5)]
    assert sum(map(bool, probes)) == 2
    for turn in probes[:2]:
        breaker.succeeded("up", turn)
    until(lambda: breaker.state("up") is State.CLOSED, 5)


def test_a_store_that_holds_garbage_opens_and_closes_nothing(make_breaker, breaker_stores):
    breaker = make_breaker(failures=1, open_for=60)
    breaker.admit("up")
    with breaker_stores[0]._file.writing() as connection:
        connection.execute("INSERT INTO circuit VALUES ('up', 'who knows')")
    with pytest.raises(UnavailableError, match="'who knows', which is no circuit"):
        breaker.refresh()
    assert breaker.admit("up")
    breaker.failed("up", breaker.admit("up"))
    assert breaker.state("up") is State.OPEN


def test_a_circuit_that_nobody_tries_any_more_is_forgotten(make_breaker, breaker_stores):
    now = breaker_stores[0].read("gone")[1]
    breaker_stores[0].swap("gone", CLOSED, Circuit(State.OPEN, 1, now - 90_000))
    breaker_stores[0].swap("lately", CLOSED, Circuit(State.OPEN, 1, now - 80_000))
    make_breaker().refresh()
    assert set(breaker_stores[1].troubled()[0]) == {"lately"}


def test_what_is_forgotten_is_closed_and_leaves_no_figures(make_breaker):
    breaker = make_breaker(failures=1, open_for=60)
    turn = breaker.admit("up")
    breaker.failed("up", turn)
    assert not breaker.admit("up")
    breaker.forget("up")
    breaker.forget("up")
    breaker.failed("up", turn)
    assert breaker.state("up") is State.CLOSED
    assert not next(iter(breaker._level.collect())).samples
    assert not next(iter(breaker._refused.collect())).samples


@pytest.mark.parametrize("rule", [{"failures": 0}, {"failure_ratio": 1.5}, {"open_for": -1}, {"probes": 0}, {"window": 0}])
def test_a_rule_that_makes_no_sense_is_refused(rule):
    with pytest.raises(ValidationError, match=next(iter(rule))):
        BreakerRule(**rule)


PROCESS = """
import sys, time
from prometheus_client import CollectorRegistry
from brickwork import Platform
from brickwork.gateway.backends.embedded import EmbeddedBreakers
from brickwork.gateway.breaker import CircuitBreaker
from brickwork.gateway.circuit import BreakerRule
from brickwork.kernel.component import ComponentSettings
with Platform(["database"], settings={"database": {"url": sys.argv[1]}, "platform": {"data_dir": sys.argv[2]}}) as platform:
    breaker = CircuitBreaker(EmbeddedBreakers(platform, ComponentSettings()), metrics=CollectorRegistry(), refresh=0.05)
    breaker.declare("up", BreakerRule(failures=1, open_for=3, probes=5))
    breaker.admit("up")
    breaker.refresh()
    print(breaker.state("up"), flush=True)
    sys.stdin.readline()
    end, passed = time.monotonic() + 4.5, 0
    while time.monotonic() < end:
        passed += bool(breaker.admit("up"))
        time.sleep(0.001)
    print(passed, flush=True)
    breaker.close()
"""


def test_four_processes_together_let_just_five_probes_pass(make_platform, breaker_stores):
    platform = make_platform(components=["database"], migrated=False)
    store = EmbeddedBreakers(platform, ComponentSettings())
    store.swap("up", CLOSED, Circuit(State.OPEN, 1, store.read("up")[1]))
    folder = str(platform.settings.platform.data_dir)
    command = [sys.executable, "-c", textwrap.dedent(PROCESS), platform.settings.database.url, folder]
    with ExitStack() as stack:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        processes = [stack.enter_context(subprocess.Popen(command, **pipes)) for _ in range(4)]
        assert [process.stdout.readline().strip() for process in processes] == ["open"] * 4
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        assert sum(int(process.communicate()[0]) for process in processes) == 5
    store.close()
