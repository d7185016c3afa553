"""The upstream: a raw server that costs little and answers every request with the same 500 bytes."""

import asyncio
import sys
from typing import Any

import uvloop

BODY = b'{"status":"success","data":{"id":1,"name":"' + b"x" * 400 + b'"}}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY


class Server(asyncio.Protocol):
    """One connection; requests have no body."""

    def connection_made(self, transport: Any) -> None:
        self._transport, self._buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        *requests, self._buffer = (self._buffer + data).split(b"\r\n\r\n")
        for _ in requests:
            self._transport.write(ANSWER)


async def main() -> None:
    """Serve on the port that was given."""
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
