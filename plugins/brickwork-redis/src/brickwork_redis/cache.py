"""The cache on Redis: entries are keys, versions of tags are fields of one hash, changes are told to every process.

The hash is used by each read, so a Redis that must make room drops it last; if it does, field 0 is missing, a new one is made
and no older entry counts. A process's memory follows the changes by a subscription; while that is broken, or until it is known
to work, the memory is not used.
"""

import logging
import struct
import threading
from collections.abc import Sequence
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from brickwork.cache.port import CHANGING, FENCE, Look, Versions, changed
from brickwork.errors import UnavailableError
from brickwork.kernel.component import Health
from brickwork_redis.connection import connect, health, told
from brickwork_redis.settings import RedisSettings

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

log = logging.getLogger("brickwork.cache")
#: Slots that a process's memory knows the changes of; with more it begins anew.
MOST_REMEMBERED = 200_000

#: A version is a number; while its tag is changing it is "c", a deadline by the server's clock, a dot and the number that counts
#: from the deadline on. The slots follow the first argument.
_ANNOUNCE = f"""
local word = 'c' .. (redis.call('TIME')[1] + {FENCE}) .. '.' .. ARGV[1]
for i = 3, #ARGV do redis.call('HSET', KEYS[1], ARGV[i], word) end
redis.call('PUBLISH', KEYS[2], ARGV[2])
"""
_CHANGE = """
for i = 3, #ARGV do redis.call('HSET', KEYS[1], ARGV[i], ARGV[1]) end
redis.call('PUBLISH', KEYS[2], ARGV[2])
"""
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class RedisStore:
    """See the module."""

    spans_machines = True
    strict_memory = False

    def __init__(self, platform: "Platform", settings: RedisSettings) -> None:
        self._client: Any = connect(settings)
        self._prefix = f"{settings.prefix}:cache"
        self._keys = [f"{self._prefix}:versions", f"{self._prefix}:changes"]
        self._announce = self._client.register_script(_ANNOUNCE)
        self._change = self._client.register_script(_CHANGE)
        self._release = self._client.register_script(_RELEASE)
        self._memory = Memory(settings, self._keys[1])

    def look(self, key: str, slots: Sequence[int]) -> Look:
        entry, words, now = self._ask(key, slots)
        if words[0] is None:  # a new Redis, or one that had to drop the hash
            with told():
                self._client.hsetnx(self._keys[0], 0, changed())
            entry, words, now = self._ask(key, slots)
        return Look(entry, tuple(_version(word, now) for word in words[1:]))

    def keep(self, key: str, entry: bytes, seconds: float) -> None:
        with told():
            self._client.set(f"{self._prefix}:{key}", entry, px=max(1, int(seconds * 1000)))

    def lease(self, key: str, seconds: float) -> str | None:
        token = token_hex(8)
        with told():
            got = self._client.set(f"{self._prefix}:lease:{key}", token, px=max(1, int(seconds * 1000)), nx=True)
        return token if got else None

    def release(self, key: str, lease: str) -> None:
        with told():
            self._release(keys=[f"{self._prefix}:lease:{key}"], args=[lease])

    def announce(self, slots: Sequence[int]) -> None:
        self._tell(self._announce, slots)

    def change(self, slots: Sequence[int]) -> None:
        self._tell(self._change, slots)

    def remembered(self, slots: Sequence[int]) -> Versions | None:
        return self._memory.versions(slots)

    def health(self) -> Health:
        return health(self._client)

    def close(self) -> None:
        self._memory.close()
        self._client.close()

    def _ask(self, key: str, slots: Sequence[int]) -> tuple[bytes | None, list[bytes | None], int]:
        # the versions last: an entry that counts by them counted when it was read
        pipeline = self._client.pipeline(transaction=False)
        pipeline.get(f"{self._prefix}:{key}")
        pipeline.hmget(self._keys[0], [0, *slots])
        pipeline.time()
        with told():
            entry, words, (seconds, _) = pipeline.execute()
        return entry, words, seconds

    def _tell(self, script: Any, slots: Sequence[int]) -> None:
        """In batches: Lua takes some thousands of arguments at once."""
        for start in range(0, len(slots), 1000):
            some = slots[start : start + 1000]
            with told():
                script(keys=self._keys, args=[changed(), struct.pack(f"<{len(some)}I", *some), *some])
            self._memory.note(some)  # this process need not wait for its own message


class Memory:
    """What this process knows of versions, by a subscription. Each message makes the versions of its slots new: a change that is
    announced and made is two of them."""

    def __init__(self, settings: RedisSettings, channel: str) -> None:
        self._settings = settings
        self._channel = channel
        self._versions: dict[int, int] = {}
        self._base = 0
        self._live = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def versions(self, slots: Sequence[int]) -> Versions | None:
        """None until the subscription works. The first call begins it."""
        if not self._live:
            if self._thread is None:
                self._begin()
            return None
        known, base = self._versions, self._base
        return tuple([base + known.get(slot, 0) for slot in slots])

    def close(self) -> None:
        """End the subscription."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _begin(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="cache-changes", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        client = connect(self._settings)
        while not self._stop.is_set():
            try:
                with told():
                    self._follow(client)
            except UnavailableError as error:
                log.warning("memory is not used until the changes can be followed again: %s", error.message)
            finally:
                self._live = False
            self._stop.wait(0.5)
        client.close()

    def _follow(self, client: Any) -> None:
        with client.pubsub() as subscription:
            subscription.subscribe(self._channel)
            while not self._stop.is_set():
                message = subscription.get_message(timeout=0.5)
                if message is None:
                    subscription.ping()  # a connection that is dead without a word fails here
                elif message["type"] == "subscribe":
                    self._forget()
                    self._live = True
                elif message["type"] == "message":
                    data = message["data"]
                    self.note(struct.unpack(f"<{len(data) // 4}I", data))

    def note(self, slots: Sequence[int]) -> None:
        """They have changed."""
        for slot in slots:
            if slot == 0 or len(self._versions) > MOST_REMEMBERED:
                self._forget()
            self._versions[slot] = self._versions.get(slot, 0) + 1

    def _forget(self) -> None:
        """Nothing that was kept until now counts."""
        self._base += 1 << 32
        self._versions = {}


def _version(word: bytes | None, now: int) -> int:
    if word is None:
        return 0
    if not word.startswith(b"c"):
        return int(word)
    deadline, _, number = word[1:].partition(b".")
    return CHANGING if int(deadline) > now else int(number)
