"""The `[documents.signing]` section."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from brickwork.documents.signing.http import PlainUrl
from brickwork.kernel.component import ComponentSettings, OpenSettings


class SigningSettings(ComponentSettings):
    #: What each signer is: `backend` ("file", "remote", "pkcs11", or a plugin's) and that backend's settings.
    signers: dict[str, OpenSettings] = {}
    #: The signer that is used where none is named.
    signer: str = "default"
    #: The level of signatures where none is named.
    level: Literal["B-B", "B-T", "B-LT", "B-LTA"] = "B-B"
    #: Files with the certificates that are trusted, PEM or DER, and with ones between them and signers.
    trust_roots: list[Path] = []
    intermediates: list[Path] = []
    #: Whether the OCSP responders, CRLs and issuers that certificates name are called.
    fetch: bool = True
    #: Whether a certificate whose state nobody tells is taken for bad.
    require_status: bool = False
    #: Networks in which those may be although they aren't public, such as ["10.1.0.0/16"].
    allowed_networks: list[str] = []
    #: Seconds for one call, and calls for one document.
    timeout: float = Field(default=10.0, gt=0, le=300)
    calls: int = Field(default=50, ge=1, le=10_000)
    #: The timestamp authority, the value of the header Authorization for it, and seconds for one timestamp.
    timestamp_url: PlainUrl | None = None
    timestamp_authorization: SecretStr | None = None
    timestamp_timeout: float = Field(default=15.0, gt=0, le=300)
    #: Bytes, signatures and revisions of a document that is signed or verified.
    max_bytes: int = Field(default=100_000_000, ge=1000)
    max_signatures: int = Field(default=100, ge=1)
    max_revisions: int = Field(default=500, ge=1)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for name, signer in self.signers.items():
            if not isinstance(signer.get("backend"), str):
                raise ValueError(f"signers.{name} needs a backend, such as file")
        if self.level != "B-B" and self.timestamp_url is None:
            raise ValueError(f"level {self.level} needs timestamp_url")
        return self
