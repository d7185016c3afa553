"""VAPID: by which key a push service knows who sends (RFC 8292)."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

#: Seconds that a token is good for (at most 86,400), and is used for at least.
_LIFE, _LEAST = 43_200, 3600
#: Origins whose tokens are kept.
_KEPT = 1000
_BASE64 = re.compile(r"[A-Za-z0-9_-]+={0,2}\Z")


def encoded(data: bytes) -> str:
    """base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decoded(text: str) -> bytes:
    """The bytes of base64url, with or without padding. Raises `ValueError`."""
    if not _BASE64.match(text):
        raise ValueError("is no base64url")
    bare = text.rstrip("=")
    return urlsafe_b64decode(bare + "=" * (-len(bare) % 4))


def new_private_key() -> str:
    """A private key, as base64url of its 32 bytes, which is how the settings take it."""
    from cryptography.hazmat.primitives.asymmetric import ec

    return encoded(ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value.to_bytes(32, "big"))


def load(text: str) -> "EllipticCurvePrivateKey":
    """The key that is PEM, or base64url of 32 bytes. Raises `ValueError`, which doesn't quote it."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if "-----BEGIN" in text:
        key = load_pem_private_key(text.encode(), None)
        if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
            return key
    elif len(value := decoded(text)) == 32:
        return ec.derive_private_key(int.from_bytes(value, "big"), ec.SECP256R1())
    raise ValueError("takes a P-256 private key: PEM, or base64url of its 32 bytes")


class Vapid:
    """Tokens for push services, made anew when half of their time is over."""

    def __init__(self, private_key: str, subject: str) -> None:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        self._key = load(private_key)
        self._subject = subject
        self._tokens: dict[str, tuple[float, str]] = {}
        self._lock = Lock()
        point = self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        #: What a page gives to `pushManager.subscribe` as `applicationServerKey`.
        self.public_key = encoded(point)

    def authorization(self, origin: str, now: datetime) -> str:
        """The Authorization header for a push service, such as "https://push.example.org"."""
        moment = now.timestamp()
        with self._lock:
            expires, token = self._tokens.get(origin, (0.0, ""))
            if not moment + _LEAST < expires <= moment + _LIFE:
                if len(self._tokens) >= _KEPT:
                    self._tokens.clear()
                expires = moment + _LIFE
                token = self._token(origin, int(expires))
                self._tokens[origin] = expires, token
        return f"vapid t={token}, k={self.public_key}"

    def _token(self, origin: str, expires: int) -> str:
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
        from cryptography.hazmat.primitives.hashes import SHA256

        claims = {"aud": origin, "exp": expires, "sub": self._subject}
        content = f"{encoded(orjson.dumps({'typ': 'JWT', 'alg': 'ES256'}))}.{encoded(orjson.dumps(claims))}"
        r, s = decode_dss_signature(self._key.sign(content.encode("ascii"), ec.ECDSA(SHA256())))
        return f"{content}.{encoded(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"
