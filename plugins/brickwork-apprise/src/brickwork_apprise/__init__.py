"""Apprise for brickwork."""

from collections.abc import Sequence

from brickwork import Backend, hookimpl
from brickwork_apprise.settings import AppriseSettings


@hookimpl
def brickwork_backends() -> Sequence[Backend]:
    return [
        Backend(
            port="channel",
            name="apprise",
            factory="brickwork_apprise.channel:build",
            summary="The services that Apprise knows, by its URLs",
            settings=AppriseSettings,
        )
    ]
