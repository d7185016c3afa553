"""The manifest of a package: each file's name, size, SHA-256 and media type, and the check that they are what it says."""

import hashlib
import mimetypes
from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic import ValidationError as PydanticError

from brickwork.documents.packaging.names import checked_name
from brickwork.errors import ManifestError, ValidationError

#: The manifest's own name in a package.
MANIFEST = "manifest.json"


class Entry(BaseModel):
    """One file of a package."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    #: Bytes.
    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    media_type: str = Field(pattern=r"^[\w.+-]+/[\w.+-]+$")
    description: str = ""


class Manifest(BaseModel):
    """What a package holds. `properties` are the sender's own: a case number, who packed it and when."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    files: tuple[Entry, ...]
    properties: dict[str, str] = {}

    def to_json(self) -> bytes:
        """The same bytes for the same manifest."""
        return (self.model_dump_json(indent=2) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes) -> "Manifest":
        """Read one; raises `ManifestError`."""
        try:
            return cls.model_validate_json(data)
        except PydanticError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or MANIFEST
            raise ManifestError(f"{MANIFEST} is not a manifest: {where}: {first['msg']}") from None

    def verify(self, files: Mapping[str, bytes]) -> None:
        """Raises `ManifestError` unless `files` are exactly those of the manifest, byte for byte."""
        listed = {entry.name: entry for entry in self.files}
        if len(listed) < len(self.files):
            raise ManifestError(f"{MANIFEST} lists a name twice")
        if missing := sorted(listed.keys() - files.keys()):
            raise ManifestError(f"the package lacks {missing[0]!r}, which its manifest lists")
        if extra := sorted(files.keys() - listed.keys()):
            raise ManifestError(f"the package holds {extra[0]!r}, which its manifest doesn't list")
        for name, data in files.items():
            entry = listed[name]
            if len(data) != entry.size or hashlib.sha256(data).hexdigest() != entry.sha256:
                raise ManifestError(f"{name!r} is not the file that the manifest lists: its size or its hash differs")


class PackageFile(BaseModel):
    """A file to pack. The media type is guessed from the name if it isn't given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    data: bytes
    media_type: str = ""
    description: str = ""

    def entry(self) -> Entry:
        """What the manifest says of it."""
        guessed = self.media_type or mimetypes.guess_type(self.name)[0] or "application/octet-stream"
        digest = hashlib.sha256(self.data).hexdigest()
        try:
            return Entry(name=self.name, size=len(self.data), sha256=digest, media_type=guessed, description=self.description)
        except PydanticError:
            raise ValidationError(f"{self.name!r}: {guessed!r} is no media type", field="media_type") from None


#: Files to pack: by name, or with more about each.
Files = Mapping[str, bytes] | Iterable[PackageFile]


def packed(files: Files, properties: Mapping[str, str] | None, *, folders: bool) -> tuple[Manifest, list[PackageFile]]:
    """The manifest of `files`, and the files with checked names. Raises `ValidationError` for a name that is unsafe, taken
    twice (also where only the case differs), or the manifest's."""
    given = [PackageFile(name=n, data=d) for n, d in files.items()] if isinstance(files, Mapping) else list(files)
    if not given:
        raise ValidationError("a package needs at least one file", field="files")
    checked = [file.model_copy(update={"name": checked_name(file.name, folders=folders)}) for file in given]
    seen: set[str] = {MANIFEST}
    for file in checked:
        if (folded := file.name.casefold()) in seen:
            raise ValidationError(f"file name {file.name!r} is taken in this package", field="name")
        seen.add(folded)
    return Manifest(files=tuple(file.entry() for file in checked), properties=dict(properties or {})), checked
