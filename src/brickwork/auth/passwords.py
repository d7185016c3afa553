"""Passwords: what is accepted (NIST SP 800-63B, 5.1.1.2), and how they are kept (argon2id, RFC 9106)."""

from functools import lru_cache
from importlib.resources import files
from unicodedata import normalize

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from brickwork.errors import ValidationError

#: OWASP's least for argon2id: 19 MiB, two passes, one lane.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
MOST = 256


def hash_password(password: str) -> str:
    """The hash to keep."""
    return _HASHER.hash(_typed(password))


def verify(hashed: str | None, password: str) -> bool:
    """Whether `password` is the one that was hashed. Where there is no hash it takes as long and says no, so that the time
    doesn't tell who has an account."""
    try:
        matches = _HASHER.verify(hashed or _nobody(), _typed(password[:MOST]))
    except (VerificationError, InvalidHashError):
        return False
    return matches and hashed is not None and len(password) <= MOST


def outdated(hashed: str) -> bool:
    """Whether the hash was made with other parameters than the present ones."""
    return _HASHER.check_needs_rehash(hashed)


def check(password: str, *, least: int, about: tuple[str, ...] = ()) -> str:
    """`password`, if it is good enough; raises `ValidationError`. `about` are texts that it must not be built around."""
    if not least <= len(password) <= MOST:
        raise ValidationError(f"a password takes {least} to {MOST} characters", field="password")
    folded = _typed(password).casefold()
    if folded in breached() or len(set(folded)) < 5 or _runs(folded):
        raise ValidationError("this password is among those that are tried first; take another", field="password")
    for text in about:
        part = text.casefold().partition("@")[0]
        if len(part) > 3 and part in folded and len(folded) - len(part) < 6:
            raise ValidationError("the password must not be made from your name or address", field="password")
    return password


@lru_cache(maxsize=1)
def breached() -> frozenset[str]:
    """Passwords that are known from breaches and long enough to pass otherwise; a short list, shipped."""
    text = (files("brickwork.auth") / "files" / "passwords.txt").read_text(encoding="utf-8")
    return frozenset(line.casefold() for line in text.splitlines() if line and not line.startswith("#"))


def _runs(folded: str) -> bool:
    """Whether it is one word over and over, or a walk along the alphabet, the digits or a keyboard's row."""
    for size in range(1, len(folded) // 2 + 1):
        if len(folded) % size == 0 and folded == folded[:size] * (len(folded) // size):
            return True
    rows = ("abcdefghijklmnopqrstuvwxyz", "0123456789" * 2, "qwertyuiopasdfghjklzxcvbnm", "qwertyuiop" * 2)
    return any(folded in row or folded in row[::-1] for row in rows)


def _typed(password: str) -> str:
    """The same characters, whichever keyboard composed them (SP 800-63B, 5.1.1.2)."""
    return normalize("NFKC", password)


@lru_cache(maxsize=1)
def _nobody() -> str:
    return _HASHER.hash("nobody's password")
