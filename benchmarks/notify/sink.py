"""A mail server that takes everything and writes down the Message-ID of each: `python -m benchmarks.notify.sink PORT FILE`."""

import asyncio
import os
import re
import sys
from typing import Any

_ID = re.compile(rb"^Message-ID:\s*(\S+)", re.IGNORECASE | re.MULTILINE)


class Handler:
    """Answers 250 once the line is written."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """A message has come to its end."""
        found = _ID.search(envelope.content)
        os.write(self._file, (found[1] if found else b"none") + b"\n")
        return "250 OK"


async def serve(port: int, path: str) -> None:
    """Take messages until the process ends."""
    from aiosmtpd.smtp import SMTP

    loop = asyncio.get_running_loop()
    handler = Handler(path)
    server = await loop.create_server(lambda: SMTP(handler, loop=loop, hostname="sink.test"), "127.0.0.1", port)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
