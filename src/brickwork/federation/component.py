"""The registration of the federation component."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from brickwork.federation.settings import FederationSettings
from brickwork.kernel.component import Component
from brickwork.kernel.hookspecs import hookimpl

if TYPE_CHECKING:
    from brickwork.federation.service import Federation
    from brickwork.kernel.platform import Platform


def build(platform: "Platform", settings: FederationSettings) -> "Federation":
    from brickwork.federation.service import Federation

    return Federation(platform, settings)


@hookimpl
def brickwork_components() -> Sequence[Component]:
    return [
        Component(
            name="federation",
            summary="Signing in with accounts of other OpenID Connect providers",
            build="brickwork.federation.component:build",
            requires=("database", "auth", "cache", "keyring", "limits"),
            settings=FederationSettings,
            service="brickwork.federation.service:Federation",
            models="brickwork.federation.models",
            migrations="brickwork.federation.migrations",
            routes="brickwork.federation.api:endpoints",
            asgi="brickwork.federation.asgi:mounts",
        )
    ]


@hookimpl
def brickwork_ways_to_sign_in(platform: "Platform", transaction: Any, user: UUID) -> int:
    from brickwork.federation.identities import count

    return count(transaction, user) if "federation" in platform.components else 0


@hookimpl
def brickwork_events() -> Sequence[Any]:
    from brickwork.federation.events import IdentityLinked, IdentityUnlinked

    return [IdentityLinked, IdentityUnlinked]
