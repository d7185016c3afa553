"""The `[documents]` section."""

from pydantic import Field

from brickwork.documents.signing.settings import SigningSettings
from brickwork.documents.theme import Theme
from brickwork.kernel.component import ComponentSettings


class DocumentsSettings(ComponentSettings):
    #: Seconds that a tenant's template may take to be filled, and MiB of memory for the process that does it.
    template_seconds: float = Field(default=2.0, gt=0, le=60)
    template_memory: int = Field(default=512, ge=128, le=8192)
    #: Characters that one part of a filled template may have.
    template_output: int = Field(default=5_000_000, ge=1000)
    #: Processes that fill tenants' templates.
    template_processes: int = Field(default=2, ge=1, le=32)
    #: Themes by name; "default" is used where none is named.
    themes: dict[str, Theme] = {}
    #: Signatures; None is a `SigningSettings` without signers.
    signing: SigningSettings | None = None
