"""python-socketio's server: rooms in memory, WebSocket only, no compression."""

import asyncio
import socket
import sys
import threading
from typing import Any

import socketio
import uvicorn

from benchmarks.realtime.publishing import obey

server: Any = socketio.AsyncServer(async_mode="asgi", transports=["websocket"], http_compression=False)


@server.event
async def connect(sid: str, environ: dict[str, Any]) -> None:
    """Everybody enters the room."""
    await server.enter_room(sid, "all")


def main() -> None:
    """Serve; emit to the room when told."""
    held = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(held.getsockname()[1], flush=True)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            loop = asyncio.get_running_loop()

            def publish(now: float) -> None:
                data = {"text": "x" * 100, "t": now}
                asyncio.run_coroutine_threadsafe(server.emit("message", data, room="all"), loop).result()

            threading.Thread(target=obey, args=(publish,), daemon=True).start()
        await inner(scope, receive, send)

    inner = socketio.ASGIApp(server)
    options: dict[str, Any] = {"ws_per_message_deflate": False, "log_level": "error", "access_log": False}
    uvicorn.Server(uvicorn.Config(application, **options)).run(sockets=[held])


if __name__ == "__main__":
    sys.exit(main())
