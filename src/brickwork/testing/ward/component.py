"""The registration of the ward."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from brickwork.kernel.component import Component, ComponentSettings
from brickwork.kernel.hookspecs import hookimpl

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform


class Ward:
    """The ward's service: it has tables and no rules."""


def build(platform: "Platform", settings: ComponentSettings) -> Ward:
    return Ward()


@hookimpl
def brickwork_components() -> Sequence[Component]:
    return [
        Component(
            name="ward",
            summary="Tenant tables for tests",
            build="brickwork.testing.ward.component:build",
            requires=("database",),
            service="brickwork.testing.ward.component:Ward",
            models="brickwork.testing.ward.models",
            migrations="brickwork.testing.ward.migrations",
        )
    ]
