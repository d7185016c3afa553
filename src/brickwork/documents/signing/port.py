"""The port of signers: what holds a key and signs digests with it."""

from collections.abc import Sequence
from typing import Literal, Protocol

from brickwork.kernel.component import Health

#: The hashes of digests that are signed.
Hash = Literal["sha256", "sha384", "sha512"]
HASHES: tuple[Hash, ...] = ("sha256", "sha384", "sha512")


class Signer(Protocol):
    """A key for signatures and its certificate. Used by several threads at once.

    An RSA key signs by PKCS #1 v1.5, one on an elliptic curve by ECDSA, as DER (RFC 3279). Whoever calls checks each signature
    with the certificate, so a wrong one never reaches a document.
    """

    def certificates(self) -> Sequence[bytes]:
        """The signer's certificate as DER, and then those of its issuers as far as they are known. Raises `SigningKeyError`,
        `SignerError`."""
        ...

    def sign(self, digest: bytes, hash: Hash) -> bytes:
        """The signature of a digest that was made by `hash`. Raises `ValidationError` for one that has another length or hash,
        `SigningKeyError`, `SignerError`."""
        ...

    def health(self) -> Health:
        """Whether it could sign now, found out without a signature."""
        ...

    def close(self) -> None:
        """Let go of what it holds; more than once does no harm."""
        ...
