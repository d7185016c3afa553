"""What a file is, as its readers see it, and what its name and kind may be."""

import re
from datetime import datetime
from pathlib import PurePosixPath
from uuid import UUID

import attrs

from brickwork.errors import ValidationError
from brickwork.storage.errors import BlobRefusedError

#: Bytes at the beginning of a file by which its kind is told.
HEAD = 4096
TEXT, HTML, SVG, XML, ZIP, OCTETS = (
    "text/plain", "text/html", "image/svg+xml", "application/xml", "application/zip", "application/octet-stream"
)  # fmt: skip
_OOXML, _ODF = "application/vnd.openxmlformats-officedocument.", "application/vnd.oasis.opendocument."
#: Kinds by the ending of the name.
ENDINGS = {
    "pdf": "application/pdf", "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif",
    "webp": "image/webp", "tif": "image/tiff", "tiff": "image/tiff", "bmp": "image/bmp", "svg": SVG, "html": HTML, "htm": HTML,
    "xml": XML, "txt": TEXT, "csv": "text/csv", "md": "text/markdown", "json": "application/json", "zip": ZIP,
    "gz": "application/gzip", "docx": f"{_OOXML}wordprocessingml.document", "xlsx": f"{_OOXML}spreadsheetml.sheet",
    "pptx": f"{_OOXML}presentationml.presentation", "odt": f"{_ODF}text", "ods": f"{_ODF}spreadsheet", "mp4": "video/mp4",
    "mp3": "audio/mpeg", "wav": "audio/wav", "eml": "message/rfc822", "p7m": "application/pkcs7-mime", "ics": "text/calendar",
    "vcf": "text/vcard", "dcm": "application/dicom",
}  # fmt: skip
_MAGIC = (
    (0, b"%PDF-", "application/pdf"), (0, b"\x89PNG\r\n\x1a\n", "image/png"), (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"), (0, b"GIF89a", "image/gif"), (8, b"WEBP", "image/webp"), (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"), (0, b"BM", "image/bmp"), (0, b"PK\x03\x04", ZIP), (0, b"PK\x05\x06", ZIP),
    (0, b"\x1f\x8b", "application/gzip"), (4, b"ftyp", "video/mp4"), (0, b"ID3", "audio/mpeg"), (8, b"WAVE", "audio/wav"),
    (0, b"MZ", "application/x-msdownload"), (0, b"\x7fELF", "application/x-executable"), (128, b"DICM", "application/dicom"),
)  # fmt: skip
_SIGNS = frozenset(kind for _, _, kind in _MAGIC) | {HTML, SVG}
_MARKUP = re.compile(
    rb"\s*(?:<!--.*?-->\s*|<\?xml[^>]*>\s*)*<(!doctype\s+html|html|head|body|script|iframe|svg|!doctype\s+svg|\w)",
    re.IGNORECASE | re.DOTALL,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]")


@attrs.frozen
class Blob:
    """A stored file. `sha256` is its content's digest in hexadecimal."""

    id: UUID
    name: str
    media_type: str
    size: int
    sha256: str
    created_by: str
    created_at: datetime
    deleted_at: datetime | None = None


def check_name(name: str) -> str:
    """`name`, if it may name a file: 1 to 255 characters without control characters, and no path. Raises `ValidationError`."""
    if not 0 < len(name) <= 255 or not name.strip():
        raise ValidationError("a file's name takes 1 to 255 characters", field="name")
    if _CONTROL.search(name):
        raise ValidationError(
            "a file's name holds control characters, or such that change the direction of writing", field="name"
        )
    if "/" in name or "\\" in name or name in (".", ".."):
        raise ValidationError(f"{name[:80]!r} is a path; give the name of the file only", field="name")
    return name


def sniff(head: bytes) -> str | None:
    """The kind of a file by its first bytes; None for what is unknown."""
    for at, sign, kind in _MAGIC:
        if head[at : at + len(sign)] == sign:
            return kind
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # not just cut within a character
            return None
    if b"\0" in head:
        return None
    found = _MARKUP.match(head)
    if found is None:
        return TEXT
    tag = found[1].lower()
    if b"svg" in tag:
        return SVG
    return HTML if len(tag) > 1 else XML


def kind_of(name: str, declared: str | None, head: bytes) -> str:
    """The media type of a file, by its content, its name and what was said of it. Raises `BlobRefusedError` where these
    contradict one another: a page that is called an image must not be shown as one, nor as a page."""
    told = ENDINGS.get(PurePosixPath(name).suffix.lstrip(".").lower())
    wanted = (declared or told or "").partition(";")[0].strip().lower()
    seen = sniff(head) if head else TEXT
    for claim, where in ((told, "name"), (wanted, "media type")):
        if claim and not _agree(claim, seen):
            raise BlobRefusedError(f"{name[:80]!r} is {seen or 'of an unknown kind'}, which its {where} contradicts ({claim})",
                                   field="content")  # fmt: skip
    return wanted or seen or OCTETS


def _agree(claim: str, seen: str | None) -> bool:
    if claim in (seen, OCTETS):
        return True
    if claim.startswith((_OOXML, _ODF)) or claim in ("application/java-archive", "application/epub+zip"):
        return seen == ZIP
    if seen in (TEXT, XML):  # text in some notation that isn't shown as a page
        return claim not in _SIGNS
    if claim.startswith(("audio/", "video/")):
        return seen is None or seen.startswith(("audio/", "video/"))
    return seen is None and claim not in _SIGNS and not claim.startswith("text/") and not claim.endswith(("json", "xml"))
