"""The registration of the limits component."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from brickwork.kernel.component import Backend, Component
from brickwork.kernel.hookspecs import hookimpl
from brickwork.limits.settings import LimitsSettings

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform
    from brickwork.limits.service import Limits


def build(platform: "Platform", settings: LimitsSettings) -> "Limits":
    from brickwork.limits.service import Limits

    return Limits(platform, settings)


@hookimpl
def brickwork_components() -> Sequence[Component]:
    return [
        Component(
            name="limits",
            summary="Rate limits, quotas and plans that hold between processes",
            build="brickwork.limits.component:build",
            requires=("database",),
            settings=LimitsSettings,
            service="brickwork.limits.service:Limits",
            models="brickwork.limits.models",
            migrations="brickwork.limits.migrations",
            routes="brickwork.limits.api:endpoints",
        )
    ]


@hookimpl
def brickwork_backends() -> Sequence[Backend]:
    return [
        Backend(
            port="limits",
            name="embedded",
            factory="brickwork.limits.backends.embedded:EmbeddedLimits",
            summary="Embedded: a file beside the database, for the processes of one machine",
        )
    ]


@hookimpl
def brickwork_after_commit(platform: "Platform", transaction: Any) -> None:
    if transaction.events and "limits" in platform.components:
        platform.limits._after_commit(transaction)
