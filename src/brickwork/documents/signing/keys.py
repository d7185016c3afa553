"""Certificates and signatures: reading them, and checking one by the other."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding

from brickwork.documents.signing.errors import CertificateError, SignerError, SigningKeyError
from brickwork.documents.signing.port import HASHES, Hash
from brickwork.errors import ValidationError

_ALGORITHMS: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
#: RSA keys below this are not taken (NIST SP 800-131A, BSI TR-02102).
_LEAST_RSA = 2048


def algorithm(name: str) -> hashes.HashAlgorithm:
    """The hash of this name; raises `ValidationError`."""
    if name not in HASHES:
        raise ValidationError(f"the hash {name[:40]!r} is none of {', '.join(HASHES)}", field="hash")
    return _ALGORITHMS[name]


def check_digest(digest: bytes, name: str) -> hashes.HashAlgorithm:
    """The hash of a digest, which has its length; raises `ValidationError`."""
    found = algorithm(name)
    if len(digest) != found.digest_size:
        raise ValidationError(f"a digest by {name} has {found.digest_size} bytes, not {len(digest)}", field="digest")
    return found


def read_certificates(data: bytes, called: str = "certificates") -> list[x509.Certificate]:
    """The certificates in PEM (any number) or DER (one); raises `SigningKeyError`."""
    try:
        if b"-----BEGIN" in data:
            return x509.load_pem_x509_certificates(data)
        return [x509.load_der_x509_certificate(data)]
    except ValueError:
        raise SigningKeyError(f"{called}: there is no certificate in PEM or DER", field="certificates") from None


def read_file(path: Path, field: str) -> bytes:
    """A file that settings name; raises `SigningKeyError`."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise SigningKeyError(f"{path.name} can't be read: {error.strerror}", field=field) from None


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def chain_of(first: x509.Certificate, others: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """A certificate and those of `others` that lead from it to a root, each once and in their order."""
    chain, left = [first], [one for one in others if one != first]
    while chain[-1].issuer != chain[-1].subject:
        issuer = next((one for one in left if one.subject == chain[-1].issuer), None)
        if issuer is None:
            break
        left.remove(issuer)
        chain.append(issuer)
    return chain


def check_key(key: Any) -> None:
    """Raises `SigningKeyError` for a kind or size of key that signatures of documents don't have."""
    public = key.public_key() if hasattr(key, "public_key") else key
    if isinstance(public, rsa.RSAPublicKey):
        if public.key_size < _LEAST_RSA:
            raise SigningKeyError(f"an RSA key has {_LEAST_RSA} bits or more, not {public.key_size}", field="key")
    elif not isinstance(public, ec.EllipticCurvePublicKey):
        kind = type(public).__name__.removesuffix("PublicKey")
        raise SigningKeyError(f"the key is RSA or on an elliptic curve (ECDSA), not {kind}", field="key")


def hash_for(certificate: bytes) -> Hash:
    """The hash that is as strong as the key (NIST SP 800-57)."""
    public = x509.load_der_x509_certificate(certificate).public_key()
    if isinstance(public, ec.EllipticCurvePublicKey):
        return "sha256" if public.key_size <= 256 else "sha384" if public.key_size <= 384 else "sha512"
    return "sha256" if getattr(public, "key_size", 0) < 4096 else "sha512"


def sign_digest(key: Any, digest: bytes, hash: str) -> bytes:
    """The signature by a private key that is in this process."""
    prehashed = utils.Prehashed(check_digest(digest, hash))
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(digest, padding.PKCS1v15(), prehashed)
    signature: bytes = key.sign(digest, ec.ECDSA(prehashed))
    return signature


def is_signature(certificate: bytes, signature: bytes, digest: bytes, hash: str) -> bool:
    """Whether `signature` was made of `digest` with the key of `certificate`."""
    public = x509.load_der_x509_certificate(certificate).public_key()
    prehashed = utils.Prehashed(check_digest(digest, hash))
    try:
        if isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, digest, padding.PKCS1v15(), prehashed)
        elif isinstance(public, ec.EllipticCurvePublicKey):
            public.verify(signature, digest, ec.ECDSA(prehashed))
        else:
            return False
    except InvalidSignature:
        return False
    return True


def check_signature(certificate: bytes, signature: bytes, digest: bytes, hash: str) -> bytes:
    """The signature, if it is the certificate's; raises `SignerError`."""
    if not is_signature(certificate, signature, digest, hash):
        raise SignerError("the signer gave a signature that is not by the key of its certificate")
    return signature


def check_certificate(certificate: bytes, now: datetime) -> None:
    """Raises `CertificateError` unless the certificate is for signatures and good at this time."""
    found = x509.load_der_x509_certificate(certificate)
    check_key(found.public_key())
    who = found.subject.rfc4514_string()
    if now > found.not_valid_after_utc:
        problem, told = "expired", f"expired at {found.not_valid_after_utc.isoformat()}"
    elif now < found.not_valid_before_utc:
        problem, told = "not_yet_valid", f"is not valid before {found.not_valid_before_utc.isoformat()}"
    elif not _signs(found):
        problem, told = "key_usage", "is not for signatures: its key usage has neither digitalSignature nor nonRepudiation"
    else:
        return
    raise CertificateError(f"the certificate of {who} {told}", field="signer", problem=problem)


def _signs(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return True
    except ValueError:
        return False
    return usage.digital_signature or usage.content_commitment
