"""`brickwork serve`: an embedded server, in one or several processes."""

import gc
import os
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from brickwork.cli.state import State, platform_of

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

_APPLICATION = "brickwork.cli.serving:application"
#: Seconds after which the interpreter makes a busy thread give way; short, so that the event loop stays prompt.
SWITCH_INTERVAL = 0.001


def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Address to listen on")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 takes a free one")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes")] = None,
    migrate: Annotated[bool, typer.Option(help="Bring the schema up first")] = True,
) -> None:
    """Serve the HTTP API, with its documentation under /docs."""
    platform = platform_of(context)
    settings = platform.get("web").settings
    if migrate:
        platform.migrate()
    platform.database.start()
    # frames are written past ASGI, so nothing may transform them on the way
    options = {"ws": "websockets-sansio", "ws_per_message_deflate": False, "ws_max_size": 65_536}
    port = settings.port if port is None else port
    listen(context, _APPLICATION, host or settings.host, port, workers or settings.workers, options)


def listen(context: typer.Context, application: str, host: str, port: int, count: int, options: dict[str, Any]) -> None:
    """Serve the ASGI application that "module:factory" makes, in `count` processes. This process's platform is closed before."""
    import uvicorn
    from uvicorn.supervisors import Multiprocess

    platform = platform_of(context)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(fresh_folder(platform.settings.platform.data_dir / f"metrics-{port}"))
    state: State = context.obj
    if state.settings is not None:
        os.environ["BRICKWORK_CONFIG"] = str(state.settings)
    platform.close()
    platform.configure_logging()
    options |= {"factory": True, "log_config": None, "host": host, "port": port, "workers": count, "access_log": False}
    if count == 1 or not hasattr(socket, "SO_REUSEPORT"):
        uvicorn.run(application, **options)
        return
    held = _listening(host, port)  # keeps the port while workers come and go; it takes no connections itself
    options["port"] = held.getsockname()[1]
    door = cast("socket.socket", _Door(host, options["port"]))
    Multiprocess(uvicorn.Config(application, **options), sockets=[door]).run()


class _Door:
    """Stands for a listening socket and becomes one in each worker process that it is sent to.

    With a socket each, the kernel deals connections out evenly; on a shared one the worker that wakes first takes a whole
    burst of them, and keeps them.
    """

    def __init__(self, host: str, port: int) -> None:
        self._place = (host, port)

    def __reduce__(self) -> tuple[Callable[[str, int], socket.socket], tuple[str, int]]:
        return _listening, self._place

    def close(self) -> None:
        """The supervisor has nothing to close."""


def _listening(host: str, port: int) -> socket.socket:
    """A socket bound to the port, which others may be bound to as well."""
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind((host, port))
    return made


def fresh_folder(folder: Path) -> Path:
    """An empty folder in which the workers of this server add up their metrics. It is emptied at the start, since a
    server that is ended by a signal doesn't come to clean up."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder.absolute()


def application() -> object:
    """The ASGI application of one worker process."""
    from brickwork.web import create_app

    app = create_app(working_platform())
    gc.collect()
    gc.freeze()  # what is there now stays for the life of the process, so that no collection goes through it again
    return app


def working_platform() -> "Platform":
    """The platform of one worker process, as settings describe it."""
    from prometheus_client import values

    from brickwork.kernel.platform import Platform

    pid = os.getpid()  # asked once: the client asks before each of several figures a request, and a system call is dear
    values.ValueClass = values.MultiProcessValue(lambda: pid)  # type: ignore[no-untyped-call]
    sys.setswitchinterval(SWITCH_INTERVAL)
    platform = Platform.from_settings()
    platform.configure_logging()
    return platform
