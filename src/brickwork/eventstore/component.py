"""The registration of the event store."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from brickwork.kernel.component import Component, ComponentSettings
from brickwork.kernel.hookspecs import hookimpl

if TYPE_CHECKING:
    from brickwork.eventstore.service import EventStore
    from brickwork.kernel.platform import Platform


def build(platform: "Platform", settings: ComponentSettings) -> "EventStore":
    from brickwork.eventstore.service import EventStore

    return EventStore(platform, settings)


@hookimpl
def brickwork_components() -> Sequence[Component]:
    return [
        Component(
            name="eventstore",
            summary="Append-only streams, snapshots, projections",
            build="brickwork.eventstore.component:build",
            requires=("messaging",),
            service="brickwork.eventstore.service:EventStore",
            models="brickwork.eventstore.models",
            migrations="brickwork.eventstore.migrations",
        )
    ]
