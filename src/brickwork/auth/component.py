"""The registration of the auth component."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from brickwork.auth.settings import AuthSettings
from brickwork.kernel.component import Component
from brickwork.kernel.hookspecs import hookimpl

if TYPE_CHECKING:
    from brickwork.auth.service import Auth
    from brickwork.kernel.platform import Platform


def build(platform: "Platform", settings: AuthSettings) -> "Auth":
    from brickwork.auth.service import Auth

    return Auth(platform, settings)


@hookimpl
def brickwork_components() -> Sequence[Component]:
    return [
        Component(
            name="auth",
            summary="Users, sessions, API keys, roles and permissions",
            build="brickwork.auth.component:build",
            requires=("database", "cache", "limits", "messaging", "keyring"),
            settings=AuthSettings,
            service="brickwork.auth.service:Auth",
            models="brickwork.auth.models",
            migrations="brickwork.auth.migrations",
            routes="brickwork.auth.api:endpoints",
            asgi="brickwork.auth.asgi:mounts",
        )
    ]


@hookimpl
def brickwork_permissions() -> Sequence[Any]:
    from brickwork.auth.permissions import PERMISSIONS

    return PERMISSIONS


@hookimpl
def brickwork_handlers() -> Sequence[Any]:
    from brickwork.auth.events import answer_reset

    return [answer_reset]


@hookimpl
def brickwork_after_commit(platform: "Platform", transaction: Any) -> None:
    if transaction.events and "auth" in platform.components:
        platform.auth._after_commit(transaction)
