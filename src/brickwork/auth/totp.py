"""One-time codes of an authenticator app (TOTP, RFC 6238) and the recovery codes for whoever lost it."""

import base64
import hashlib
import secrets
from urllib.parse import quote

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP

#: Seconds of a step, and steps by which a clock may be off (RFC 6238, 5.2).
STEP, DRIFT = 30, 1
_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"


def new_secret() -> str:
    """A secret of 160 bits in base32, as apps take it (RFC 4226, 4)."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def link(secret: str, account: str, issuer: str) -> str:
    """The address that a page shows as a QR code."""
    return f"otpauth://totp/{quote(issuer)}:{quote(account)}?secret={secret}&issuer={quote(issuer)}"


def code(secret: str, step: int) -> str:
    """The code of a step."""
    # apps know SHA-1 only (RFC 6238 leaves the choice; its use in HMAC is sound)
    return HOTP(base64.b32decode(secret), 6, SHA1()).generate(step).decode()


def match(secret: str, given: str, now: float, last: int) -> int | None:
    """The step whose code was given, or None. Steps up to `last` were used and count no more (RFC 6238, 5.2)."""
    given = "".join(given.split())  # apps show it in two groups
    if len(given) != 6 or not (given.isascii() and given.isdigit()):
        return None
    current = int(now) // STEP
    for step in range(current - DRIFT, current + DRIFT + 1):
        if secrets.compare_digest(code(secret, step), given) and step > last:
            return step
    return None


def recovery_codes(count: int = 10) -> list[str]:
    """Codes of 59 bits, to be written down."""
    return ["-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(3)) for _ in range(count)]


def recovery_digest(given: str) -> str:
    """What is kept of a recovery code; how it was written doesn't matter."""
    return hashlib.sha256("".join(given.lower().replace("-", "").split()).encode()).hexdigest()
