"""The port of locks: permits that lapse. A lock is a name with one permit."""

from typing import Protocol

from brickwork.kernel.component import Health


class LockStore(Protocol):
    """Gives out permits, to any process that uses the same store. Each method may raise `UnavailableError`."""

    def take(self, name: str, holder: str, permits: int, seconds: float) -> int | None:
        """One of `permits` permits on `name` for `holder`, for that long: a token that is larger than every one given before,
        also before a crash of the store; None while all are held."""
        ...

    def renew(self, name: str, holder: str, seconds: float) -> bool:
        """Hold it for that long from now; False if it has lapsed."""
        ...

    def free(self, name: str, holder: str) -> bool:
        """Give it back; False if it had lapsed."""
        ...

    def held(self, name: str) -> int:
        """How many permits are held."""
        ...

    def health(self) -> Health:
        """Whether it can be used."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...
