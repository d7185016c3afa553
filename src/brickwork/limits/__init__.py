"""Rate limits and quotas that hold between processes."""

from brickwork.limits.admission import Admission, Caller, Standing
from brickwork.limits.plan import Plan, Quota, RateRule
from brickwork.limits.rate import Rate
from brickwork.limits.service import Decision, Limits, QuotaExceededError, RateLimitedError, refusal
from brickwork.limits.usage import Use

__all__ = [
    "Admission",
    "Caller",
    "Decision",
    "Limits",
    "Plan",
    "Quota",
    "QuotaExceededError",
    "Rate",
    "RateLimitedError",
    "RateRule",
    "Standing",
    "Use",
    "refusal",
]
