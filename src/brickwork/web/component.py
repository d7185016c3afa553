"""The registration of the web component."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from brickwork.kernel.component import Component
from brickwork.kernel.hookspecs import hookimpl
from brickwork.web.settings import WebSettings

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform
    from brickwork.web.service import Web


def build(platform: "Platform", settings: WebSettings) -> "Web":
    from brickwork.web.service import Web

    return Web(platform, settings)


@hookimpl
def brickwork_components() -> Sequence[Component]:
    return [
        Component(
            name="web",
            summary="HTTP API over FastAPI",
            build="brickwork.web.component:build",
            requires=("database", "auth"),
            settings=WebSettings,
            service="brickwork.web.service:Web",
            models="brickwork.web.idempotency",
            migrations="brickwork.web.migrations",
        )
    ]
