"""The port of rate limits: by how many seconds each key is ahead of an even pace."""

from typing import Protocol

from brickwork.kernel.component import Health


class LimitStore(Protocol):
    """Holds one number a key, for any process that uses the same store. Each method may raise `UnavailableError`."""

    def advance(self, key: str, step: float, most: float) -> tuple[bool, float]:
        """Put `key` ahead by `step` seconds more unless it is ahead by more than `most` then, in one atomic step; whether
        that was done, and by how many seconds it is ahead now. What is ahead melts as time passes."""
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
