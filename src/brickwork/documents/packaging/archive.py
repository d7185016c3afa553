"""ZIP packages with a manifest: the same bytes for the same files, and a reader that trusts nothing."""

import io
import zipfile
from collections.abc import Mapping

import attrs

from brickwork.documents.packaging.manifest import MANIFEST, Files, Manifest, packed
from brickwork.documents.packaging.names import checked_name
from brickwork.errors import DocumentUnreadableError, ManifestError, TooLargeError, ValidationError

#: ZIP can't store "no time"; this is its earliest.
_EPOCH = (1980, 1, 1, 0, 0, 0)
#: What is packed well already; compressing it again takes time and saves nothing.
_PACKED = ("image/jpeg", "image/png", "image/webp", "video/", "application/zip", "application/gzip")
_READ = 1 << 20


@attrs.frozen
class Package:
    """A package that was read: all files are those that the manifest lists, byte for byte."""

    manifest: Manifest
    files: Mapping[str, bytes]


def zip_package(files: Files, properties: Mapping[str, str] | None = None) -> bytes:
    """A ZIP of `files`, in their order, after `manifest.json`. Raises `ValidationError` for a name that is unsafe or taken."""
    manifest, checked = packed(files, properties, folders=True)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        _write(archive, MANIFEST, manifest.to_json(), "application/json")
        for file, entry in zip(checked, manifest.files, strict=True):
            _write(archive, file.name, file.data, entry.media_type)
    return out.getvalue()


def _write(archive: zipfile.ZipFile, name: str, data: bytes, media_type: str) -> None:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.create_system = 3  # Unix: the same on each machine, and the permissions below hold
    info.external_attr = 0o100644 << 16
    info.compress_type = zipfile.ZIP_STORED if media_type.startswith(_PACKED) else zipfile.ZIP_DEFLATED
    archive.writestr(info, data)


def read_zip_package(data: bytes, *, max_files: int = 10_000, max_bytes: int = 1 << 30) -> Package:
    """Read and check a package. `max_bytes` is the sum of what is unpacked. Raises `DocumentUnreadableError` (not a ZIP),
    `ManifestError` (not what its manifest says, or a name that leads out of its folder) and `TooLargeError`."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = _read_all(archive, max_files, max_bytes)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise DocumentUnreadableError(f"the package is not a ZIP file that can be read: {error}") from None
    if MANIFEST not in files:
        raise ManifestError(f"the package has no {MANIFEST}")
    manifest = Manifest.from_json(files.pop(MANIFEST))
    manifest.verify(files)
    return Package(manifest, files)


def _read_all(archive: zipfile.ZipFile, max_files: int, max_bytes: int) -> dict[str, bytes]:
    entries = archive.infolist()
    if len(entries) > max_files:
        raise TooLargeError(f"the package has {len(entries):,} files; {max_files:,} are allowed")
    files: dict[str, bytes] = {}
    left = max_bytes
    for entry in entries:
        try:
            name = checked_name(entry.filename)
        except ValidationError as error:
            raise ManifestError(f"the package is not safe to unpack: {error.message}") from None
        if name in files:
            raise ManifestError(f"the package holds {name!r} twice")
        files[name] = _read(archive, entry, left)
        left -= len(files[name])
    return files


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, left: int) -> bytes:
    """Read in steps: what an entry says of its size need not be true."""
    chunks = []
    with archive.open(entry) as stream:
        while chunk := stream.read(_READ):
            left -= len(chunk)
            if left < 0:
                raise TooLargeError(f"the package unpacks to more than is allowed; stopped in {entry.filename!r}")
            chunks.append(chunk)
    return b"".join(chunks)
