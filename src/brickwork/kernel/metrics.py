"""The registry of Prometheus metrics of one platform: two platforms in one process don't mix their counts."""

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

#: Boundaries of the histograms of requests, in seconds.
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


def registry(platform: "Platform") -> CollectorRegistry:
    """An empty registry."""
    return CollectorRegistry()
