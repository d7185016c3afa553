"""The registration of the realtime component."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from brickwork.kernel.component import Component
from brickwork.kernel.hookspecs import hookimpl
from brickwork.realtime.settings import RealtimeSettings

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform
    from brickwork.realtime.service import Realtime


def build(platform: "Platform", settings: RealtimeSettings) -> "Realtime":
    from brickwork.realtime.service import Realtime

    return Realtime(platform, settings)


@hookimpl
def brickwork_components() -> Sequence[Component]:
    return [
        Component(
            name="realtime",
            summary="Live messages and presence over WebSockets",
            build="brickwork.realtime.component:build",
            requires=("messaging", "auth"),
            settings=RealtimeSettings,
            service="brickwork.realtime.service:Realtime",
            models="brickwork.realtime.models",
            migrations="brickwork.realtime.migrations",
            routes="brickwork.realtime.api:endpoints",
            asgi="brickwork.realtime.asgi:mounts",
        )
    ]


@hookimpl(trylast=True)
def brickwork_before_commit(platform: "Platform", transaction: Any) -> None:
    if transaction.events and "realtime" in platform.components:
        platform.realtime._before_commit(transaction)


@hookimpl
def brickwork_after_commit(platform: "Platform", transaction: Any) -> None:
    if transaction.tells:
        platform.realtime._after_commit()
