"""Limits on the way of a request: who is counted, and what the answer tells of it (draft-ietf-httpapi-ratelimit-headers-10)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from brickwork.limits import Admission, Caller, refusal

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform
    from brickwork.limits.admission import Route

POLICIES, STATE = "ratelimit-policy", "ratelimit"


def counted(platform: "Platform", caller: Caller, route: "Route", told: dict[str, str]) -> None:
    """Count a call against its caller's plan. What the answer tells of that is added to `told`, also where the call is refused
    by a `RateLimitedError`."""
    admission = platform.limits.admit(caller, route)
    if admission is not None:
        told.update(fields(admission))
        if not admission.allowed:
            raise refusal(admission)


def fields(admission: Admission) -> Mapping[str, str]:
    """The header fields: every policy that the call fell under, and how the tightest of them stands. Names are plain enough to
    need no escapes as strings of structured fields (RFC 9651, 3.3.3)."""
    rule = admission.tightest
    policies = ", ".join(policy(one.name, one.limit, one.window) for one in admission.standings)
    return {POLICIES: policies, STATE: state(rule.name, rule.remaining, rule.reset)}


def policy(name: str, limit: int, window: int) -> str:
    """One policy: `limit` requests in `window` seconds."""
    return f'"{name}";q={limit};w={window}'


def state(name: str, remaining: int, reset: int) -> str:
    """How a policy stands: what remains, and in how many seconds all is there again."""
    return f'"{name}";r={remaining};t={reset}'
