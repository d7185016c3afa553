"""The registration of the locks component."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from brickwork.kernel.component import Backend, Component
from brickwork.kernel.hookspecs import hookimpl
from brickwork.locks.settings import LocksSettings

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform
    from brickwork.locks.service import Locks


def build(platform: "Platform", settings: LocksSettings) -> "Locks":
    from brickwork.locks.service import Locks

    return Locks(platform, settings)


@hookimpl
def brickwork_components() -> Sequence[Component]:
    return [
        Component(
            name="locks",
            summary="Locks with fencing tokens, and semaphores, between processes",
            build="brickwork.locks.component:build",
            requires=("database",),
            settings=LocksSettings,
            service="brickwork.locks.service:Locks",
        )
    ]


@hookimpl
def brickwork_backends() -> Sequence[Backend]:
    return [
        Backend(
            port="locks",
            name="embedded",
            factory="brickwork.locks.backends.embedded:EmbeddedLocks",
            summary="Embedded: a file beside the database, for the processes of one machine",
        )
    ]
