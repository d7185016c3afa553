"""Rate limits as a product sees them: `platform.limits`.

The algorithm is the generic cell rate algorithm (ITU-T I.371, annex A; ATM Forum TM 4.0): one number a key, no windows whose
edges let twice the rate through, and a limit that is exact for any mixture of bursts and pauses.
"""

import logging
from math import ceil, floor
from typing import TYPE_CHECKING

import attrs
from prometheus_client import Counter

from brickwork.errors import BrickworkError, UnavailableError, ValidationError
from brickwork.kernel.component import Health
from brickwork.kernel.context import SYSTEM_TENANT
from brickwork.limits.port import LimitStore
from brickwork.limits.rate import Rate
from brickwork.limits.settings import LimitsSettings

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

log = logging.getLogger("brickwork.limits")
#: Rounding in a double that holds seconds since the epoch.
_ROUNDING = 1e-6


class RateLimitedError(BrickworkError):
    """There were too many of something in too little time; `details` has `retry_after` in seconds."""

    code = "rate_limited"
    status = 429


@attrs.frozen
class Decision:
    """Whether one more is allowed. `remaining` are those that would be allowed at once after it; `retry_after` is in seconds
    until what was refused would be allowed, `reset_after` until the whole burst would be."""

    allowed: bool
    limit: int
    remaining: int
    retry_after: float
    reset_after: float


class Limits:
    """Limits by key; keys belong to the context's tenant, or to the system where there is none."""

    def __init__(self, platform: "Platform", settings: LimitsSettings) -> None:
        self._platform = platform
        self._settings = settings
        self.store: LimitStore = platform.backend("limits", settings.backend)
        decisions = Counter("brickwork_limits_decisions", "Decisions on rates", ("result",), registry=platform.metrics)
        self._allowed, self._refused, self._blind = (decisions.labels(name) for name in ("allowed", "refused", "blind"))

    def hit(self, key: str, rate: Rate | str, *, cost: int = 1) -> Decision:
        """Count one more (or `cost` more) of `key` if `rate` ("5/minute") allows it. What is refused does not count."""
        if cost < 0:
            raise ValidationError(f"a cost is not negative, as {cost} is", field="cost")
        rate = Rate.parse(rate)
        step, most = cost * rate.interval, rate.capacity
        try:
            allowed, ahead = self.store.advance(self._scoped(key), step, most + _ROUNDING)
        except UnavailableError as error:
            log.warning("limits decide blindly: %s", error.message)
            self._blind.inc()
            allowed, ahead = self._settings.when_unavailable == "allow", 0.0
        (self._allowed if allowed else self._refused).inc()
        remaining = max(0, floor((most - ahead + _ROUNDING) / rate.interval))
        retry_after = 0.0 if allowed else max(ahead + step - most, 0.0)
        return Decision(allowed, rate.burst or rate.count, remaining, retry_after, max(ahead, 0.0))

    def require(self, key: str, rate: Rate | str, *, cost: int = 1) -> Decision:
        """As `hit`, but raises `RateLimitedError` where that refuses."""
        decision = self.hit(key, rate, cost=cost)
        if not decision.allowed:
            wait = ceil(decision.retry_after)
            raise RateLimitedError(f"too many requests; try again in {wait} s", retry_after=wait, limit=decision.limit)
        return decision

    def peek(self, key: str, rate: Rate | str) -> Decision:
        """How `key` stands, counting nothing."""
        return self.hit(key, rate, cost=0)

    def reset(self, key: str) -> None:
        """Forget what `key` has done, as after a successful login."""
        self.store.reset(self._scoped(key))

    def close(self) -> None:
        self.store.close()

    def health(self) -> Health:
        return self.store.health()

    def _scoped(self, key: str) -> str:
        if not 0 < len(key) <= 500:
            raise ValidationError("a limit's key takes 1 to 500 characters", field="key")
        return f"{self._platform.contexts.current.tenant or SYSTEM_TENANT}:{key}"
