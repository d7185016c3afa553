"""The threads that run endpoints: a hand-over that costs less than an executor's, which makes two futures and a lock each."""

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

R = TypeVar("R")
_Job = tuple[asyncio.AbstractEventLoop, "asyncio.Future[Any]", Callable[..., Any], tuple[Any, ...]]


class Workers:
    """`count` threads that take calls from one queue, in order."""

    def __init__(self, count: int, name: str) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._serve, name=f"{name}-{n}", daemon=True) for n in range(count)]
        for thread in self._threads:
            thread.start()

    async def run(self, function: Callable[..., R], *arguments: Any) -> R:
        """The result of `function(*arguments)`, run in one of the threads."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[R] = loop.create_future()
        self._jobs.put((loop, answer, function, arguments))
        return await answer

    def close(self) -> None:
        """Wait for the calls that were handed over, then end the threads."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            loop, answer, function, arguments = job
            finish: Callable[[asyncio.Future[Any], Any], None] = _succeed
            try:
                value = function(*arguments)
            except BaseException as error:  # the caller gets it, whatever it is
                finish, value = _fail, error
            try:
                loop.call_soon_threadsafe(finish, answer, value)
            except RuntimeError:  # the loop is closed: nobody waits for the answer any more
                continue


def _succeed(answer: "asyncio.Future[Any]", value: Any) -> None:
    if not answer.done():
        answer.set_result(value)


def _fail(answer: "asyncio.Future[Any]", error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)
