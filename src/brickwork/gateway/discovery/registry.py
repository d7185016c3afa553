"""Instances that registered themselves in the platform's database (see `brickwork.gateway.registry`)."""

from typing import TYPE_CHECKING

from brickwork.gateway.discovery.fence import Fence
from brickwork.gateway.discovery.port import Found

if TYPE_CHECKING:
    from brickwork.gateway.registry import Registry


class Registered:
    """See the module. However many services there are, the database is asked once a `refresh`."""

    def __init__(self, registry: "Registry", service: str, fence: Fence) -> None:
        self._registry = registry
        self._service = service
        self._fence = fence

    def look(self) -> Found:
        known = self._registry.snapshot()
        return Found(self._fence.held(known.by_service.get(self._service, ())), known.left)

    def close(self) -> None:
        """There is nothing to let go of."""
