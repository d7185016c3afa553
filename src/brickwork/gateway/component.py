"""The registration of the gateway component."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from brickwork.gateway.settings import GatewaySettings
from brickwork.kernel.component import Backend, Component
from brickwork.kernel.hookspecs import hookimpl

if TYPE_CHECKING:
    from brickwork.gateway.service import GatewayService
    from brickwork.kernel.platform import Platform


def build(platform: "Platform", settings: GatewaySettings) -> "GatewayService":
    from brickwork.gateway.service import GatewayService

    return GatewayService(platform, settings)


@hookimpl
def brickwork_components() -> Sequence[Component]:
    return [
        Component(
            name="gateway",
            summary="The door before services: routes, versions, policies, discovery, an embedded proxy",
            build="brickwork.gateway.component:build",
            requires=("database", "limits", "flags"),
            settings=GatewaySettings,
            service="brickwork.gateway.service:GatewayService",
            models="brickwork.gateway.models",
            migrations="brickwork.gateway.migrations",
        )
    ]


@hookimpl
def brickwork_backends() -> Sequence[Backend]:
    return [
        Backend(
            port="gateway",
            name="embedded",
            factory="brickwork.gateway.backends.embedded:EmbeddedBreakers",
            summary="Embedded: circuits in a file beside the database, for the processes of one machine",
        )
    ]
