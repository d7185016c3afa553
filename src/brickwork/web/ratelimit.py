"""Limits on the way of a request: who is counted, and what the answer tells of it (draft-ietf-httpapi-ratelimit-headers-10)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from brickwork.limits import Admission, Caller, Standing, refusal

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform
    from brickwork.limits.admission import Route


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
    return {
        "ratelimit-policy": _policies(admission.standings),
        "ratelimit": f'"{rule.name}";r={rule.remaining};t={rule.reset}',
    }


def _policies(standings: Sequence[Standing]) -> str:
    return ", ".join(f'"{rule.name}";q={rule.limit};w={rule.window}' for rule in standings)
