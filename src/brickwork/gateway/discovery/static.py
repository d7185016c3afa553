"""Instances that the definition names."""

from collections.abc import Iterable
from ipaddress import ip_address
from math import inf

from brickwork.errors import DefinitionError
from brickwork.gateway.definition import Target
from brickwork.gateway.discovery.fence import Fence
from brickwork.gateway.discovery.port import Found, Instance


class Static:
    """See the module. The definition is trusted: names stay names, and any network will do except for what no registry may name
    either (raises `DefinitionError`)."""

    def __init__(self, targets: Iterable[Target]) -> None:
        self._found = Found([_instance(target) for target in targets], inf)

    def look(self) -> Found:
        return self._found

    def close(self) -> None:
        """There is nothing to let go of."""


def _instance(target: Target) -> Instance:
    host = target.host.strip("[]")
    try:
        ip_address(host)
    except ValueError:
        return Instance(host, target.port, target.weight)
    if not Fence().admits(host):
        raise DefinitionError(f"target {target.address}: no service may be at such an address", field="targets")
    return Instance(host, target.port, target.weight)
