"""Limits on Redis: when each key is no longer ahead, by the server's clock, and what of quotas is used; each step a script."""

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as LostError
from redis.exceptions import NoScriptError

from brickwork.errors import UnavailableError
from brickwork.kernel.component import Health
from brickwork.limits.port import Count, Pace, Taken
from brickwork_redis.connection import connect, health, told
from brickwork_redis.settings import RedisSettings

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

#: The arguments are the number of paces, for each its step and most, then for each count its cost, most, milliseconds to live
#: and floor, which is empty where there is none. Times are in microseconds since the beginning of 2026, which a double holds to a
#: hundredth. Answers whether all was taken, then a number a key, as one text: the client takes numbers apart one by one. -1 is a
#: count that is not known.
_TAKE = """
local time = redis.call('TIME')
local now = (time[1] - 1767225600) * 1000000 + time[2]
local paces = tonumber(ARGV[1])
local stored = redis.call('MGET', unpack(KEYS))
local answer, fits, place = {1}, true, 2
for i = 1, #KEYS do
    local value
    if i <= paces then
        value = stored[i] and math.max(stored[i] - now, 0) or 0
        place = place + 2
    else
        value = tonumber(stored[i] or ARGV[place + 3])
        place = place + 4
    end
    local step = i <= paces and place - 2 or place - 4
    answer[i + 1] = value or -1
    if not value or value + ARGV[step] > tonumber(ARGV[step + 1]) then fits = false end
end
if not fits then
    answer[1] = 0
    return table.concat(answer, ' ')
end
place = 2
for i = 1, #KEYS do
    local value = answer[i + 1] + ARGV[place]
    answer[i + 1] = value
    if i <= paces then
        if tonumber(ARGV[place]) > 0 then
            redis.call('SET', KEYS[i], string.format('%.2f', now + value), 'PX', math.ceil(value / 1000) + 1)
        end
        place = place + 2
    else
        if tonumber(ARGV[place]) > 0 then
            redis.call('SET', KEYS[i], string.format('%.0f', value), 'PX', ARGV[place + 2])
        end
        place = place + 4
    end
end
return table.concat(answer, ' ')
"""


class RedisLimits:
    """See the module."""

    def __init__(self, platform: "Platform", settings: RedisSettings) -> None:
        self._client: Any = connect(settings)
        self._prefix = f"{settings.prefix}:limits:"
        self._sha: str = self._client.register_script(_TAKE).sha
        # a call of the client costs three times what its connection does, most of it in handing connections out
        self._idle: deque[Any] = deque()

    def advance(self, key: str, step: float, most: float) -> tuple[bool, float]:
        taken = self.take([Pace(key, step, most)], [])
        return taken.all, taken.ahead[0]

    def take(self, paces: Sequence[Pace], counts: Sequence[Count]) -> Taken:
        prefix = self._prefix
        parts: list[Any] = ["EVALSHA", self._sha, len(paces) + len(counts)]
        parts += [prefix + pace.key for pace in paces]
        parts += [prefix + count.key for count in counts]
        parts.append(len(paces))
        for pace in paces:
            parts += (pace.step * 1_000_000, pace.most * 1_000_000)
        for count in counts:
            parts += (count.cost, count.most, round(count.ttl * 1000), "" if count.floor is None else count.floor)
        with told():
            taken, *values = self._run(packed(parts)).split()
        ahead = [float(value) / 1_000_000 for value in values[: len(paces)]]
        used = [None if value == b"-1" else int(float(value)) for value in values[len(paces) :]]
        return Taken(taken == b"1", ahead, used)

    def reset(self, key: str) -> None:
        with told():
            self._client.delete(f"{self._prefix}{key}")

    def health(self) -> Health:
        return health(self._client)

    def close(self) -> None:
        while self._idle:
            self._client.connection_pool.release(self._idle.pop())
        self._client.close()

    def _run(self, command: bytes) -> bytes:
        """The script's answer. Where the connection breaks it is sent again, on a new one: it may then count twice, never not at
        all. A script that the server forgot is told again."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._client.connection_pool.get_connection()
        try:
            for last in (False, False, True):
                try:
                    connection.send_packed_command([command])
                    answer: bytes = connection.read_response()
                    return answer
                except NoScriptError:
                    connection.send_command("SCRIPT", "LOAD", _TAKE)
                    connection.read_response()
                except LostError:
                    connection.disconnect()
                    if last:
                        raise
            raise UnavailableError("Redis forgot a script three times")
        except BaseException:
            connection.disconnect()  # an answer may still be on its way
            raise
        finally:
            self._idle.append(connection)


def packed(parts: Sequence[Any]) -> bytes:
    """A command as Redis reads it; the client's own way takes four times as long."""
    texts = [str(part).encode() for part in parts]
    return b"*%d\r\n%b" % (len(texts), b"".join(b"$%d\r\n%b\r\n" % (len(text), text) for text in texts))
