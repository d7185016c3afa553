"""brickwork's server, as `brickwork serve` runs it with one process."""

import socket
import sys
import threading

import uvicorn

from benchmarks.realtime.publishing import obey
from brickwork import Platform
from brickwork.web import create_app


def main() -> None:
    """Serve; publish to a room when told."""
    folder, clients = sys.argv[1], int(sys.argv[2])
    platform = Platform(settings={"platform": {"data_dir": folder}}, discover=False)
    platform.migrate()
    held = socket.create_server(("127.0.0.1", 0), backlog=2048)
    with platform.context(tenant="bench", actor="user:bench"):
        tickets = [platform.realtime.tickets.give(f"client-{number}").ticket for number in range(clients)]
    print(held.getsockname()[1], *tickets, flush=True)

    def publish() -> None:
        with platform.context(tenant="bench", actor="user:bench"):
            obey(lambda now: platform.realtime.publish("room:all", {"text": "x" * 100, "t": now}))

    threading.Thread(target=publish, daemon=True).start()
    options = {"ws": "websockets-sansio", "ws_per_message_deflate": False, "log_level": "error", "access_log": False}
    uvicorn.Server(uvicorn.Config(create_app(platform), **options)).run(sockets=[held])  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
