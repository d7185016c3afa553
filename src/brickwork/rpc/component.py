"""The registration of the rpc component."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from brickwork.kernel.component import Component
from brickwork.kernel.hookspecs import hookimpl
from brickwork.rpc.settings import RpcSettings

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform
    from brickwork.rpc.service import Rpc


def build(platform: "Platform", settings: RpcSettings) -> "Rpc":
    from brickwork.rpc.service import Rpc

    return Rpc(platform, settings)


@hookimpl
def brickwork_components() -> Sequence[Component]:
    return [
        Component(
            name="rpc",
            summary="Calls between services over gRPC",
            build="brickwork.rpc.component:build",
            requires=("database", "auth"),
            settings=RpcSettings,
            service="brickwork.rpc.service:Rpc",
        )
    ]
