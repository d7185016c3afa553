"""Redis keeps the cache's contract, and a cache survives its Redis."""

import shutil
import socket
import subprocess

import pytest

from brickwork.errors import UnsupportedError
from brickwork.testing.contracts.broker import until
from brickwork.testing.contracts.cache import CacheContract, Loads
from brickwork.testing.plugin import absent


class TestRedis(CacheContract):
    @pytest.fixture
    def cache_section(self, section):
        return {"backend": "redis", "retry_after": 0.1, "redis": section}

    def test_memory_is_used_once_changes_can_be_followed(self, platform):
        loads = Loads()
        with platform.context(tenant="alpha"):
            region = platform.cache.region("both")

            def read():
                region.get_or_load("k", loads, tags=["thing:1"])
                return region.stats().process

            until(read, 10)
        assert loads.count == 1

    def test_a_redis_that_forgot_its_versions_gives_no_older_value(self, platform, client, section):
        with platform.context(tenant="alpha"):
            region = platform.cache.region("shared")
            region.get_or_load("k", lambda: "old", tags=["thing:1"])
            platform.cache.invalidate("thing:2")
            client.delete(f"{section['prefix']}:cache:versions")
            assert region.get_or_load("k", lambda: "new", tags=["thing:1"]) == "new"

    def test_without_its_server_it_answers_from_the_source_and_counts_that(self, platform):
        store = platform.cache.store._store
        with platform.context(tenant="alpha"):
            region = platform.cache.region("shared")
            region.get_or_load("k", lambda: "old", tags=["thing:1"])
            working, store._client = store._client, _away()
            assert region.get_or_load("k", lambda: "from the source", tags=["thing:1"]) == "from the source"
            assert platform.cache.failures > 0
            assert platform.health()["cache"].detail.startswith("does without its backend")
            platform.cache.invalidate("thing:1")
            store._client = working
            # what couldn't be told then is told before anything is read

            def kept():
                return region.get_or_load("k", lambda: "new", tags=["thing:1"]) and region.get("k", tags=["thing:1"])

            until(kept, 5)
            assert kept() == "new"


@pytest.fixture
def own_server(client):
    """A Redis of our own, to be killed: its port, and a function that starts it (again)."""
    program = shutil.which("redis-server")
    if program is None:
        absent("the program redis-server is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = []

    def start():
        options = ["--port", str(port), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]
        running.append(subprocess.Popen([program, *options], stdout=subprocess.DEVNULL))
        until(lambda: _answers(port))
        return running[-1]

    yield port, start
    for process in running:
        process.kill()
        process.wait()


def test_a_cache_lives_through_the_death_of_its_redis(make_platform, own_server):
    port, start = own_server
    process = start()
    section = {"backend": "redis", "retry_after": 0.1, "redis": {"url": f"redis://127.0.0.1:{port}/0", "timeout": 1}}
    platform = make_platform(components=["cache"], cache=section)
    source = ["first"]
    with platform.context(tenant="alpha"):
        region = platform.cache.region("default")

        def read():
            return region.get_or_load("k", lambda: source[0], tags=["thing:1"])

        def remembered():
            before = region.stats().process
            read()
            return region.stats().process > before

        until(remembered)
        process.kill()
        process.wait()
        source[0] = "second"
        platform.cache.invalidate("thing:1")
        assert read() == "second"
        assert platform.cache.failures
        start()
        source[0] = "third"
        platform.cache.invalidate("thing:1")
        until(lambda: read() == "third" and remembered())


def test_a_memory_that_can_be_behind_is_not_called_strict(make_platform, section):
    strategies = {"mine": {"strict": True, "tiers": "both"}}
    platform = make_platform(components=["cache"], cache={"backend": "redis", "redis": section, "strategies": strategies})
    with pytest.raises(UnsupportedError, match=r"cache.strategies.mine: .* can't be strict there"):
        platform.cache.region("mine")


def test_a_cache_whose_server_never_answered_still_answers(make_platform):
    """Port 1 stands for a server that is not there."""
    platform = make_platform(components=["cache"], cache={"backend": "redis", "redis": {"url": "redis://127.0.0.1:1/0"}})
    platform.start()
    with platform.context(tenant="alpha"):
        assert platform.cache.region("default").get_or_load("k", lambda: 1) == 1
        platform.cache.region("default").delete("k")
    assert platform.cache.failures


def _away():
    import redis

    return redis.Redis.from_url("redis://127.0.0.1:1/0")


def _answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
