"""The `[storage]` section."""

from pydantic import Field

from brickwork.kernel.component import ComponentSettings


class StorageSettings(ComponentSettings):
    #: "local" keeps files in a folder; "fsspec" in S3 and the like.
    backend: str = "local"
    #: Most bytes of a file.
    max_bytes: int = Field(default=100_000_000, ge=1)
    #: Media types that are taken, such as ["application/pdf", "image/*"]; None takes all that contradict nothing.
    allowed: list[str] | None = None
    #: Media types that are refused all the same.
    refused: list[str] = ["application/x-msdownload", "application/x-executable"]
    #: Bytes and files that a tenant may have; None bounds nothing.
    quota_bytes: int | None = Field(default=None, ge=0)
    quota_files: int | None = Field(default=None, ge=0)
    #: Whether contents are encrypted before they reach the store.
    encrypt: bool = False
    #: The address under which this server is reached, for links; None makes links without one.
    public_url: str | None = None
    #: Seconds after which bytes that no file refers to are taken for left over.
    grace: int = Field(default=86_400, ge=60)
