"""Signatures of PDFs (PAdES): fields for them, signing with keys in files, services and devices, and verification."""

from brickwork.documents.signing.appearance import Appearance
from brickwork.documents.signing.authority import TimestampAuthority
from brickwork.documents.signing.backends.file import FileSigner
from brickwork.documents.signing.errors import CertificateError, SignerError, SigningError, SigningKeyError, TimestampError
from brickwork.documents.signing.fields import Field, FieldState, Lock, Permission, Place, add_fields, signature_fields
from brickwork.documents.signing.making import Level, extend, sign, verify
from brickwork.documents.signing.opening import Limits
from brickwork.documents.signing.port import Hash, Signer
from brickwork.documents.signing.report import Change, Finding, Found, Report
from brickwork.documents.signing.trust import Trust

__all__ = [
    "Appearance",
    "CertificateError",
    "Change",
    "Field",
    "FieldState",
    "FileSigner",
    "Finding",
    "Found",
    "Hash",
    "Level",
    "Limits",
    "Lock",
    "Permission",
    "Place",
    "Report",
    "Signer",
    "SignerError",
    "SigningError",
    "SigningKeyError",
    "TimestampAuthority",
    "TimestampError",
    "Trust",
    "add_fields",
    "extend",
    "sign",
    "signature_fields",
    "verify",
]
