"""Rate limits on Redis: when each key is no longer ahead, by the server's clock, advanced by a script."""

from typing import TYPE_CHECKING, Any

from brickwork.kernel.component import Health
from brickwork_redis.connection import connect, health, told
from brickwork_redis.settings import RedisSettings

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

#: In microseconds, which a double holds exactly.
_ADVANCE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local ahead = math.max((tonumber(redis.call('GET', KEYS[1]) or '0')) - now, 0)
local further = ahead + tonumber(ARGV[1])
if further > tonumber(ARGV[2]) then return {0, ahead} end
if further > 0 then
    redis.call('SET', KEYS[1], string.format('%.0f', now + further), 'PX', math.ceil(further / 1000) + 1)
end
return {1, further}
"""


class RedisLimits:
    """See the module."""

    def __init__(self, platform: "Platform", settings: RedisSettings) -> None:
        self._client: Any = connect(settings)
        self._prefix = f"{settings.prefix}:limits"
        self._advance = self._client.register_script(_ADVANCE)

    def advance(self, key: str, step: float, most: float) -> tuple[bool, float]:
        with told():
            steps = [round(step * 1_000_000), round(most * 1_000_000)]
            done, ahead = self._advance(keys=[f"{self._prefix}:{key}"], args=steps)
        return bool(done), ahead / 1_000_000

    def reset(self, key: str) -> None:
        with told():
            self._client.delete(f"{self._prefix}:{key}")

    def health(self) -> Health:
        return health(self._client)

    def close(self) -> None:
        self._client.close()
