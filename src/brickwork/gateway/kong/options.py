"""What Kong must know that the definition doesn't say."""

from datetime import UTC, date, datetime
from typing import Literal

import attrs
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from brickwork.errors import ValidationError

#: JWS algorithms of curves (RFC 7518, 3.4).
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


@attrs.frozen(kw_only=True)
class KongOptions:
    """See the module."""

    #: How Kong OSS checks access tokens: by their signature; or Kong Enterprise, by asking the issuer (RFC 7662).
    tokens: Literal["jwt", "introspection"] = "jwt"
    #: The `iss` of access tokens and the public key, as PEM, that they are signed with; for "jwt".
    issuer: str | None = None
    public_key: str | None = None
    #: Where the issuer is asked; for "introspection".
    introspection_url: str | None = None
    #: The day that sunsets are compared with.
    today: date = attrs.field(factory=lambda: datetime.now(UTC).date())

    def __attrs_post_init__(self) -> None:
        if (self.tokens == "introspection") != (self.introspection_url is not None):
            raise ValidationError("tokens: introspection and introspection_url go together", field="introspection_url")
        if (self.issuer is None) != (self.public_key is None):
            raise ValidationError("issuer and public_key go together", field="issuer")


def algorithm_of(pem: str) -> str:
    """The JWS algorithm of a public key; raises `ValidationError`."""
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValidationError("the key of access tokens is no public key in PEM", field="public_key") from None
    if isinstance(key, rsa.RSAPublicKey):
        return "RS256"
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "EdDSA"
    raise ValidationError("the key of access tokens is RSA, P-256, P-384, P-521 or Ed25519", field="public_key")
