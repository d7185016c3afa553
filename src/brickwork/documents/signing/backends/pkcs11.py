"""A signer whose key never leaves a device: an HSM, a smart card or SoftHSM, through its PKCS #11 library."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import Field, SecretStr

from brickwork.documents.signing.errors import SignerError, SigningKeyError
from brickwork.documents.signing.keys import (
    chain_of,
    check_digest,
    check_key,
    check_signature,
    der,
    is_signature,
    read_certificates,
    read_file,
)
from brickwork.documents.signing.port import Hash
from brickwork.errors import BrickworkError, MissingDependencyError
from brickwork.kernel.component import ComponentSettings, Health

if TYPE_CHECKING:
    from brickwork.kernel.platform import Platform

#: What PKCS #1 puts before a digest (RFC 8017, section 9.2): which hash it is by.
_PREFIXES = {
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "sha384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "sha512": bytes.fromhex("3051300d060960864801650304020305000440"),
}


class Pkcs11SignerSettings(ComponentSettings):
    """What the backend "pkcs11" takes."""

    #: The device's library, such as /usr/lib/softhsm/libsofthsm2.so.
    library: Path
    #: The token's label.
    token: str = Field(min_length=1, max_length=32)
    pin: SecretStr
    #: The labels of the key and of its certificate; None for the certificate is the key's.
    key: str = Field(min_length=1)
    certificate: str | None = None
    #: A file with the certificates of its issuers, or with all of them where the device has none.
    certificates: Path | None = None


class Pkcs11Signer:
    """A key of a device. It signs one digest at a time."""

    def __init__(self, settings: Pkcs11SignerSettings) -> None:
        self._settings = settings
        self._lock = RLock()
        self._session: Any = None
        self._key: Any = None
        self._certificates: list[bytes] = []

    def certificates(self) -> Sequence[bytes]:
        with self._lock:
            if not self._certificates:
                with self._working():
                    self._certificates = self._read_certificates()
            return self._certificates

    def sign(self, digest: bytes, hash: Hash) -> bytes:
        check_digest(digest, hash)
        own = self.certificates()[0]
        try:
            signature = self._signed(own, digest, hash)
        except SignerError:  # a session may have ended: the card was pulled out, or another signer logged out for all
            signature = self._signed(own, digest, hash)
        return check_signature(own, signature, digest, hash)

    def _signed(self, own: bytes, digest: bytes, hash: Hash) -> bytes:
        with self._lock, self._working():
            return self._signature(x509.load_der_x509_certificate(own), digest, hash)

    def health(self) -> Health:
        try:
            with self._lock, self._working():
                return Health(True, f"the token {self._settings.token!r} is there")
        except BrickworkError as error:
            return Health(False, error.message)

    def close(self) -> None:
        with self._lock:
            session, self._session, self._key = self._session, None, None
            if session is not None:
                session.close()

    @contextmanager
    def _working(self) -> Iterator[None]:
        """A block with an open session. One that failed is opened anew the next time: a card may have been pulled out."""
        try:
            import pkcs11
            from pkcs11.exceptions import PinIncorrect, PinInvalid, PinLenRange, PKCS11Error
        except ModuleNotFoundError as error:
            raise MissingDependencyError(str(error.name), "pkcs11") from None
        try:
            if self._session is None:
                self._open(pkcs11)
            yield
        except (PinIncorrect, PinInvalid, PinLenRange):
            raise SigningKeyError("the PIN of the device is wrong", field="pin") from None
        except SigningKeyError:
            self._drop()
            raise
        except PKCS11Error as error:
            self._drop()
            raise SignerError(f"the device failed: {type(error).__name__} {error}".strip()) from None

    def _open(self, pkcs11: Any) -> None:
        try:
            module = pkcs11.lib(str(self._settings.library))
        except Exception as error:  # python-pkcs11 passes on what the loader says
            raise SignerError(f"the library of the device can't be loaded: {type(error).__name__}") from None
        token = module.get_token(token_label=self._settings.token)
        try:
            session = token.open(user_pin=self._settings.pin.get_secret_value())
        except pkcs11.exceptions.UserAlreadyLoggedIn:  # a process logs in once for all its sessions
            session = token.open()
        try:
            self._key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=self._settings.key)
        except pkcs11.exceptions.NoSuchKey:
            session.close()
            raise SigningKeyError(f"the device has no private key {self._settings.key!r}", field="key") from None
        except pkcs11.exceptions.MultipleObjectsReturned:
            session.close()
            raise SigningKeyError(f"the device has several private keys {self._settings.key!r}", field="key") from None
        self._session = session

    def _drop(self) -> None:
        session, self._session, self._key = self._session, None, None
        try:
            if session is not None:
                session.close()
        except Exception:  # what failed may fail to close
            return

    def _read_certificates(self) -> list[bytes]:
        from pkcs11 import Attribute, ObjectClass

        label = self._settings.certificate or self._settings.key
        wanted = {Attribute.CLASS: ObjectClass.CERTIFICATE, Attribute.LABEL: label}
        found = [x509.load_der_x509_certificate(bytes(one[Attribute.VALUE])) for one in self._session.get_objects(wanted)]
        if self._settings.certificates is not None:
            found += read_certificates(read_file(self._settings.certificates, "certificates"))
        if not found:
            raise SigningKeyError(f"the device has no certificate {label!r}; name a file of certificates", field="certificate")
        check_key(found[0].public_key())
        chain = [der(one) for one in chain_of(found[0], found[1:])]
        self._check_match(found[0])
        return chain

    def _check_match(self, own: x509.Certificate) -> None:
        """Raises `SigningKeyError` unless the device's key is the certificate's, shown by a signature on nothing of weight."""
        from pkcs11 import KeyType

        digest = hashlib.sha256(b"brickwork: is this the key of the certificate?").digest()
        same = (self._key.key_type == KeyType.RSA) == isinstance(own.public_key(), rsa.RSAPublicKey)
        if not same or not is_signature(der(own), self._signature(own, digest, "sha256"), digest, "sha256"):
            raise SigningKeyError("the device's key is not that of the certificate", field="key")

    def _signature(self, own: x509.Certificate, digest: bytes, hash: Hash) -> bytes:
        from pkcs11 import Mechanism
        from pkcs11.util.ec import encode_ecdsa_signature

        if isinstance(own.public_key(), rsa.RSAPublicKey):
            return bytes(self._key.sign(_PREFIXES[hash] + digest, mechanism=Mechanism.RSA_PKCS))
        return bytes(encode_ecdsa_signature(bytes(self._key.sign(digest, mechanism=Mechanism.ECDSA))))


def make(platform: "Platform", settings: Pkcs11SignerSettings) -> Pkcs11Signer:
    """The signer that settings tell."""
    return Pkcs11Signer(settings)
