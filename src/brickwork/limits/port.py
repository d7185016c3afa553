"""The port of limits: by how many seconds each key is ahead of an even pace, and how much of a quota is used."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from brickwork.kernel.component import Health


class Pace(NamedTuple):
    """Put `key` ahead by `step` seconds more, but not further than `most`."""

    key: str
    step: float
    most: float


class Count(NamedTuple):
    """Use `cost` more of what `key` counts, but not more than `most` in all. The key may be forgotten after `ttl` seconds.
    `floor` is what was used where the store doesn't know the key."""

    key: str
    cost: int
    most: int
    ttl: float
    floor: int | None = None


class Taken(NamedTuple):
    """Whether everything was taken, and how it stands now: by how many seconds each pace is ahead, how much each count has used.
    None is a count that the store doesn't know and that came without a floor."""

    all: bool
    ahead: Sequence[float]
    used: Sequence[int | None]


class LimitStore(Protocol):
    """Holds one number a key, for any process that uses the same store. Each method may raise `UnavailableError`."""

    def advance(self, key: str, step: float, most: float) -> tuple[bool, float]:
        """Put `key` ahead by `step` seconds more unless it is ahead by more than `most` then, in one atomic step; whether
        that was done, and by how many seconds it is ahead now. What is ahead melts as time passes."""
        ...

    def take(self, paces: Sequence[Pace], counts: Sequence[Count]) -> Taken:
        """All of them or none, in one atomic step and one round trip. A count without a floor that the store doesn't know lets
        nothing be taken."""
        ...

    def reset(self, key: str) -> None:
        """`key` is no longer ahead."""
        ...

    def health(self) -> Health:
        """Whether it can be used."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...
