"""What can go wrong with signatures."""

from brickwork.errors import UnavailableError, ValidationError


class SigningError(ValidationError):
    """A document can't be signed as was asked: a field is missing or taken, or an earlier signature forbids it."""

    code = "signing_failed"


class SigningKeyError(SigningError):
    """A signer's key is of no use: the passphrase is wrong, the file is broken, or the key is not the certificate's."""

    code = "signing_key_unusable"


class CertificateError(SigningError):
    """A certificate is not good for signatures now; `details` has `problem`: "expired", "not_yet_valid", "key_usage", "revoked",
    "untrusted" or "status_unknown"."""

    code = "certificate_unusable"


class SignerError(UnavailableError):
    """The service or device that holds the key gave no signature, or one that is not the certificate's."""

    code = "signer_failed"


class TimestampError(UnavailableError):
    """The timestamp authority gave no timestamp, or one that is not of what was asked."""

    code = "timestamp_failed"
