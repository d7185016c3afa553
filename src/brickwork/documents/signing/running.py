"""What pyHanko needs around it: an event loop, also where one runs already, and a plain error where it isn't installed."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from brickwork.errors import MissingDependencyError

T = TypeVar("T")


def library() -> None:
    """Raises `MissingDependencyError` where pyHanko isn't installed."""
    try:
        import pyhanko.sign  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingDependencyError(str(error.name), "sign") from None


def run(work: Coroutine[Any, Any, T]) -> T:
    """What the coroutine gives; in a thread of its own where this one has a loop that runs (a notebook, an async service)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    outcome: list[T] = []
    failure: list[BaseException] = []

    def target() -> None:
        try:
            outcome.append(asyncio.run(work))
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=target, name="signing")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]
