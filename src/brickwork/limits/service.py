"""Limits as a product sees them: `platform.limits`.

The algorithm of rates is the generic cell rate algorithm (ITU-T I.371, annex A; ATM Forum TM 4.0): one number a key, no windows
whose edges let twice the rate through, and a limit that is exact for any mixture of bursts and pauses. Quotas count in windows of
the calendar.
"""

from math import ceil, floor
from typing import TYPE_CHECKING

import attrs
from prometheus_client import Counter

from brickwork.errors import BrickworkError, UnavailableError, ValidationError
from brickwork.kernel.component import Health
from brickwork.kernel.context import SYSTEM_TENANT
from brickwork.limits.admission import Admission, Caller, CompiledPlan, Question, Route
from brickwork.limits.plans import Plans
from brickwork.limits.port import LimitStore, Taken
from brickwork.limits.rate import Rate
from brickwork.limits.settings import LimitsSettings
from brickwork.limits.steady import SteadyStore
from brickwork.limits.usage import Usage, Use

if TYPE_CHECKING:
    from brickwork.data import Transaction
    from brickwork.kernel.platform import Platform


class RateLimitedError(BrickworkError):
    """There were too many of something in too little time; `details` has `retry_after` in seconds."""

    code = "rate_limited"
    status = 429


class QuotaExceededError(RateLimitedError):
    """What a plan allows in a day or month is used up; `details` has `retry_after` in seconds."""

    code = "quota_exceeded"


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
    """Limits by key, and `plans`, which say what the callers of a tenant may do. Keys belong to the context's tenant, or to the
    system where there is none."""

    def __init__(self, platform: "Platform", settings: LimitsSettings) -> None:
        self._platform = platform
        self._settings = settings
        decisions = Counter("brickwork_limits_decisions", "Decisions on limits", ("result",), registry=platform.metrics)
        self._allowed, self._refused = (decisions.labels(name) for name in ("allowed", "refused"))
        degraded = Counter("brickwork_limits_degraded", "Times that the backend was missing", registry=platform.metrics)
        backend: LimitStore = platform.backend("limits", settings.backend)
        alone = settings.when_unavailable == "alone"
        self.store: LimitStore = SteadyStore(backend, degraded, settings.retry_after, alone=alone)
        self.plans = Plans(platform, settings)
        self._usage = Usage(platform.database, platform.clock.now, seconds=settings.write_every, days=settings.usage_days)

    @property
    def embedded(self) -> bool:
        """Whether limits are counted on this machine, so that a decision never waits for a network."""
        return self._settings.backend == "embedded"

    # -- by key --------------------------------------------------------------------------------------------------------

    def hit(self, key: str, rate: Rate | str, *, cost: int = 1) -> Decision:
        """Count one more (or `cost` more) of `key` if `rate` ("5/minute") allows it. What is refused does not count."""
        if cost < 0:
            raise ValidationError(f"a cost is not negative, as {cost} is", field="cost")
        rate = Rate.parse(rate)
        step, most = cost * rate.interval, rate.capacity
        try:
            allowed, ahead = self.store.advance(self._scoped(key), step, most)
        except UnavailableError:
            allowed, ahead = self._settings.when_unavailable == "allow", 0.0
        (self._allowed if allowed else self._refused).inc()
        remaining = max(0, floor((most - ahead) / rate.interval))
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
        try:
            self.store.reset(self._scoped(key))
        except UnavailableError:  # what can't be reached is not held against anybody meanwhile
            return

    # -- by plan -------------------------------------------------------------------------------------------------------

    def admit(self, caller: Caller, route: Route) -> Admission | None:
        """Hold a call against the plan of the caller's tenant, and count it unless a rule refuses it. None where there is nothing
        to hold it against. Raises `UnavailableError` where it can't be counted and the settings say to refuse it then."""
        return self._admission(caller, route, 1)

    def standing(self, caller: Caller) -> Admission | None:
        """How every rule stands that may count for a caller, counting nothing; None where there is none."""
        return self._admission(caller, None, 0)

    def usage(self) -> list[Use]:
        """What of its quotas the context's tenant has used in the present windows, as it was written down last: the most used
        first, at most 500. Takes `limits.read`."""
        self._platform.require("limits.read")
        tenant = self._platform.contexts.current.require_tenant()
        return self._usage.list(tenant, self._platform.clock.now())

    # -- life ----------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Write down the use of quotas from time to time."""
        self._usage.start()

    def close(self) -> None:
        self.plans.close()
        self._usage.close()
        self.store.close()

    def health(self) -> Health:
        return self.store.health()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _admission(self, caller: Caller, route: Route | None, cost: int) -> Admission | None:
        plan = self.plans.compiled(caller.tenant)
        if plan is None:
            return None
        now = self._platform.clock.now()
        asked = plan.question(caller, route, cost, now)
        if asked is None:
            return None
        try:
            taken = self._take(asked)
        except UnavailableError:
            return self._blind(plan)
        for counted, used in zip(asked.counted, taken.used, strict=True) if cost and taken.all else ():
            self._usage.note(counted, used or 0)
        if cost:
            (self._allowed if taken.all else self._refused).inc()
        return plan.answer(asked, taken, now)

    def _take(self, asked: Question) -> Taken:
        taken = self.store.take(asked.paces, asked.counts)
        if None not in taken.used:
            return taken
        floors = self._usage.recall(asked.counted[0].tenant, asked.counted)
        counts = [count._replace(floor=floor) for count, floor in zip(asked.counts, floors, strict=True)]
        return self.store.take(asked.paces, counts)

    def _blind(self, plan: CompiledPlan) -> Admission | None:
        """What to say where nothing can be counted."""
        if self._settings.when_unavailable == "allow":
            return None
        raise UnavailableError(f"calls can't be counted now, and plan {plan.plan.name} takes that", retry_after=1)

    def _scoped(self, key: str) -> str:
        if not 0 < len(key) <= 500:
            raise ValidationError("a limit's key takes 1 to 500 characters", field="key")
        return f"{self._platform.contexts.current.tenant or SYSTEM_TENANT}:{key}"

    def _after_commit(self, transaction: "Transaction") -> None:
        self.plans.after_commit(transaction)


def refusal(admission: Admission) -> RateLimitedError:
    """The error for a call that was not admitted: it names the rule, and every rule that refused."""
    rule = admission.tightest
    kind = QuotaExceededError if rule.quota else RateLimitedError
    holder = "the tenant" if rule.per == "tenant" else f"each {rule.per}"
    what = "quota" if rule.quota else "rate limit"
    return kind(
        f"{what} {rule.name!r} of plan {admission.plan!r} is used up: {rule.limit} calls in {rule.window} s for {holder}; try "
        f"again in {rule.reset} s",
        plan=admission.plan,
        rule=rule.name,
        limit=rule.limit,
        retry_after=rule.reset,
        violated_policies=[standing.name for standing in admission.standings if standing.refused],
    )
