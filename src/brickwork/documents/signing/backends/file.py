"""A signer with its key in a file: PKCS #12, or PEM with the certificates beside it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key, pkcs12
from pydantic import SecretStr, model_validator

from brickwork.documents.signing.errors import SigningKeyError
from brickwork.documents.signing.keys import chain_of, check_key, der, read_certificates, read_file, sign_digest
from brickwork.documents.signing.port import Hash
from brickwork.kernel.component import ComponentSettings, Health

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform


class FileSignerSettings(ComponentSettings):
    """What the backend "file" takes: `pkcs12`, or `key` and `certificates`."""

    #: The file with key and certificates (PKCS #12: .p12, .pfx).
    pkcs12: Path | None = None
    #: The file with the private key, PEM or DER.
    key: Path | None = None
    #: The file with the certificate and those of its issuers, PEM or (one alone) DER.
    certificates: Path | None = None
    passphrase: SecretStr | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.pkcs12 is None) != (self.key is not None and self.certificates is not None):
            raise ValueError("takes pkcs12, or key and certificates")
        return self


class FileSigner:
    """A key in this process."""

    def __init__(self, key: Any, certificates: Sequence[x509.Certificate]) -> None:
        """Raises `SigningKeyError` unless the key is that of one of the certificates."""
        check_key(key)
        own = next((one for one in certificates if one.public_key() == key.public_key()), None)
        if own is None:
            raise SigningKeyError("the key is not that of the certificate", field="key")
        self._key = key
        self._certificates = [der(one) for one in chain_of(own, certificates)]

    @classmethod
    def from_pkcs12(cls, data: bytes, passphrase: str | None = None) -> Self:
        """The signer in a PKCS #12 file. Raises `SigningKeyError`."""
        try:
            key, own, others = pkcs12.load_key_and_certificates(data, passphrase.encode() if passphrase else None)
        except ValueError as error:
            if "password" in str(error).lower():  # cryptography tells it in no other way
                raise SigningKeyError("the passphrase of the PKCS #12 file is wrong", field="passphrase") from None
            raise SigningKeyError("the file is no PKCS #12 that can be read", field="pkcs12") from None
        if key is None or own is None:
            raise SigningKeyError("the PKCS #12 file has no key with its certificate", field="pkcs12")
        return cls(key, [own, *others])

    @classmethod
    def from_pem(cls, key: bytes, certificates: bytes, passphrase: str | None = None) -> Self:
        """The signer of a key and its certificates. Raises `SigningKeyError`."""
        load = load_pem_private_key if b"-----BEGIN" in key else load_der_private_key
        try:
            found = load(key, passphrase.encode() if passphrase else None)
        except TypeError:
            told = "needs no passphrase" if passphrase else "needs its passphrase"
            raise SigningKeyError(f"the key {told}", field="passphrase") from None
        except Exception as error:  # ValueError, UnsupportedAlgorithm and whatever a broken file brings about
            if passphrase and "ncorrect password" in str(error):
                raise SigningKeyError("the passphrase of the key is wrong", field="passphrase") from None
            raise SigningKeyError("the file holds no private key that can be read", field="key") from None
        return cls(found, read_certificates(certificates))

    def certificates(self) -> Sequence[bytes]:
        return self._certificates

    def sign(self, digest: bytes, hash: Hash) -> bytes:
        return sign_digest(self._key, digest, hash)

    def health(self) -> Health:
        return Health(True, "the key is loaded")

    def close(self) -> None:
        """There is nothing to let go of."""


def make(platform: "Platform", settings: FileSignerSettings) -> FileSigner:
    """The signer that settings tell. Raises `SigningKeyError`."""
    passphrase = settings.passphrase.get_secret_value() if settings.passphrase else None
    if settings.pkcs12 is not None:
        return FileSigner.from_pkcs12(read_file(settings.pkcs12, "pkcs12"), passphrase)
    assert settings.key is not None
    assert settings.certificates is not None
    certificates = read_file(settings.certificates, "certificates")
    return FileSigner.from_pem(read_file(settings.key, "key"), certificates, passphrase)
