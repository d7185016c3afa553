"""Rate limits that hold between processes."""

from brickwork.limits.rate import Rate
from brickwork.limits.service import Decision, Limits, RateLimitedError

__all__ = ["Decision", "Limits", "Rate", "RateLimitedError"]
