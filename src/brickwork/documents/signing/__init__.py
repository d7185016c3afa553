"""Signatures of PDFs (PAdES): fields for them, signing with keys in files, services and devices, and verification."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

#: The modules of the names: settings are read at every start, and the rest is not needed for that.
_FACE = {
    "Appearance": "appearance",
    "TimestampAuthority": "authority",
    "FileSigner": "backends.file",
    **dict.fromkeys(("CertificateError", "SignerError", "SigningError", "SigningKeyError", "TimestampError"), "errors"),
    **dict.fromkeys(("Field", "FieldState", "Lock", "Permission", "Place", "add_fields", "signature_fields"), "fields"),
    **dict.fromkeys(("Level", "extend", "sign", "verify"), "making"),
    "Limits": "opening",
    **dict.fromkeys(("Hash", "Signer"), "port"),
    **dict.fromkeys(("Change", "Finding", "Found", "Report"), "report"),
    "Trust": "trust",
}


def __getattr__(name: str) -> object:
    if name not in _FACE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_FACE[name]}"), name)


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
