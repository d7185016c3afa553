"""A plan made ready: which of its rules a call falls under, what to count, and how that came out."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from ipaddress import ip_address, ip_network
from math import ceil, floor
from typing import NamedTuple

import attrs

from brickwork.kernel.context import SYSTEM_TENANT
from brickwork.limits.plan import Plan, Quota, RateRule, name_of
from brickwork.limits.port import Count, Pace, Taken
from brickwork.limits.window import Calendar, Window

#: Seconds for which a store remembers a count after its window is over, so that a clock that is behind finds it still.
_AFTERWARDS = 3600.0

#: The method and the decoded parts of the path of a call, asked for where a rule has routes.
Route = Callable[[], tuple[str, Sequence[str]]]


class Caller(NamedTuple):
    """Who calls: `key` is the id of the API key that was shown, `address` where the call comes from; empty where not known."""

    tenant: str | None
    actor: str
    key: str = ""
    address: str = ""


class Standing(NamedTuple):
    """How a rule stands after a call: `limit` calls in `window` seconds, of which `remaining` are left at once. `reset` is in
    seconds until all are there again, or where the rule refused the call, until it would not."""

    name: str
    per: str
    quota: bool
    limit: int
    window: int
    remaining: int
    reset: int
    refused: bool


@attrs.frozen
class Admission:
    """The decision on a call. All that was counted was taken, or where a rule refuses nothing was."""

    plan: str
    allowed: bool
    standings: Sequence[Standing]

    @property
    def tightest(self) -> Standing:
        """The rule that decides: of those that refuse the one with the longest wait, else the one with the least left."""
        return max(self.standings, key=lambda s: (s.refused, s.reset if s.refused else -s.remaining))


@attrs.frozen
class Counted:
    """Where the use of a quota is written down."""

    tenant: str
    quota: str
    holder: str
    window: Window


class Question(NamedTuple):
    """What a call has to be held against."""

    rates: "list[_Rate]"
    quotas: "list[_Quota]"
    paces: list[Pace]
    counts: list[Count]
    counted: list[Counted]


class CompiledPlan:
    """See the module."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._rates = [_Rate(rule) for rule in plan.rates]
        self._quotas = [_Quota(quota) for quota in plan.quotas]

    def question(self, caller: Caller, route: Route | None, cost: int, now: datetime) -> Question | None:
        """What to count for a call, or without a route for any; None where no rule fits."""
        asked = Question([], [], [], [], [])
        tenant = caller.tenant or SYSTEM_TENANT
        for rate in self._rates:
            if (holder := _holder(rate.per, caller)) and rate.scope.covers(route):
                asked.rates.append(rate)
                asked.paces.append(Pace(f"@{{{tenant}}}:{rate.name}:{holder}", cost * rate.interval, rate.most))
        for quota in self._quotas:
            if (holder := _holder(quota.per, caller)) and quota.scope.covers(route):
                window = quota.calendar.window(now)
                ttl = (window.ends - now).total_seconds() + _AFTERWARDS
                key = f"@{{{tenant}}}:{quota.name}:{holder}:{window.label}"
                asked.quotas.append(quota)
                asked.counts.append(Count(key, cost, quota.limit, ttl))
                asked.counted.append(Counted(tenant, quota.name, holder, window))
        return asked if asked.rates or asked.quotas else None

    def answer(self, asked: Question, taken: Taken, now: datetime) -> Admission:
        """The decision, from what the store took."""
        standings = [
            rate.standing(pace, ahead, taken.all) for rate, pace, ahead in zip(asked.rates, asked.paces, taken.ahead, strict=True)
        ]
        for quota, count, counted, used in zip(asked.quotas, asked.counts, asked.counted, taken.used, strict=True):
            standings.append(quota.standing(count, counted.window, used or 0, taken.all, now))
        return Admission(self.plan.name, taken.all, standings)


class _Scope:
    """The routes of a rule."""

    def __init__(self, routes: Sequence[str] | None) -> None:
        self._routes = None if routes is None else [_parsed(text) for text in routes]

    def covers(self, route: Route | None) -> bool:
        if self._routes is None or route is None:
            return True
        method, parts = route()
        return any(wanted in ("*", method) and _fits(pattern, parts) for wanted, pattern in self._routes)


class _Rate:
    def __init__(self, rule: RateRule) -> None:
        rate = rule.parsed
        self.name = name_of(rule)
        self.per = rule.per
        self.scope = _Scope(rule.routes)
        self.interval = rate.interval
        self.most = rate.capacity
        self._limit = rate.burst or rate.count
        self._window = ceil(rate.interval * self._limit)

    def standing(self, pace: Pace, ahead: float, taken: bool) -> Standing:
        refused = not taken and ahead + pace.step > pace.most
        remaining = max(0, floor((self.most - ahead) / self.interval))
        reset = ahead + pace.step - pace.most if refused else ahead
        return Standing(self.name, self.per, False, self._limit, self._window, remaining, ceil(reset), refused)


class _Quota:
    def __init__(self, quota: Quota) -> None:
        self.name = quota.name
        self.per = quota.per
        self.scope = _Scope(quota.routes)
        self.limit = quota.limit
        self.calendar = Calendar(quota.every, quota.zone)

    def standing(self, count: Count, window: Window, used: int, taken: bool, now: datetime) -> Standing:
        refused = not taken and used + count.cost > self.limit
        reset = ceil((window.ends - now).total_seconds())
        return Standing(self.name, self.per, True, self.limit, window.seconds, max(0, self.limit - used), reset, refused)


def _holder(per: str, caller: Caller) -> str:
    """Whose count it is; empty where the rule is not for such a caller."""
    if per == "user":
        return "" if caller.actor == "anonymous" else caller.actor
    if per == "tenant":
        return "tenant" if caller.tenant is not None else ""
    if per == "key":
        return f"key:{caller.key}" if caller.key else ""
    return f"address:{network(caller.address)}" if caller.address else ""


@lru_cache(maxsize=10_000)
def network(address: str) -> str:
    """The address, or the /64 of an IPv6 address: whoever has one has all of those (RFC 6177)."""
    try:
        known = ip_address(address)
    except ValueError:  # a test's client, or a socket in the file system
        return address[:64]
    return address if known.version == 4 else str(ip_network((known, 64), strict=False).network_address)


def _parsed(text: str) -> tuple[str, list[str]]:
    method, _, path = text.partition(" ")
    return method, path.split("/")[1:]


def _fits(pattern: Sequence[str], parts: Sequence[str]) -> bool:
    if pattern[-1] == "*" and len(parts) > len(pattern):
        parts = parts[: len(pattern)]
    return len(pattern) == len(parts) and all(wanted in ("*", part) for wanted, part in zip(pattern, parts, strict=True))
