"""What verification finds out, as values."""

from datetime import datetime
from typing import Literal

import attrs

#: "CMS" is a signature that is not PAdES (adbe.pkcs7.detached).
Reached = Literal["CMS", "B-B", "B-T", "B-LT", "B-LTA"]
#: How much a signature covers: the file, the file as it was when it was signed, or less.
Coverage = Literal["file", "revision", "part"]


@attrs.frozen
class Change:
    """One thing that is not as it was signed: its kind, the name or page (from 1) it is of, and whether it is allowed."""

    kind: str
    name: str | None = None
    page: int | None = None
    allowed: bool = True


@attrs.frozen
class Finding:
    """Something that is wrong, by a code that stays and a sentence.

    Codes: "malformed", "unsupported", "altered" (the signed bytes are others), "forged" (the signature isn't by the certificate),
    "coverage", "changed" (what was done afterwards isn't allowed), "expired", "not_yet_valid", "revoked", "unknown_issuer",
    "status_unknown", "key_usage", "weak_algorithm", "chain", "timestamp" (one that can't be relied on).
    """

    code: str
    message: str


@attrs.frozen(kw_only=True)
class Found:
    """A signature, or a timestamp on the document."""

    field: str
    kind: Literal["signature", "timestamp"]
    #: The bytes that it covers are those that were signed, and the certificate's key signed them.
    intact: bool = False
    #: The certificate leads to a root and was good at the time that is proven, or else now.
    trusted: bool = False
    signer: str | None = None
    subject: str | None = None
    issuer: str | None = None
    certificate: bytes | None = attrs.field(default=None, repr=False)
    #: The time that the signer's machine said, which proves nothing.
    claimed_at: datetime | None = None
    #: The time that a trusted timestamp proves.
    timestamped_at: datetime | None = None
    level: Reached | None = None
    coverage: Coverage | None = None
    #: What a certification allows afterwards; None for a signature that doesn't certify.
    certification: Literal["none", "forms", "annotations"] | None = None
    reason: str | None = None
    location: str | None = None
    contact: str | None = None
    #: The name that the signature gives, which may differ from the certificate's.
    name: str | None = None
    findings: tuple[Finding, ...] = ()
    changes: tuple[Change, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it can be relied on: intact, trusted, and all changes after it allowed."""
        return self.intact and self.trusted and not self.findings

    def has(self, code: str) -> bool:
        return any(finding.code == code for finding in self.findings)


@attrs.frozen
class Report:
    """The signatures and timestamps of a document, in the order in which they were made."""

    signatures: tuple[Found, ...]
    #: Bytes of the document.
    size: int = 0

    @property
    def ok(self) -> bool:
        """Whether there is a signature, and all that there are can be relied on."""
        return any(one.kind == "signature" for one in self.signatures) and all(one.ok for one in self.signatures)

    @property
    def signed(self) -> bool:
        return any(one.kind == "signature" for one in self.signatures)
