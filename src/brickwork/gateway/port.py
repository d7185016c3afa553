"""The port of circuit breakers: one small value a circuit, changed by compare and swap."""

from collections.abc import Mapping
from typing import Protocol

from brickwork.gateway.circuit import Circuit
from brickwork.kernel.component import Health


class BreakerStore(Protocol):
    """Holds the circuits that are not closed, for any process that uses the same store. Times are seconds since the epoch by the
    store's own clock, which every answer tells. Each method may raise `UnavailableError`."""

    def read(self, key: str) -> tuple[Circuit, float]:
        """The circuit of `key` (`CLOSED` where there is none), and the time."""
        ...

    def swap(self, key: str, seen: Circuit, new: Circuit) -> bool:
        """Put `new` in place of `seen` in one atomic step, unless somebody has put another there; whether that was done."""
        ...

    def troubled(self) -> tuple[Mapping[str, Circuit], float]:
        """Every circuit that is not closed, and the time; one round trip."""
        ...

    def health(self) -> Health:
        """Whether it can be used."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...
