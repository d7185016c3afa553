"""The port of blobs: bytes under keys."""

from collections.abc import Iterable, Iterator
from typing import BinaryIO, Protocol

from brickwork.kernel.component import Health


class BlobStore(Protocol):
    """Keeps bytes. Keys are paths of letters, digits, dots, hyphens and slashes. Any method may raise `UnavailableError`."""

    def write(self, key: str, chunks: Iterable[bytes]) -> int:
        """Store all of `chunks`, in bounded memory, and return how many bytes. They are there as a whole, or, where `chunks` or
        the store fails, not at all. A key that is there is replaced."""
        ...

    def open(self, key: str, start: int = 0) -> BinaryIO:
        """A stream of the bytes from `start` on; raises `NotFoundError`. The caller closes it."""
        ...

    def size(self, key: str) -> int | None:
        """How many bytes are under a key; None where there is none."""
        ...

    def delete(self, key: str) -> None:
        """Forget a key; one that isn't there is no trouble."""
        ...

    def list(self, prefix: str) -> Iterator[str]:
        """The keys below `prefix`, which ends with a slash or is empty, in no order. What is being written is not among them."""
        ...

    def health(self) -> Health:
        """Whether it can be used."""
        ...

    def close(self) -> None:
        """Let go of connections. Closing twice is harmless."""
        ...
