"""The registration of the storage component."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from brickwork.kernel.component import Backend, Component
from brickwork.kernel.hookspecs import hookimpl
from brickwork.storage.settings import StorageSettings

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform
    from brickwork.storage.service import Storage


def build(platform: "Platform", settings: StorageSettings) -> "Storage":
    from brickwork.storage.service import Storage

    return Storage(platform, settings)


@hookimpl
def brickwork_components() -> Sequence[Component]:
    return [
        Component(
            name="storage",
            summary="Files, checked by what they hold, kept once, given out by links that end",
            build="brickwork.storage.component:build",
            requires=("database",),
            settings=StorageSettings,
            service="brickwork.storage.service:Storage",
            models="brickwork.storage.models",
            migrations="brickwork.storage.migrations",
            routes="brickwork.storage.api:endpoints",
            asgi="brickwork.storage.asgi:mounts",
        )
    ]


@hookimpl
def brickwork_backends() -> Sequence[Backend]:
    from brickwork.storage.backends.local import LocalSettings
    from brickwork.storage.backends.remote import RemoteSettings

    return [
        Backend(
            port="storage",
            name="local",
            factory="brickwork.storage.backends.local:LocalStore",
            summary="Embedded: files in a folder",
            settings=LocalSettings,
        ),
        Backend(
            port="storage",
            name="fsspec",
            factory="brickwork.storage.backends.remote:RemoteStore",
            summary="S3 and other stores that fsspec knows",
            settings=RemoteSettings,
        ),
    ]


@hookimpl
def brickwork_after_commit(platform: "Platform", transaction: Any) -> None:
    if transaction.events and "storage" in platform.components:
        platform.storage._after_commit(transaction)
