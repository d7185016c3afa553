"""Locks on Redis: a sorted set of holders by the time they lapse, all by the server's clock, each step a script."""

from typing import TYPE_CHECKING, Any

from brickwork.kernel.component import Health
from brickwork_redis.connection import connect, health, told
from brickwork_redis.settings import RedisSettings

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
"""
#: The token follows the clock in microseconds, so that a Redis that lost it begins above what it gave out.
_TAKE = (
    _NOW
    + """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return false end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], math.ceil(redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2] / 1000 - now / 1000) + 1000)
local token = math.max(now, tonumber(redis.call('GET', KEYS[2]) or '0') + 1)
token = string.format('%.0f', token)
redis.call('SET', KEYS[2], token)
return token
"""
)
_RENEW = (
    _NOW
    + """
local until_ = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not until_ or tonumber(until_) <= now then return 0 end
redis.call('ZADD', KEYS[1], 'XX', now + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], math.ceil(redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2] / 1000 - now / 1000) + 1000)
return 1
"""
)
_FREE = (
    _NOW
    + """
local until_ = redis.call('ZSCORE', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[1], ARGV[1])
return until_ and tonumber(until_) > now and 1 or 0
"""
)
_HELD = _NOW + "return redis.call('ZCOUNT', KEYS[1], '(' .. string.format('%.0f', now), '+inf')"


class RedisLocks:
    """See the module."""

    def __init__(self, platform: "Platform", settings: RedisSettings) -> None:
        self._client: Any = connect(settings)
        self._prefix = f"{settings.prefix}:locks"
        self._take, self._renew, self._free, self._held = (
            self._client.register_script(script) for script in (_TAKE, _RENEW, _FREE, _HELD)
        )

    def take(self, name: str, holder: str, permits: int, seconds: float) -> int | None:
        with told():
            keys = [f"{self._prefix}:{name}", f"{self._prefix}:"]
            token = self._take(keys=keys, args=[holder, permits, int(seconds * 1_000_000)])
        return None if token is None else int(token)

    def renew(self, name: str, holder: str, seconds: float) -> bool:
        with told():
            return bool(self._renew(keys=[f"{self._prefix}:{name}"], args=[holder, int(seconds * 1_000_000)]))

    def free(self, name: str, holder: str) -> bool:
        with told():
            return bool(self._free(keys=[f"{self._prefix}:{name}"], args=[holder]))

    def held(self, name: str) -> int:
        with told():
            return int(self._held(keys=[f"{self._prefix}:{name}"]))

    def health(self) -> Health:
        return health(self._client)

    def close(self) -> None:
        self._client.close()
