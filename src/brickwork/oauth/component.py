"""The registration of the oauth component."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from brickwork.kernel.component import Component
from brickwork.kernel.hookspecs import hookimpl
from brickwork.oauth.settings import OAuthSettings

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform
    from brickwork.oauth.service import OAuth


def build(platform: "Platform", settings: OAuthSettings) -> "OAuth":
    from brickwork.oauth.service import OAuth

    return OAuth(platform, settings)


@hookimpl
def brickwork_access_ended(platform: "Platform", transaction: Any, user: UUID, reason: str) -> None:
    if "oauth" in platform.components:
        platform.oauth.grants.end_all(transaction, user, reason)


@hookimpl
def brickwork_components() -> Sequence[Component]:
    return [
        Component(
            name="oauth",
            summary="OAuth 2 and OpenID Connect provider",
            build="brickwork.oauth.component:build",
            requires=("database", "auth", "cache", "keyring", "messaging"),
            settings=OAuthSettings,
            service="brickwork.oauth.service:OAuth",
            models="brickwork.oauth.models",
            migrations="brickwork.oauth.migrations",
            routes="brickwork.oauth.api:endpoints",
            asgi="brickwork.oauth.asgi:mounts",
        )
    ]
