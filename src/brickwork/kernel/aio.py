"""The door from async code to the synchronous services: one adapter over a bounded pool of threads."""

from collections.abc import AsyncIterator, Callable, Generator, Iterator
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import anyio
import anyio.to_thread

from brickwork.kernel.context import wandering

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

P = ParamSpec("P")
R = TypeVar("R")

#: Threads that work at once; more callers wait for their turn without holding a thread.
DEFAULT_THREADS = 16


class AsyncBridge:
    """Runs service methods in threads, with the caller's context, typed as the method itself is.

    `await platform.aio(platform.entities.get, "patient", id)`. A transaction belongs to one thread: put what must be
    atomic into a function and give that.
    """

    def __init__(self, platform: "Platform", threads: int = DEFAULT_THREADS) -> None:
        self._platform = platform
        self._threads = threads
        self._limiter: anyio.CapacityLimiter | None = None

    async def __call__(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """The result of `function(*args, **kwargs)`, run in a thread."""
        return await anyio.to_thread.run_sync(partial(function, *args, **kwargs), limiter=self._bound())

    async def iterate(self, iterator: Iterator[R]) -> AsyncIterator[R]:
        """The items of a synchronous iterator, each fetched in a thread; a generator may hold a transaction over them."""
        context = wandering()

        def following() -> tuple[R] | None:
            """The next item, wrapped, since it may be None itself."""
            for item in iterator:
                return (item,)
            return None

        try:
            while (item := await self(context.run, following)) is not None:
                yield item[0]
        finally:
            if isinstance(iterator, Generator):
                with anyio.CancelScope(shield=True):
                    await self(context.run, iterator.close)

    def _bound(self) -> anyio.CapacityLimiter:
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._threads)
        return self._limiter
