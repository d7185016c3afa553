"""Processes that fill templates which nobody has to trust: kept between uses, killed where one takes too long."""

import json
import os
import queue
import selectors
import subprocess
import sys
import threading
import time
from typing import Any

#: Seconds that a process may take to start.
PATIENCE = 30.0


class TooSlowError(Exception):
    """The process was killed, since it took too long or ended by itself."""


class Worker:
    """One process."""

    def __init__(self, memory: int) -> None:
        command = [sys.executable, "-m", "brickwork.documents.filling.child", str(memory)]
        env = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": os.pathsep.join(sys.path)}  # nothing that is secret
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env
        )
        self._buffer = b""
        self._read(PATIENCE)

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The answer; raises `TooSlowError`, and the process is gone then."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request, default=str).encode() + b"\n")
            self._process.stdin.flush()
            return self._read(seconds)
        except (BrokenPipeError, OSError):
            self.kill()
            raise TooSlowError from None

    def kill(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue

    def _read(self, seconds: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        until = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                left = until - time.monotonic()
                if left <= 0 or not selector.select(left):
                    break
                read = os.read(self._process.stdout.fileno(), 1 << 20)
                if not read:
                    break
                self._buffer += read
        line, newline, self._buffer = self._buffer.partition(b"\n")
        if not newline:
            self.kill()
            raise TooSlowError
        answer: dict[str, Any] = json.loads(line)
        return answer


class Workers:
    """Up to `most` processes, started when they are first needed."""

    def __init__(self, most: int, memory: int) -> None:
        self._memory = memory
        self._free: queue.LifoQueue[Worker | None] = queue.LifoQueue()
        for _ in range(most):
            self._free.put(None)
        self._closed = threading.Event()

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """One of them answers; raises `TooSlowError`."""
        worker = self._free.get()
        try:
            worker = worker or Worker(self._memory)
            return worker.ask(request, seconds)
        except TooSlowError:
            worker = None
            raise
        finally:
            if worker is not None and self._closed.is_set():
                worker.kill()
                worker = None
            self._free.put(worker)

    def close(self) -> None:
        """End those that are free; one that is busy ends when it is done."""
        self._closed.set()
        kept: list[None] = []
        while True:
            try:
                worker = self._free.get_nowait()
            except queue.Empty:
                break
            if worker is not None:
                worker.kill()
            kept.append(None)
        for one in kept:
            self._free.put(one)
