"""The contract of the circuits' port. A backend's tests subclass `BreakerContract` and give the fixture `breaker_stores`: two
stores that share their circuits as those of two processes do."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from prometheus_client import CollectorRegistry

from brickwork.gateway.breaker import CircuitBreaker
from brickwork.gateway.circuit import CLOSED, BreakerRule, Circuit, State
from brickwork.gateway.port import BreakerStore
from brickwork.testing.contracts.broker import until

Stores = tuple[BreakerStore, BreakerStore]
#: Opens at the first failure, for a moment.
QUICK = BreakerRule(failures=1, open_for=0.2, probes=3)
_OPEN = Circuit(State.OPEN, 1, 1_900_000_000.25)


class BreakerContract:
    """What every store of circuits must do."""

    @pytest.fixture
    def breakers(self, breaker_stores: Stores) -> Iterator[list[CircuitBreaker]]:
        """Two processes of one product, as it were."""
        made = [CircuitBreaker(store, metrics=CollectorRegistry(), refresh=0.05) for store in breaker_stores]
        for breaker in made:
            breaker.declare("up", QUICK)
        yield made
        for breaker in made:
            breaker.close()

    def test_what_was_never_heard_of_is_closed(self, breaker_stores: Stores) -> None:
        assert breaker_stores[0].read("up")[0] == CLOSED
        assert breaker_stores[0].troubled()[0] == {}

    def test_both_processes_read_what_one_has_put(self, breaker_stores: Stores) -> None:
        one, other = breaker_stores
        assert one.swap("up", CLOSED, _OPEN)
        assert other.read("up")[0] == _OPEN
        assert other.troubled()[0] == {"up": _OPEN}
        assert other.read("down")[0] == CLOSED

    def test_nothing_is_put_in_place_of_what_was_not_seen(self, breaker_stores: Stores) -> None:
        one, other = breaker_stores
        assert one.swap("up", CLOSED, _OPEN)
        assert not other.swap("up", CLOSED, Circuit(State.OPEN, 2, 5.0))
        assert not other.swap("up", Circuit(State.OPEN, 1, 1_900_000_000.5), CLOSED)
        assert one.read("up")[0] == _OPEN

    def test_a_closed_circuit_is_forgotten(self, breaker_stores: Stores) -> None:
        one, other = breaker_stores
        one.swap("up", CLOSED, _OPEN)
        assert other.swap("up", _OPEN, CLOSED)
        assert one.troubled()[0] == {}
        assert one.swap("up", CLOSED, _OPEN)

    def test_time_passes_and_is_the_same_for_both(self, breaker_stores: Stores) -> None:
        one, other = breaker_stores
        first, second, third = one.read("up")[1], other.troubled()[1], one.read("up")[1]
        assert 0 <= first <= second <= third

    def test_of_many_swaps_at_once_one_wins(self, breaker_stores: Stores) -> None:
        def swap(number: int) -> bool:
            return breaker_stores[number % 2].swap("up", CLOSED, Circuit(State.OPEN, number + 1, 5.0))

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(swap, range(40))) == 1

    def test_it_tells_that_it_can_be_used(self, breaker_stores: Stores) -> None:
        assert breaker_stores[0].health().ok

    def test_a_circuit_that_one_process_opens_is_open_in_the_other(self, breakers: list[CircuitBreaker]) -> None:
        one, other = breakers
        assert other.admit("up")
        one.declare("up", BreakerRule(failures=1, open_for=60))
        one.failed("up", one.admit("up"))
        assert one.state("up") is State.OPEN
        assert not one.admit("up")
        until(lambda: other.state("up") is State.OPEN, 5)
        assert not other.admit("up")

    def test_just_as_many_probes_pass_as_the_rule_says_in_all_processes_together(self, breakers: list[CircuitBreaker]) -> None:
        one, other = breakers
        other.admit("up")
        one.failed("up", one.admit("up"))
        until(lambda: other.state("up") is State.OPEN, 5)
        until(lambda: one.asks("up") and other.asks("up"), 5)
        probes: list[tuple[CircuitBreaker, int]] = []

        def knock(number: int) -> None:
            turn = breakers[number % 2].admit("up")
            if turn:
                probes.append((breakers[number % 2], turn))

        def knocks() -> bool:
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(knock, range(40)))
            return len(probes) >= 3

        until(knocks, 5)
        knocks()
        assert len(probes) == 3
        for breaker, turn in probes:
            breaker.succeeded("up", turn)
        until(lambda: one.state("up") is other.state("up") is State.CLOSED, 5)
        assert one.admit("up")
        assert other.admit("up")

    def test_a_probe_that_fails_opens_again_for_everybody(self, breakers: list[CircuitBreaker]) -> None:
        one, other = breakers
        other.admit("up")
        one.failed("up", one.admit("up"))
        until(lambda: one.asks("up"), 5)
        turn = one.admit("up")
        assert turn
        one.declare("up", BreakerRule(failures=1, open_for=60, probes=3))
        one.failed("up", turn)
        until(lambda: one.state("up") is other.state("up") is State.OPEN, 5)
        assert not one.admit("up")
