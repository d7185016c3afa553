"""The contract of the locks' port. A backend's tests subclass `LocksContract` and give the fixture `locks_section`, the
settings of `[locks]`; two platforms of one test share the store as two processes do."""

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from time import sleep
from typing import Any

import pytest

from brickwork.errors import ValidationError
from brickwork.kernel.platform import Platform
from brickwork.locks import LockLostError, LockTimeoutError
from brickwork.locks.port import LockStore
from brickwork.testing.contracts.broker import until
from brickwork.testing.plugin import PlatformMaker


class LocksContract:
    """What every store of locks must do."""

    @pytest.fixture
    def platform(self, make_platform: PlatformMaker, locks_section: Mapping[str, Any]) -> Platform:
        """A platform that uses the locks."""
        return make_platform(components=["locks"], migrated=False, locks=locks_section)

    @pytest.fixture
    def neighbour(self, make_platform: PlatformMaker, platform: Platform, locks_section: Mapping[str, Any]) -> Platform:
        """Another process of the same product, as it were."""
        folder = {"data_dir": platform.settings.platform.data_dir}
        database = platform.settings.database.model_dump(exclude_unset=True)
        return make_platform(components=["locks"], database=database, platform=folder, locks=locks_section)

    @pytest.fixture
    def store(self, platform: Platform) -> LockStore:
        """The bare store."""
        return platform.locks.store

    def test_a_permit_is_held_until_it_is_given_back(self, store: LockStore) -> None:
        assert store.take("a:x", "one", 1, 30) is not None
        assert store.take("a:x", "two", 1, 30) is None
        assert store.take("a:y", "two", 1, 30) is not None
        assert store.held("a:x") == 1
        assert not store.free("a:x", "two")
        assert store.free("a:x", "one")
        assert store.held("a:x") == 0
        assert store.take("a:x", "two", 1, 30) is not None

    def test_a_permit_lapses_and_then_is_neither_renewed_nor_given_back(self, store: LockStore) -> None:
        store.take("a:x", "one", 1, 0.1)
        assert store.renew("a:x", "one", 0.15)
        until(lambda: store.take("a:x", "two", 1, 30), 5)
        assert not store.renew("a:x", "one", 30)
        assert not store.free("a:x", "one")
        assert store.held("a:x") == 1

    def test_what_is_renewed_does_not_lapse(self, store: LockStore) -> None:
        store.take("a:x", "one", 1, 0.3)
        for _ in range(8):
            sleep(0.1)
            assert store.renew("a:x", "one", 0.3)
            assert store.take("a:x", "two", 1, 30) is None

    def test_tokens_only_grow(self, store: LockStore) -> None:
        tokens = []
        for number in range(30):
            token = store.take(f"a:{number % 3}", str(number), 100, 30)
            assert token is not None
            tokens.append(token)
        assert tokens == sorted(set(tokens))

    def test_as_many_hold_a_semaphore_as_it_has_permits(self, store: LockStore) -> None:
        with ThreadPoolExecutor(8) as pool:
            got = list(pool.map(lambda number: store.take("a:x", str(number), 3, 30), range(24)))
        assert sum(token is not None for token in got) == 3
        assert store.held("a:x") == 3

    def test_it_tells_that_it_can_be_used(self, store: LockStore) -> None:
        assert store.health().ok

    def test_one_at_a_time_works_under_a_lock(self, platform: Platform, neighbour: Platform) -> None:
        inside, most, tokens = [0], [0], list[int]()

        def work(number: int) -> None:
            made = (platform, neighbour)[number % 2]
            with made.context(tenant="alpha"), made.locks.lock("till", wait=30) as held:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                tokens.append(held.token)
                sleep(0.005)
                inside[0] -= 1

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(40)))
        assert most == [1]
        assert tokens == sorted(set(tokens))
        assert len(tokens) == 40

    def test_who_waits_too_long_is_told(self, platform: Platform, neighbour: Platform) -> None:
        with platform.context(tenant="alpha"), neighbour.context(tenant="alpha"), platform.locks.lock("till"):
            assert neighbour.locks.is_held("till")
            with pytest.raises(LockTimeoutError, match="'till' is held by others"), neighbour.locks.lock("till", wait=0.05):
                pytest.fail("two hold one lock")
        with neighbour.context(tenant="alpha"), neighbour.locks.lock("till", wait=0):
            pass

    def test_tenants_have_locks_of_their_own(self, platform: Platform) -> None:
        with platform.context(tenant="alpha"), platform.locks.lock("till"):
            with platform.context(tenant="beta"), platform.locks.lock("till", wait=0):
                pass
            with platform.system_context(reason="test"), platform.locks.lock("till", wait=0):
                pass

    def test_a_lock_is_kept_for_as_long_as_its_block_runs(self, platform: Platform, neighbour: Platform) -> None:
        with platform.context(tenant="alpha"), platform.locks.lock("till", ttl=0.3) as held:
            for _ in range(10):
                sleep(0.1)
                held.check()
                with neighbour.context(tenant="alpha"):
                    assert neighbour.locks.is_held("till")

    def test_a_short_lock_beside_a_long_one_is_kept_too(self, platform: Platform) -> None:
        with platform.context(tenant="alpha"), platform.locks.lock("long", ttl=30):
            sleep(0.1)
            with platform.locks.lock("short", ttl=0.3) as held:
                sleep(0.8)
                held.check()

    def test_who_lost_a_lock_is_told(self, platform: Platform) -> None:
        with platform.context(tenant="alpha"), platform.locks.lock("till", ttl=0.3) as held:
            platform.locks.store.free(held.name, held._holder)
            until(lambda: held.lost, 5)
            with pytest.raises(LockLostError, match="lapsed while it was held"):
                held.check()

    def test_an_error_in_the_block_gives_the_lock_back(self, platform: Platform) -> None:
        with platform.context(tenant="alpha"):
            with pytest.raises(LookupError), platform.locks.lock("till"):
                raise LookupError
            assert not platform.locks.is_held("till")

    def test_a_semaphore_lets_some_in(self, platform: Platform) -> None:
        inside, most, lock = [0], [0], threading.Lock()

        def work(_: int) -> None:
            with platform.context(tenant="alpha"), platform.locks.semaphore("printers", 3, wait=30):
                with lock:
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                sleep(0.02)
                with lock:
                    inside[0] -= 1

        with ThreadPoolExecutor(10) as pool:
            list(pool.map(work, range(30)))
        assert 1 < most[0] <= 3

    def test_a_name_or_a_number_that_makes_no_sense_is_refused(self, platform: Platform) -> None:
        with pytest.raises(ValidationError, match="1 to 200 printable"), platform.locks.lock("a\nb"):
            pass
        with pytest.raises(ValidationError, match="at least one permit"), platform.locks.semaphore("a", 0):
            pass
