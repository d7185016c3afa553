"""Encryption of contents: AES-256-GCM in pieces, so that any range can be read and no piece be moved, left out or added.

The construction is STREAM (Hoang, Reyhanitabar, Rogaway, Vizár: Online Authenticated-Encryption and its Nonce-Reuse
Misuse-Resistance, 2015): the nonce of a piece has its number and whether it is the last.
"""

import base64
import io
import secrets
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import attrs
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from brickwork.storage.errors import BlobDamagedError

#: Bytes of a piece, and of the tag that follows each.
PIECE, TAG = 65_536, 16
_PREFIX = 7


@attrs.frozen
class ContentKey:
    """The key of one content, and the beginning of its nonces."""

    key: bytes = attrs.field(repr=False)
    prefix: bytes = attrs.field(repr=False)

    @classmethod
    def new(cls) -> "ContentKey":
        """A new key, for one content only."""
        return cls(secrets.token_bytes(32), secrets.token_bytes(_PREFIX))

    @classmethod
    def parse(cls, text: str) -> "ContentKey":
        """The key that `str` has written."""
        raw = base64.b64decode(text)
        return cls(raw[:32], raw[32:])

    def __str__(self) -> str:
        return base64.b64encode(self.key + self.prefix).decode()

    def _nonce(self, number: int, last: bool) -> bytes:
        return self.prefix + number.to_bytes(4, "big") + bytes((last,))

    def seal(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """The pieces of a content, encrypted. The last may be empty."""
        cipher, number, buffer = AESGCM(self.key), 0, bytearray()
        for chunk in chunks:
            buffer += chunk
            while len(buffer) > PIECE:
                yield cipher.encrypt(self._nonce(number, False), bytes(buffer[:PIECE]), None)
                del buffer[:PIECE]
                number += 1
        yield cipher.encrypt(self._nonce(number, True), bytes(buffer), None)

    def open(self, number: int, sealed: bytes, *, last: bool) -> bytes:
        """One piece; raises `BlobDamagedError`."""
        try:
            return AESGCM(self.key).decrypt(self._nonce(number, last), sealed, None)
        except InvalidTag:
            raise BlobDamagedError("the stored content was altered, cut short or moved") from None


class OpenedStream(io.RawIOBase):
    """The plain bytes of an encrypted content from `start` on."""

    def __init__(self, source: BinaryIO, key: ContentKey, size: int, start: int) -> None:
        """`source` stands at the beginning of the piece in which `start` lies."""
        self._source, self._key = source, key
        self._last = max(size - 1, 0) // PIECE
        self._number = min(start // PIECE, self._last)
        self._rest = b""
        self._skip = start - self._number * PIECE

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        while not self._rest and self._number <= self._last:
            sealed = self._source.read(PIECE + TAG)
            self._rest = self._key.open(self._number, sealed, last=self._number == self._last)[self._skip :]
            self._skip = 0
            self._number += 1
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        self._source.close()
        super().close()


def place_of(start: int, size: int) -> int:
    """Where in the encrypted content the piece begins in which `start` lies."""
    return min(start // PIECE, max(size - 1, 0) // PIECE) * (PIECE + TAG)
