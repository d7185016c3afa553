"""DKIM signatures (RFC 6376) with RSA (RFC 8301) and Ed25519 (RFC 8463), relaxed for header and body.

dkimpy, which verifies them in the tests, signs as well, with an RSA in Python: 7 ms a message, where OpenSSL takes 0.3, and not
in constant time; and it needs another library for Ed25519.
"""

import hashlib
import re
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    Key = RSAPrivateKey | Ed25519PrivateKey

#: Fields that are signed where they are there (RFC 6376, section 5.4.1; RFC 8058, section 4).
_SIGNED = (
    *(b"from", b"to", b"subject", b"date", b"message-id", b"reply-to", b"in-reply-to", b"references", b"auto-submitted"),
    *(b"mime-version", b"content-type", b"content-transfer-encoding", b"feedback-id"),
    *(b"list-id", b"list-help", b"list-unsubscribe", b"list-unsubscribe-post", b"list-subscribe", b"list-archive"),
)
#: Fields that are signed once more than they are there, so that none can be added.
_CLOSED = (b"from", b"to", b"subject", b"date", b"message-id", b"reply-to")
_SPACES = re.compile(rb"[ \t]+")
_FIELD = re.compile(rb"([^:\r\n]+):(.*?\r\n)(?![ \t])", re.DOTALL)
_LEAST_BITS = 1024


def load(pem: str) -> "Key":
    """The key that is PEM. Raises `ValueError`, which doesn't quote it."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("takes a private key as PEM, without a password") from None
    if isinstance(key, Ed25519PrivateKey) or (isinstance(key, RSAPrivateKey) and key.key_size >= _LEAST_BITS):
        return key
    raise ValueError(f"takes an RSA key of {_LEAST_BITS} bits at least, or an Ed25519 key")


class Signer:
    """Signs for one domain and the domains below it."""

    def __init__(self, domain: str, selector: str, private_key: str) -> None:
        self.domain = domain
        self._selector = selector
        self._key = load(private_key)

    def signs(self, domain: str) -> bool:
        """Whether a message from `domain` is this signer's."""
        return domain == self.domain or domain.endswith(f".{self.domain}")

    def sign(self, header: bytes, body: bytes, now: datetime) -> bytes:
        """The DKIM-Signature field that goes before `header`. Both are as they will be sent, before dots are doubled."""
        fields = [(name.strip().lower(), _relaxed(value)) for name, value in _FIELD.findall(header)]
        names = _names([name for name, _ in fields])
        digest = b64encode(hashlib.sha256(_relaxed_body(body)).digest()).decode("ascii")
        listed = b":".join(names).decode("ascii")
        algorithm = "rsa-sha256" if hasattr(self._key, "key_size") else "ed25519-sha256"
        start = (
            f"v=1; a={algorithm}; c=relaxed/relaxed; d={self.domain};\r\n s={self._selector}; t={int(now.timestamp())};\r\n"
            f" h={_folded(listed)};\r\n bh={digest};\r\n b="
        )
        own = b"dkim-signature:" + _relaxed(start.encode("ascii"))
        signature = b64encode(self._sign(_chosen(fields, names) + own)).decode("ascii")
        split = "\r\n ".join(signature[at : at + 72] for at in range(0, len(signature), 72))
        return f"DKIM-Signature: {start}{split}\r\n".encode("ascii")

    def _sign(self, content: bytes) -> bytes:
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.hashes import SHA256

        if isinstance(self._key, RSAPrivateKey):
            return self._key.sign(content, PKCS1v15(), SHA256())
        return self._key.sign(hashlib.sha256(content).digest())  # of the hash, not of the content (RFC 8463, section 3)


def _names(present: Sequence[bytes]) -> list[bytes]:
    there = [name for name in _SIGNED for _ in range(present.count(name))]
    return [*there, *_CLOSED]


def _chosen(fields: list[tuple[bytes, bytes]], names: Sequence[bytes]) -> bytes:
    """The fields that `names` list, of several the last first (RFC 6376, section 5.4.2); one that isn't there is nothing."""
    left: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        left.setdefault(name, []).append(value)
    return b"".join(name + b":" + left[name].pop() + b"\r\n" for name in names if left.get(name))


def _relaxed(value: bytes) -> bytes:
    return _SPACES.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ")


def _relaxed_body(body: bytes) -> bytes:
    lines = _SPACES.sub(b" ", body).replace(b" \r\n", b"\r\n").rstrip(b"\r\n")
    return lines + b"\r\n" if lines else b""


def _folded(names: str) -> str:
    """Names with a break after some colons, where white space is allowed."""
    lines = [""]
    for name in names.split(":"):
        if len(lines[-1]) + len(name) > 70:
            lines.append("")
        lines[-1] += f"{name}:"
    return "\r\n  ".join(lines).rstrip(":")
