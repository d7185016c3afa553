"""`/passkeys/brickwork-passkeys.js`: what a product's page needs for passkeys, and its types."""

from importlib.resources import files
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

_KINDS = {"brickwork-passkeys.js": "text/javascript", "brickwork-passkeys.d.ts": "text/plain"}


def mounts(platform: "Platform") -> dict[str, ASGIApp]:
    """The applications, by the first part of the path."""
    folder = files("brickwork.auth") / "static"
    bodies = {name: (folder / name).read_bytes() for name in _KINDS}

    async def script(scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path"].removeprefix("/passkeys/")
        if scope["type"] != "http" or name not in bodies:
            await Response(f"there are {' and '.join(bodies)}", 404)(scope, receive, send)
            return
        headers = {"cache-control": "max-age=300", "x-content-type-options": "nosniff"}
        await Response(bodies[name], media_type=_KINDS[name], headers=headers)(scope, receive, send)

    return {"passkeys": script}
