"""Encryption of push messages for one subscription (RFC 8291, with the aes128gcm coding of RFC 8188)."""

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

#: Bytes of a record, the whole of what a push service must take (RFC 8030, section 7.2), …
RECORD = 4096
#: … of which so many are left for the message: 86 are the header, 16 the tag and one a delimiter (RFC 8291, section 4).
MOST = RECORD - 86 - 16 - 1


def encrypt(
    plain: bytes, receiver: bytes, auth: bytes, *, key: "EllipticCurvePrivateKey | None" = None, salt: bytes | None = None
) -> bytes:
    """The body of a push request that carries `plain`, at most `MOST` bytes.

    `receiver` is the subscription's P-256 point (65 bytes, uncompressed), `auth` its secret (16 bytes). `key` and `salt` are
    new for each message; they are given in tests of known results only.
    """
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if len(plain) > MOST:
        raise ValueError(f"a push message has at most {MOST} bytes")
    key = key or ec.generate_private_key(ec.SECP256R1())
    salt = salt or secrets.token_bytes(16)
    sender = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    shared = key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), receiver))
    secret = _derive(shared, auth, b"WebPush: info\0" + receiver + sender, 32)
    content_key = _derive(secret, salt, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derive(secret, salt, b"Content-Encoding: nonce\0", 12)
    # the record is the last (and only) one, which the delimiter 2 says
    sealed = AESGCM(content_key).encrypt(nonce, plain + b"\x02", None)
    return salt + RECORD.to_bytes(4, "big") + bytes([len(sender)]) + sender + sealed


def _derive(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(secret)
