"""The contract of the cache's port. A backend's tests subclass `CacheContract` and give the fixture `cache_section`, the settings
of `[cache]`; two platforms of one test share the store as two processes do."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from time import sleep
from typing import Any

import pytest

from brickwork.cache.port import CHANGING, CacheStore, slot_of
from brickwork.errors import MissingTenantError
from brickwork.kernel.platform import Platform
from brickwork.testing.contracts.broker import until
from brickwork.testing.plugin import PlatformMaker

Loader = Callable[[], str]
BOTH, SHARED = "both", "shared"


class CacheContract:
    """What every cache must do, whatever keeps its values."""

    @pytest.fixture
    def platform(self, make_platform: PlatformMaker, cache_section: Mapping[str, Any]) -> Platform:
        """A platform that uses the cache."""
        strategies = {
            BOTH: {"ttl": 60},
            SHARED: {"ttl": 60, "tiers": "shared"},
            "strict": {"ttl": 60, "strict": True},
            "brief": {"ttl": 0.15, "tiers": "shared"},
            "graceful": {"ttl": 0.15, "stale": 30, "tiers": "shared"},
        }
        return make_platform(components=["cache", "messaging"], cache={"strategies": strategies, **cache_section})

    @pytest.fixture
    def neighbour(self, make_platform: PlatformMaker, platform: Platform) -> Platform:
        """Another process of the same product, as it were."""
        database = platform.settings.database.model_dump(exclude_unset=True)
        folder = {"data_dir": platform.settings.platform.data_dir}
        section = platform.settings.cache.model_dump(exclude_unset=True)
        return make_platform(components=["cache", "messaging"], database=database, platform=folder, cache=section)

    @pytest.fixture
    def store(self, platform: Platform) -> CacheStore:
        """The bare store."""
        made: CacheStore = platform.backend("cache", platform.settings.cache.backend)
        return made

    # -- the store -------------------------------------------------------------------------------------------------------

    def test_an_entry_is_found_until_its_time_is_over(self, store: CacheStore) -> None:
        store.keep("alpha:r:k", b"one", 0.2)
        assert store.look("alpha:r:k", []).entry == b"one"
        until(lambda: store.look("alpha:r:k", []).entry is None, 5)

    def test_a_version_stays_until_it_changes_and_never_comes_back(self, store: CacheStore) -> None:
        slot = slot_of("alpha", "thing:1")
        seen = {store.look("k", [slot]).versions}
        assert store.look("k", [slot]).versions in seen
        for _ in range(20):
            store.change([slot])
            versions = store.look("k", [slot]).versions
            assert versions not in seen
            seen.add(versions)

    def test_what_is_announced_counts_as_changing_until_it_has_changed(self, store: CacheStore) -> None:
        slot = slot_of("alpha", "thing:1")
        before = store.look("k", [0, slot]).versions
        store.announce([slot])
        during = store.look("k", [0, slot]).versions
        assert during == (before[0], CHANGING)
        store.change([slot])
        assert store.look("k", [0, slot]).versions[1] not in (CHANGING, before[1])

    def test_a_lease_is_held_by_one(self, store: CacheStore) -> None:
        with ThreadPoolExecutor(8) as pool:
            got = [token for token in pool.map(lambda _: store.lease("alpha:r:k", 30), range(24)) if token is not None]
        assert len(got) == 1
        store.release("alpha:r:k", "somebody else's")
        assert store.lease("alpha:r:k", 30) is None
        store.release("alpha:r:k", got[0])
        assert store.lease("alpha:r:k", 0.1) is not None
        until(lambda: store.lease("alpha:r:k", 30) is not None, 5)

    def test_it_tells_that_it_can_be_used(self, store: CacheStore) -> None:
        assert store.health().ok

    # -- what the cache makes of it --------------------------------------------------------------------------------------

    def test_a_value_is_loaded_once_and_seen_by_all_processes(self, platform: Platform, neighbour: Platform) -> None:
        loads = Loads()
        for made in (platform, neighbour, platform, neighbour):
            with made.context(tenant="alpha"):
                assert made.cache.region(BOTH).get_or_load("k", loads) == "value 1"
        assert loads.count == 1

    @pytest.mark.parametrize("region", [BOTH, SHARED, "strict"])
    def test_tenants_share_nothing(self, platform: Platform, region: str) -> None:
        values = {}
        for tenant in ("alpha", "beta"):
            with platform.context(tenant=tenant):
                values[tenant] = platform.cache.region(region).get_or_load("k", lambda tenant=tenant: tenant)  # type: ignore[misc]
        assert values == {"alpha": "alpha", "beta": "beta"}
        with platform.context(tenant="alpha"):
            platform.cache.clear()
            assert platform.cache.region(region).get("k") is None
        with platform.context(tenant="beta"):
            assert platform.cache.region(region).get("k") == "beta"
        with pytest.raises(MissingTenantError):
            platform.cache.region(region).get("k")

    @pytest.mark.parametrize("region", [BOTH, SHARED, "strict"])
    def test_a_change_of_a_tag_forgets_what_depends_on_it_everywhere(
        self, platform: Platform, neighbour: Platform, region: str
    ) -> None:
        loads, other = Loads(), Loads()

        def read(made: Platform) -> object:
            with made.context(tenant="alpha"):
                made.cache.region(region).get_or_load("other", other, tags=["thing:2"])
                return made.cache.region(region).get_or_load("k", loads, tags=["thing:1"])

        for made in (platform, neighbour):
            read(made)
        before = loads.count
        with platform.context(tenant="alpha"):
            platform.cache.invalidate("thing:1")
        assert read(platform) == f"value {before + 1}"
        if platform.cache.region(region).strategy.strict:
            assert read(neighbour) != "value 1"
        until(lambda: read(neighbour) not in ("value 1", "value 2") or loads.count == before + 1, 5)
        assert read(neighbour) == f"value {loads.count}"
        assert other.count <= 2

    def test_a_change_reaches_what_another_process_remembers(self, platform: Platform, neighbour: Platform) -> None:
        loads = Loads()

        def read(made: Platform) -> object:
            with made.context(tenant="alpha"):
                return made.cache.region(BOTH).get_or_load("k", loads, tags=["thing:1"])

        until(lambda: read(neighbour) and neighbour.cache.region(BOTH).stats().process, 10)
        remembered = read(neighbour)
        with platform.context(tenant="alpha"):
            platform.cache.invalidate("thing:1")
        until(lambda: read(neighbour) != remembered, 5)

    def test_a_rollback_forgets_nothing_and_a_commit_does(self, platform: Platform) -> None:
        loads = Loads()
        with platform.context(tenant="alpha", actor="user:kim"):
            region = platform.cache.region(SHARED)
            region.get_or_load("k", loads, tags=["thing:1"])
            with pytest.raises(RuntimeError), platform.transaction():
                platform.cache.invalidate("thing:1")
                assert region.get_or_load("k", lambda: "mine", tags=["thing:1"]) == "mine"
                raise RuntimeError
            assert region.get_or_load("k", loads, tags=["thing:1"]) == "value 1"
            with platform.transaction():
                platform.cache.invalidate("thing:1")
                assert region.get_or_load("k", lambda: "mine", tags=["thing:1"]) == "mine"
            assert region.get_or_load("k", loads, tags=["thing:1"]) == "value 2"

    def test_who_loaded_before_a_change_does_not_put_the_old_value_back(self, platform: Platform, neighbour: Platform) -> None:
        def slow() -> str:
            with neighbour.context(tenant="alpha"):
                neighbour.cache.invalidate("thing:1")
            return "old"

        with platform.context(tenant="alpha"):
            region = platform.cache.region(SHARED)
            assert region.get_or_load("k", slow, tags=["thing:1"]) == "old"
            assert region.get_or_load("k", lambda: "new", tags=["thing:1"]) == "new"

    def test_of_many_who_miss_at_once_one_loads(self, platform: Platform, neighbour: Platform) -> None:
        loads = Loads(pause=0.2)

        def read(number: int) -> object:
            made = (platform, neighbour)[number % 2]
            with made.context(tenant="alpha"):
                return made.cache.region(SHARED).get_or_load("k", loads)

        with ThreadPoolExecutor(40) as pool:
            assert set(pool.map(read, range(120))) == {"value 1"}
        assert loads.count == 1

    def test_what_a_loader_raises_reaches_all_who_wait_and_is_not_kept(self, platform: Platform) -> None:
        def fail() -> str:
            sleep(0.1)
            raise LookupError("no such thing")

        def read(_: int) -> None:
            with platform.context(tenant="alpha"), pytest.raises(LookupError):
                platform.cache.region(SHARED).get_or_load("k", fail)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(read, range(8)))
        with platform.context(tenant="alpha"):
            assert platform.cache.region(SHARED).get_or_load("k", lambda: "there") == "there"

    def test_the_old_value_is_given_while_one_loads_where_the_strategy_says_so(
        self, platform: Platform, neighbour: Platform
    ) -> None:
        slow = Loads(pause=0.5)
        with platform.context(tenant="alpha"):
            region = platform.cache.region("graceful")
            region.get_or_load("k", lambda: "old")
            sleep(0.2)
            with ThreadPoolExecutor(1) as pool:
                loading = pool.submit(_within, platform, lambda: region.get_or_load("k", slow))
                until(lambda: slow.count == 1, 5)
                assert region.get_or_load("k", slow) == "old"
                with neighbour.context(tenant="alpha"):
                    assert neighbour.cache.region("graceful").get_or_load("k", slow) == "old"
                assert loading.result() == "value 1"
        assert slow.count == 1

    def test_a_value_that_was_set_is_there_until_it_is_deleted(self, platform: Platform, neighbour: Platform) -> None:
        with platform.context(tenant="alpha"), neighbour.context(tenant="alpha"):
            platform.cache.region(SHARED).set("session", {"user": "kim"})
            assert neighbour.cache.region(SHARED).get("session") == {"user": "kim"}
            neighbour.cache.region(SHARED).delete("session")
            assert platform.cache.region(SHARED).get("session") is None

    def test_time_ends_a_value(self, platform: Platform) -> None:
        with platform.context(tenant="alpha"):
            region = platform.cache.region("brief")
            assert region.get_or_load("k", lambda: 1) == 1
            until(lambda: region.get("k") is None, 5)
            assert region.get_or_load("k", lambda: 2) == 2


class Loads:
    """A loader that counts its calls."""

    def __init__(self, pause: float = 0.0) -> None:
        self.count = 0
        self._pause = pause
        self._lock = threading.Lock()

    def __call__(self) -> str:
        with self._lock:
            self.count += 1
            count = self.count
        sleep(self._pause)
        return f"value {count}"


def _within(platform: Platform, function: Callable[[], object]) -> object:
    with platform.context(tenant="alpha"):
        return function()
