"""A thousand clients in one process, as cheap as they get: sockets whose frames are cut by hand, and the time read from each."""

import asyncio
import os
import struct
import time
from array import array
from enum import Enum

MARK = b'"t":'


class Dialect(Enum):
    """What a server wants to hear."""

    BRICKWORK = "brickwork"
    SOCKETIO = "socketio"


class Crowd:
    """The clients and the delays that they saw."""

    def __init__(self, dialect: Dialect, port: int, secrets: list[str]) -> None:
        self.dialect = dialect
        self._port = port
        self._secrets = secrets
        self.seen = array("d")
        self.ready = 0
        self._clients: list[_Client] = []

    async def connect(self, count: int) -> None:
        """Connect, fifty at a time, and wait until each listens."""
        loop = asyncio.get_running_loop()
        for start in range(0, count, 50):
            for number in range(start, min(start + 50, count)):
                if self.dialect is Dialect.BRICKWORK:
                    path = f"/ws/client-{number}?ticket={self._secrets[number]}"
                else:
                    path = "/socket.io/?EIO=4&transport=websocket"
                client = _Client(self, path)
                await loop.create_connection(lambda client=client: client, "127.0.0.1", self._port)  # type: ignore[misc]
                self._clients.append(client)
            while self.ready < min(start + 50, count):
                await asyncio.sleep(0.01)

    def begin(self) -> None:
        """Forget what was seen."""
        self.seen = array("d")

    async def delays(self, count: int, patience: float) -> "array[float]":
        """The delays in seconds, when there are `count` of them or nothing came for `patience` seconds."""
        known, since = -1, time.monotonic()
        while len(self.seen) < count and time.monotonic() - since < patience:
            if len(self.seen) != known:
                known, since = len(self.seen), time.monotonic()
            await asyncio.sleep(0.05)
        return self.seen

    def close(self) -> None:
        """Hang up."""
        for client in self._clients:
            client.transport.abort()


class _Client(asyncio.Protocol):
    def __init__(self, crowd: Crowd, path: str) -> None:
        self._crowd = crowd
        self._path = path
        self._buffer = b""
        self._open = False
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        head = f"GET {self._path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        transport.write(f"{head}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        now = time.time()
        data = self._buffer + data
        if not self._open:
            head, found, data = data.partition(b"\r\n\r\n")
            if not found:
                self._buffer = head
                return
            if b" 101 " not in head:
                raise RuntimeError(head.decode())
            self._open = True
            if self._crowd.dialect is Dialect.BRICKWORK:
                self._say(b'{"op":"subscribe","topic":"room:all"}')
        position, size = 0, len(data)
        while size - position >= 2:
            length, start = data[position + 1], position + 2
            if length == 126:
                if size - position < 4:
                    break
                (length,), start = struct.unpack_from("!H", data, position + 2), position + 4
            if size < start + length:
                break
            self._take(data[position] & 15, data[start : start + length], now)
            position = start + length
        self._buffer = data[position:]

    def _take(self, opcode: int, payload: bytes, now: float) -> None:
        mark = payload.find(MARK)
        if mark >= 0:
            end = payload.find(b"}", mark)
            self._crowd.seen.append(now - float(payload[mark + len(MARK) : end]))
        elif opcode == 9:
            self._say(payload, 0x8A)
        elif self._crowd.dialect is Dialect.SOCKETIO:
            if payload.startswith(b"0"):
                self._say(b"40")
            elif payload.startswith(b"40"):
                self._crowd.ready += 1
            elif payload == b"2":
                self._say(b"3")
        elif b'"subscribed"' in payload:
            self._crowd.ready += 1

    def _say(self, payload: bytes, head: int = 0x81) -> None:
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[number % 4] for number, byte in enumerate(payload))
        self.transport.write(bytes((head, 0x80 | len(payload))) + mask + masked)
