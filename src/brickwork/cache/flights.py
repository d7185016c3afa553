"""One loader at a time in a process: the first caller loads, those who come meanwhile get what it got."""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from brickwork.kernel.context import strand

T = TypeVar("T")


class Flight(Generic[T]):
    """A load that is under way."""

    def __init__(self) -> None:
        self.owner = strand()
        self._done = threading.Event()
        self._result: T | None = None
        self._error: BaseException | None = None

    def land(self, result: T | None, error: BaseException | None) -> None:
        """It is over."""
        self._result, self._error = result, error
        self._done.set()

    def wait(self) -> T:
        """What came of it; raises what it raised."""
        self._done.wait()
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]


class Flights(Generic[T]):
    """The loads of a process, by key. The key holds the versions of the tags too, so that nobody who comes after a change
    gets what was loaded before it."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, Flight[T]] = {}
        self._lock = threading.Lock()

    def running(self, key: Hashable) -> bool:
        """Whether a load for `key` is under way."""
        return key in self._flights

    def run(self, key: Hashable, load: Callable[[], T]) -> T:
        """The result of `load`, or of the one for the same key that is under way."""
        with self._lock:
            flight = self._flights.get(key)
            mine = flight is None
            if flight is None:
                flight = self._flights[key] = Flight()
        if not mine:
            # a loader that asks for the key it loads would wait for itself
            return load() if flight.owner == strand() else flight.wait()
        try:
            result = load()
        except BaseException as error:
            self._land(key, flight, None, error)
            raise
        self._land(key, flight, result, None)
        return result

    def _land(self, key: Hashable, flight: Flight[T], result: T | None, error: BaseException | None) -> None:
        with self._lock:
            del self._flights[key]
        flight.land(result, error)
