"""Secrets that are shown once: made from the system's randomness, kept as digests, recognised before a database is asked."""

import hashlib
import secrets
import string
from zlib import crc32

_ALPHABET = string.digits + string.ascii_letters
#: Characters of randomness (62^43 is a little more than 2^256), and of the checksum after them.
LENGTH, CHECK = 43, 6


def make(prefix: str) -> str:
    """A new secret: the prefix, "_", randomness and a checksum of all that."""
    body = f"{prefix}_" + "".join(secrets.choice(_ALPHABET) for _ in range(LENGTH))
    return body + _checksum(body)


def well_formed(text: str) -> bool:
    """Whether the checksum is right; a mistyped or invented secret needs no look at the database."""
    return len(text) < 200 and text.isascii() and secrets.compare_digest(_checksum(text[:-CHECK]), text[-CHECK:])


def digest(text: str) -> str:
    """What is kept of it. The secret has 256 bits of randomness, so a plain hash can't be tried out."""
    return hashlib.sha256(text.encode()).hexdigest()


def _checksum(body: str) -> str:
    number, found = crc32(body.encode()), ""
    for _ in range(CHECK):
        number, rest = divmod(number, 62)
        found += _ALPHABET[rest]
    return found
