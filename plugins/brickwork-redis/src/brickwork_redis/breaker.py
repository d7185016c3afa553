"""Circuits on Redis: the fields of one hash, swapped by a script; time is the server's."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from brickwork.gateway.circuit import CLOSED, Circuit
from brickwork.kernel.component import Health
from brickwork_redis.connection import connect, health, told
from brickwork_redis.settings import RedisSettings

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

#: What is closed has no field.
_SWAP = """
if (redis.call('HGET', KEYS[1], ARGV[1]) or ARGV[4]) ~= ARGV[2] then return 0 end
if ARGV[3] == ARGV[4] then
    redis.call('HDEL', KEYS[1], ARGV[1])
else
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
return 1
"""


class RedisBreakers:
    """See the module."""

    def __init__(self, platform: "Platform", settings: RedisSettings) -> None:
        self._client: Any = connect(settings)
        self._key = f"{settings.prefix}:circuits"
        self._swap = self._client.register_script(_SWAP)

    def read(self, key: str) -> tuple[Circuit, float]:
        text, now = self._ask("hget", key)
        return (CLOSED if text is None else Circuit.decode(text.decode())), now

    def swap(self, key: str, seen: Circuit, new: Circuit) -> bool:
        with told():
            return bool(self._swap(keys=[self._key], args=[key, seen.encode(), new.encode(), CLOSED.encode()]))

    def troubled(self) -> tuple[Mapping[str, Circuit], float]:
        found, now = self._ask("hgetall")
        return {key.decode(): Circuit.decode(text.decode()) for key, text in found.items()}, now

    def health(self) -> Health:
        return health(self._client)

    def close(self) -> None:
        self._client.close()

    def _ask(self, command: str, *arguments: str) -> tuple[Any, float]:
        pipeline = self._client.pipeline(transaction=False)
        getattr(pipeline, command)(self._key, *arguments)
        pipeline.time()
        with told():
            answer, (seconds, microseconds) = pipeline.execute()
        return answer, seconds + microseconds / 1_000_000
