"""A signer of the port as pyHanko takes it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from asn1crypto import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import Hash as Hasher
from cryptography.x509 import load_der_x509_certificate
from pyhanko.sign.signers import PdfSigner
from pyhanko.sign.signers import Signer as PyHankoSigner
from pyhanko_certvalidator.registry import SimpleCertificateStore

from brickwork.documents.signing.keys import algorithm, check_signature
from brickwork.documents.signing.port import HASHES, Signer
from brickwork.errors import ValidationError


class Bridge(PyHankoSigner):
    """Digests what pyHanko wants signed, and checks what the signer gives before it goes into a document."""

    def __init__(self, signer: Signer, chain: Sequence[bytes]) -> None:
        own, *others = [x509.Certificate.load(one) for one in chain]
        store = SimpleCertificateStore()
        store.register_multiple(others)
        super().__init__(signing_cert=own, cert_registry=store)
        self._port = signer
        self._certificate = chain[0]
        self._room = _longest(chain[0])

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        if dry_run:
            return bytes(self._room)
        hash = next((one for one in HASHES if one == digest_algorithm), None)
        if hash is None:
            raise ValidationError(f"the hash {digest_algorithm} is none of {', '.join(HASHES)}", field="hash")
        hasher = Hasher(algorithm(hash))
        hasher.update(data)
        digest = hasher.finalize()
        return check_signature(self._certificate, self._port.sign(digest, hash), digest, hash)


class Session(PdfSigner):
    """pyHanko's work on one document, with the time that the signature claims."""

    moment: datetime

    def init_signing_session(self, pdf_out: Any, existing_fields_only: bool = False) -> Any:
        session = super().init_signing_session(pdf_out, existing_fields_only)
        session.system_time = self.moment
        return session


def _longest(certificate: bytes) -> int:
    """Bytes that a signature may have: of RSA as many as the modulus, of ECDSA two numbers in DER."""
    public = load_der_x509_certificate(certificate).public_key()
    size = (int(getattr(public, "key_size", 2048)) + 7) // 8
    return size if isinstance(public, rsa.RSAPublicKey) else 2 * (size + 5) + 4
