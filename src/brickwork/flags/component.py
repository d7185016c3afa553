"""The registration of the flags component."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from brickwork.flags.settings import FlagsSettings
from brickwork.kernel.component import Component
from brickwork.kernel.hookspecs import hookimpl

if TYPE_CHECKING:
    from brickwork.flags.service import Flags
    from brickwork.kernel.platform import Platform


def build(platform: "Platform", settings: FlagsSettings) -> "Flags":
    from brickwork.flags.service import Flags

    return Flags(platform, settings)


@hookimpl
def brickwork_components() -> Sequence[Component]:
    return [
        Component(
            name="flags",
            summary="Feature flags, decided in memory and changed at run time",
            build="brickwork.flags.component:build",
            requires=("database",),
            settings=FlagsSettings,
            service="brickwork.flags.service:Flags",
            models="brickwork.flags.models",
            migrations="brickwork.flags.migrations",
            routes="brickwork.flags.api:endpoints",
        )
    ]


@hookimpl
def brickwork_after_commit(platform: "Platform", transaction: Any) -> None:
    if transaction.events and "flags" in platform.components:
        platform.flags._after_commit(transaction)
