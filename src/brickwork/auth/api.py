"""The HTTP routes of auth."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform
    from brickwork.web.endpoint import Endpoint


def endpoints(platform: "Platform") -> "Sequence[Endpoint]":
    """The routes below /api/v1."""
    from brickwork.auth import account, administration, passkey_api

    return [*account.endpoints(platform), *administration.endpoints(platform), *passkey_api.endpoints(platform)]
