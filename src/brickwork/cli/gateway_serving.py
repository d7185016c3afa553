"""`brickwork gateway serve` and `check`: the embedded proxy, and whether it could serve."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from brickwork.cli.serving import listen, working_platform
from brickwork.cli.state import platform_of

if TYPE_CHECKING:
    from brickwork.gateway.proxy import Proxy

_APPLICATION = "brickwork.cli.gateway_serving:application"


def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes")] = None,
    migrate: Annotated[bool, typer.Option(help="Bring the schema up first")] = True,
) -> None:
    """Serve the gateway's definition."""
    platform = platform_of(context)
    settings = platform.gateway.settings
    platform.gateway.check()
    if migrate:
        platform.migrate()
    platform.database.start()
    # what the gateway knows of the client it reads itself, and the upstream's Date and Server stand
    options = {"ws": "websockets-sansio", "proxy_headers": False, "server_header": False, "date_header": False}
    port = settings.port if port is None else port
    listen(context, _APPLICATION, host or settings.host, port, workers or settings.workers, options)


def check(context: typer.Context) -> None:
    """Say whether the definition can be served, without serving it."""
    definition = platform_of(context).gateway.check()
    counts = f"{len(definition.services)} services and {len(definition.routes)} routes"
    Console().print(f"the definition is good: {counts}", highlight=False)


def application() -> "Proxy":
    """The ASGI application of one worker process."""
    return working_platform().gateway.app(own=True)
