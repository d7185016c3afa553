"""The registration of the messaging component."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from brickwork.kernel.component import Backend, Component
from brickwork.kernel.hookspecs import hookimpl
from brickwork.messaging.settings import MessagingSettings

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform
    from brickwork.messaging.service import Messaging


def build(platform: "Platform", settings: MessagingSettings) -> "Messaging":
    from brickwork.messaging.service import Messaging

    return Messaging(platform, settings)


@hookimpl
def brickwork_components() -> Sequence[Component]:
    return [
        Component(
            name="messaging",
            summary="Events through an outbox, handlers with effects once, dead letters",
            build="brickwork.messaging.component:build",
            requires=("database",),
            settings=MessagingSettings,
            service="brickwork.messaging.service:Messaging",
            models="brickwork.messaging.models",
            migrations="brickwork.messaging.migrations",
            routes="brickwork.messaging.api:endpoints",
        )
    ]


@hookimpl
def brickwork_backends() -> Sequence[Backend]:
    return [
        Backend(
            port="messaging",
            name="sql",
            factory="brickwork.messaging.backends.sql:SqlBroker",
            summary="Embedded: the platform's own database",
        )
    ]


@hookimpl(trylast=True)
def brickwork_before_commit(platform: "Platform", transaction: Any) -> None:
    if transaction.events and "messaging" in platform.components:
        platform.messaging._before_commit(transaction)


@hookimpl
def brickwork_after_commit(platform: "Platform", transaction: Any) -> None:
    if transaction.owes:
        platform.messaging._after_commit(transaction)
