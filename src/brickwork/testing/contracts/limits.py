"""The contract of the limits' port. A backend's tests subclass `LimitsContract` and give the fixture `limits_section`, the
settings of `[limits]`; two platforms of one test share the store as two processes do."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep
from typing import Any

import pytest

from brickwork.errors import ValidationError
from brickwork.kernel.platform import Platform
from brickwork.limits import Rate, RateLimitedError
from brickwork.limits.port import Count, LimitStore, Pace
from brickwork.testing.contracts.broker import until
from brickwork.testing.plugin import PlatformMaker


class LimitsContract:
    """What every store of rate limits must do."""

    @pytest.fixture
    def platform(self, make_platform: PlatformMaker, limits_section: Mapping[str, Any]) -> Platform:
        """A platform that uses the limits."""
        return make_platform(components=["limits"], migrated=False, limits=limits_section)

    @pytest.fixture
    def neighbour(self, make_platform: PlatformMaker, platform: Platform, limits_section: Mapping[str, Any]) -> Platform:
        """Another process of the same product, as it were."""
        folder = {"data_dir": platform.settings.platform.data_dir}
        database = platform.settings.database.model_dump(exclude_unset=True)
        return make_platform(components=["limits"], database=database, platform=folder, limits=limits_section)

    @pytest.fixture
    def store(self, platform: Platform) -> LimitStore:
        """The bare store."""
        return platform.limits.store

    def test_a_key_advances_as_far_as_it_may_and_no_further(self, store: LimitStore) -> None:
        def advance(key: str, step: float) -> tuple[bool, int]:
            done, ahead = store.advance(key, step, 25)
            return done, round(ahead)

        assert [advance("a:x", 10), advance("a:x", 10), advance("a:x", 10)] == [(True, 10), (True, 20), (False, 20)]
        assert advance("a:x", 0) == (True, 20)
        assert [advance("a:y", 30), advance("a:y", 10)] == [(False, 0), (True, 10)]

    def test_what_is_ahead_melts(self, store: LimitStore) -> None:
        began = monotonic()
        store.advance("a:x", 0.3, 0.3)
        until(lambda: store.advance("a:x", 0.3, 0.3)[0], 5)
        assert monotonic() - began > 0.25

    def test_a_reset_begins_anew(self, store: LimitStore) -> None:
        store.advance("a:x", 25, 25)
        store.reset("a:x")
        assert store.advance("a:x", 25, 25)[0]

    def test_all_is_taken_or_nothing(self, store: LimitStore) -> None:
        wide, narrow, quota = Pace("a:wide", 10, 100), Pace("a:narrow", 10, 15), Count("a:month", 1, 5, 60, floor=0)
        first = store.take([wide, narrow], [quota])
        assert (first.all, [round(ahead) for ahead in first.ahead], first.used) == (True, [10, 10], [1])
        second = store.take([wide, narrow], [quota])
        assert (second.all, [round(ahead) for ahead in second.ahead], second.used) == (False, [10, 10], [1])
        assert store.take([wide], [quota]).used == [2]

    def test_a_full_count_lets_no_pace_advance(self, store: LimitStore) -> None:
        pace, quota = Pace("a:x", 10, 100), Count("a:day", 2, 3, 60, floor=0)
        assert store.take([pace], [quota]).all
        taken = store.take([pace], [quota])
        assert (taken.all, round(taken.ahead[0]), taken.used) == (False, 10, [2])
        assert store.take([], [quota._replace(cost=1)]).used == [3]

    def test_a_count_it_does_not_know_takes_nothing_until_its_floor_is_told(self, store: LimitStore) -> None:
        pace, quota = Pace("a:x", 10, 100), Count("a:day", 1, 10, 60)
        taken = store.take([pace], [quota])
        assert (taken.all, taken.ahead[0], taken.used) == (False, 0, [None])
        assert store.take([pace], [quota._replace(floor=7)]).used == [8]
        assert store.take([pace], [quota._replace(floor=2)]).used == [9], "what it knows counts, not what it is told"

    def test_asking_changes_nothing(self, store: LimitStore) -> None:
        pace, quota = Pace("a:x", 10, 100), Count("a:day", 1, 10, 60, floor=0)
        store.take([pace], [quota])
        for _ in range(3):
            taken = store.take([pace._replace(step=0)], [quota._replace(cost=0)])
            assert (taken.all, round(taken.ahead[0]), taken.used) == (True, 10, [1])

    def test_a_count_is_forgotten_after_its_time(self, store: LimitStore) -> None:
        quota = Count("a:day", 1, 10, 0.2, floor=0)
        store.take([], [quota])
        until(lambda: store.take([], [quota._replace(cost=0, floor=None)]).used == [None], 5)

    def test_of_many_threads_in_all_processes_just_as_many_as_fit_take_all(self, platform: Platform, neighbour: Platform) -> None:
        """The rate lets 40 through and the quota 25; every refused one leaves both as they were."""
        pace, quota = Pace("@{alpha}:user:x", 100, 4000), Count("@{alpha}:day", 1, 25, 60, floor=0)

        def take(number: int) -> bool:
            return (platform, neighbour)[number % 2].limits.store.take([pace], [quota]).all

        with ThreadPoolExecutor(16) as pool:
            assert sum(pool.map(take, range(400))) == 25
        with ThreadPoolExecutor(16) as pool:
            assert sum(pool.map(lambda n: platform.limits.store.take([pace], []).all, range(100))) == 15

    @pytest.mark.parametrize("rate", ["600/1s", "1000/7s", "3333/minute", "7/hour"])
    def test_a_burst_is_exactly_as_large_as_its_rate_says(self, store: LimitStore, rate: str) -> None:
        """However the interval between two is rounded: an hour is added to what melts meanwhile, so that time plays no part."""
        parsed = Rate.parse(rate)
        slow = Rate(parsed.count, parsed.per * 3600)
        assert sum(store.advance("a:x", slow.interval, slow.capacity)[0] for _ in range(parsed.count + 20)) == parsed.count

    def test_it_tells_that_it_can_be_used(self, store: LimitStore) -> None:
        assert store.health().ok

    def test_of_many_at_once_in_all_processes_just_the_burst_passes(self, platform: Platform, neighbour: Platform) -> None:
        def hit(number: int) -> bool:
            made = (platform, neighbour)[number % 2]
            with made.context(tenant="alpha"):
                return made.limits.hit("login:kim", "10/hour").allowed

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(hit, range(60))) == 10

    def test_a_decision_tells_what_is_left(self, platform: Platform) -> None:
        with platform.context(tenant="alpha"):
            decisions = [platform.limits.hit("login:kim", "3/hour") for _ in range(4)]
            assert [decision.allowed for decision in decisions] == [True, True, True, False]
            assert [decision.remaining for decision in decisions] == [2, 1, 0, 0]
            assert decisions[3].retry_after == pytest.approx(1200, abs=10)
            assert decisions[3].reset_after == pytest.approx(3600, abs=10)
            assert platform.limits.peek("login:kim", "3/hour").remaining == 0
            platform.limits.reset("login:kim")
            assert platform.limits.peek("login:kim", "3/hour").remaining == 3

    def test_tenants_are_counted_apart(self, platform: Platform) -> None:
        for tenant in ("alpha", "beta"):
            with platform.context(tenant=tenant):
                assert platform.limits.hit("login:kim", "1/hour").allowed
                assert not platform.limits.hit("login:kim", "1/hour").allowed
        assert platform.limits.hit("login:kim", "1/hour").allowed

    def test_no_window_lets_twice_the_rate_through(self, platform: Platform) -> None:
        """Over any span, at most the burst and what the rate gives in that span."""
        rate = Rate(20, 1.0, burst=5)
        began, passed = monotonic(), 0
        with platform.context(tenant="alpha"):
            while monotonic() - began < 1.5:
                passed += platform.limits.hit("k", rate).allowed
                sleep(0.002)
            span = monotonic() - began
        assert 10 <= passed <= 5 + 20 * span + 1

    def test_a_cost_counts_as_many(self, platform: Platform) -> None:
        with platform.context(tenant="alpha"):
            assert platform.limits.hit("k", "10/hour", cost=8).remaining == 2
            assert not platform.limits.hit("k", "10/hour", cost=3).allowed
            assert platform.limits.hit("k", "10/hour", cost=2).allowed

    def test_require_raises_with_the_time_to_wait(self, platform: Platform) -> None:
        with platform.context(tenant="alpha"):
            platform.limits.require("k", "1/minute")
            with pytest.raises(RateLimitedError, match="too many requests; try again in") as caught:
                platform.limits.require("k", "1/minute")
        assert 55 <= int(str(caught.value.details["retry_after"])) <= 60

    @pytest.mark.parametrize("text", ["", "5", "5/year", "x/minute", "0/minute", "5/0s"])
    def test_what_is_no_rate_is_refused(self, platform: Platform, text: str) -> None:
        with pytest.raises(ValidationError, match="rate"):
            platform.limits.hit("k", text)
