"""Claims: a cached value is read several times as fast as by dogpile.cache or bare redis-py on the same Redis, with tenants, tags
that are checked on each read, and values that nobody can change; and of 1,000 who miss one key at once, in four processes, one
loads.

Each contestant reads 1,000 values of about 300 bytes of JSON in the same random order, in one thread, in turns.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from benchmarks.harness import result, say

REDIS = os.environ.get("BRICKWORK_TEST_REDIS", "redis://127.0.0.1:6379/15")
KEYS, PROCESSES, THREADS = 1000, 4, 250
VALUE = {"name": "Okafor", "given": "Ada", "born": "1980-02-11", "notes": "x" * 200, "beds": [1, 2, 3], "weight": 61.5}


def run(*, quick: bool = False) -> dict[str, Any]:
    """Reads per second of each, and how often the loader ran."""
    import redis

    reads, rounds = (2_000, 1) if quick else (20_000, 5)
    client = redis.Redis.from_url(REDIS)
    prefix = f"bench-{uuid4().hex[:8]}"
    try:
        rates = _rates(client, prefix, reads, rounds)
        loads = _stampede(prefix)
    finally:
        for key in client.scan_iter(f"{prefix}*"):
            client.delete(key)
        client.close()
    median = {name: sorted(values)[len(values) // 2] for name, values in rates.items()}
    say("reads/s: " + ", ".join(f"{name} {rate:,.0f}" for name, rate in median.items()))
    say(f"the loader ran {loads} time(s) for {PROCESSES * THREADS:,} who missed at once")
    peers = {"dogpile": rates["dogpile"], "redis": rates["redis"]}
    checks = {
        "loader_runs_once_under_1000_concurrent_misses": loads == 1,
        "shared_tier_alone_at_least_0.5_of_redis": median["brickwork_shared"] >= 0.5 * median["redis"],
    }
    return result("cache", "reads/s", rates["brickwork"], peers, checks)


def _rates(client: Any, prefix: str, reads: int, rounds: int) -> dict[str, list[float]]:
    from dogpile.cache import make_region

    with tempfile.TemporaryDirectory(prefix="brickwork-bench-") as folder:
        platform = platform_on(folder, prefix)
        dogpile = make_region(key_mangler=lambda key: f"{prefix}:dogpile:{key}").configure(
            "dogpile.cache.redis", expiration_time=300, arguments={"url": REDIS, "redis_expiration_time": 600}
        )
        both, shared = platform.cache.region("both"), platform.cache.region("shared")

        def bare(key: str) -> Any:
            raw = client.get(f"{prefix}:bare:{key}")
            if raw is None:
                raw = json.dumps(VALUE)
                client.set(f"{prefix}:bare:{key}", raw, ex=300)
            return json.loads(raw)

        contestants: dict[str, Callable[[str], Any]] = {
            "brickwork": lambda key: both.get_or_load(key, dict(VALUE).copy, tags=[f"patient:{key}"]),
            "brickwork_shared": lambda key: shared.get_or_load(key, dict(VALUE).copy, tags=[f"patient:{key}"]),
            "dogpile": lambda key: dogpile.get_or_create(key, dict(VALUE).copy),
            "redis": bare,
        }
        rates: dict[str, list[float]] = {name: [] for name in contestants}
        with platform, platform.context(tenant="north", actor="user:bench"):
            both.get_or_load("0", dict(VALUE).copy)
            while platform.cache.store.remembered([0]) is None:  # until the subscription to changes works
                time.sleep(0.01)
            for read in contestants.values():
                for key in range(KEYS):
                    assert read(str(key)) == VALUE
            for number in range(rounds):
                order = [str(random.Random(number).randrange(KEYS)) for _ in range(reads)]
                for name, read in contestants.items():
                    began = time.perf_counter()
                    for key in order:
                        read(key)
                    rates[name].append(reads / (time.perf_counter() - began))
                say(f"round {number + 1} of {rounds}")
        return rates


def _stampede(prefix: str) -> int:
    """How often the loader runs when 1,000 threads in four processes ask for one key at the same moment."""
    with tempfile.TemporaryDirectory(prefix="brickwork-bench-") as folder:
        start = str(time.time() + 6)
        command = [sys.executable, "-m", "benchmarks.cache.crowd", folder, prefix, start, str(THREADS)]
        crowd = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)]
        return sum(int(process.communicate(timeout=120)[0]) for process in crowd)


def platform_on(folder: str, prefix: str) -> Any:
    """A platform whose cache is on the Redis."""
    from brickwork import Platform

    settings = {
        "platform": {"data_dir": folder},
        "cache": {
            "backend": "redis",
            "redis": {"url": REDIS, "prefix": prefix},
            "strategies": {"both": {"ttl": 300}, "shared": {"ttl": 300, "tiers": "shared"}},
        },
    }
    return Platform(["cache"], settings=settings)
