"""Client certificates (RFC 8705): what the proxy tells of one, and tokens that count only together with it."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

import attrs
from cryptography import x509

from brickwork.oauth import jose


@attrs.frozen
class Certificate:
    """A certificate that the other side has proven to hold."""

    der: bytes

    @property
    def thumbprint(self) -> str:
        """`x5t#S256` (RFC 8705, 3.1)."""
        return base64.urlsafe_b64encode(hashlib.sha256(self.der).digest()).decode().rstrip("=")

    @property
    def subject(self) -> str:
        """Its subject's distinguished name, as RFC 4514 writes it."""
        return x509.load_der_x509_certificate(self.der).subject.rfc4514_string()

    def is_among(self, keys: Mapping[str, Any]) -> bool:
        """Whether a JWK set lists it, in `x5c` (RFC 8705, 2.2.2)."""
        return any(base64.b64decode(chain[0]) == self.der for key in keys.get("keys", []) if (chain := key.get("x5c")))


def read_header(value: str) -> Certificate:
    """The certificate in a `Client-Cert` header, a byte sequence between colons (RFC 9440, 2.1). Raises `TokenError`."""
    text = value.strip()
    try:
        if not (text.startswith(":") and text.endswith(":") and len(text) > 2):
            raise ValueError
        der = base64.b64decode(text[1:-1], validate=True)
        x509.load_der_x509_certificate(der)
    except ValueError:
        raise jose.TokenError("Client-Cert holds no certificate (RFC 9440)") from None
    return Certificate(der)


def check_binding(claims: Mapping[str, Any], shown: Certificate | None) -> None:
    """Raise `TokenError` if the token is bound to another certificate than the one shown (RFC 8705, 3)."""
    bound = claims.get("cnf")
    if bound is not None and (shown is None or bound.get("x5t#S256") != shown.thumbprint):
        raise jose.TokenError("the token counts only together with its client's certificate")
