"""The registry of Prometheus metrics of one platform: two platforms in one process don't mix their counts."""

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform


def registry(platform: "Platform") -> CollectorRegistry:
    """An empty registry."""
    return CollectorRegistry()
