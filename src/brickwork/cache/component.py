"""The registration of the cache component."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from brickwork.cache.settings import CacheSettings
from brickwork.kernel.component import Backend, Component
from brickwork.kernel.hookspecs import hookimpl

if TYPE_CHECKING:
    from brickwork.cache.service import Cache
    from brickwork.kernel.platform import Platform


def build(platform: "Platform", settings: CacheSettings) -> "Cache":
    from brickwork.cache.service import Cache

    return Cache(platform, settings)


@hookimpl
def brickwork_components() -> Sequence[Component]:
    return [
        Component(
            name="cache",
            summary="Values kept by named strategies, forgotten when committed events say so",
            build="brickwork.cache.component:build",
            requires=("database",),
            settings=CacheSettings,
            service="brickwork.cache.service:Cache",
        )
    ]


@hookimpl
def brickwork_backends() -> Sequence[Backend]:
    return [
        Backend(
            port="cache",
            name="embedded",
            factory="brickwork.cache.backends.embedded:EmbeddedStore",
            summary="Embedded: files beside the database, for the processes of one machine",
        )
    ]


@hookimpl(trylast=True)
def brickwork_before_commit(platform: "Platform", transaction: Any) -> None:
    if transaction.events and "cache" in platform.components:
        platform.cache._before_commit(transaction)


@hookimpl(tryfirst=True)
def brickwork_after_commit(platform: "Platform", transaction: Any) -> None:
    if transaction.events and "cache" in platform.components:
        platform.cache._after_commit(transaction)
