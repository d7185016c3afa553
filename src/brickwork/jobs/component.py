"""The registration of the jobs component."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from brickwork.kernel.component import Component, ComponentSettings
from brickwork.kernel.hookspecs import hookimpl

if TYPE_CHECKING:
    from brickwork.jobs.service import Jobs
    from brickwork.kernel.platform import Platform


class JobsSettings(ComponentSettings):
    """The `[jobs]` section."""

    #: Days that ended runs are kept.
    history_days: int = Field(default=30, ge=1)
    #: Seconds between looks for schedules that are due.
    interval: float = Field(default=1.0, gt=0)


def build(platform: "Platform", settings: Any) -> "Jobs":
    from brickwork.jobs.service import Jobs

    return Jobs(platform, settings)


@hookimpl
def brickwork_components() -> Sequence[Component]:
    return [
        Component(
            name="jobs",
            summary="Work done later: deferred, delayed, scheduled, with progress and history",
            build="brickwork.jobs.component:build",
            requires=("messaging",),
            settings=JobsSettings,
            service="brickwork.jobs.service:Jobs",
            models="brickwork.jobs.models",
            migrations="brickwork.jobs.migrations",
            routes="brickwork.jobs.api:endpoints",
        )
    ]
