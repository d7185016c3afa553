"""Opening PDFs that others made, for signing and verifying: a typed error for what can't be read, whatever the library raises."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs

from brickwork.documents.signing.errors import SigningError
from brickwork.documents.signing.running import library
from brickwork.errors import BrickworkError, DocumentPasswordError, DocumentUnreadableError, TooLargeError, ValidationError

if TYPE_CHECKING:
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.pdf_utils.reader import PdfFileReader


@attrs.frozen
class Limits:
    """What is read at most. A document over a limit is refused with `TooLargeError`."""

    #: Bytes of a document.
    bytes: int = 100_000_000
    #: Signatures and timestamps in a document.
    signatures: int = 100
    #: Revisions of a document: the first, and one for each incremental update.
    revisions: int = 500


def open_reader(pdf: bytes, limits: Limits) -> "PdfFileReader":
    """The document, of which nothing but the cross-references is read. Raises `DocumentUnreadableError`,
    `DocumentPasswordError`, `TooLargeError`."""
    library()
    from pyhanko.pdf_utils.reader import PdfFileReader

    if not isinstance(pdf, bytes | bytearray | memoryview):
        raise ValidationError("a document is given as its bytes", field="pdf")
    if len(pdf) > limits.bytes:
        raise TooLargeError(f"the document has {len(pdf):,} bytes; {limits.bytes:,} are allowed")
    with reading():
        reader = PdfFileReader(io.BytesIO(bytes(pdf)), strict=True)
        encrypted = reader.encrypted
        if not encrypted:
            _ = reader.root["/Pages"]["/Type"]
        revisions = reader.xrefs.total_revisions
    if encrypted:
        raise DocumentPasswordError("the document is encrypted; signatures are made and read of plain ones", field="pdf")
    if revisions > limits.revisions:
        raise TooLargeError(f"the document has {revisions} revisions; {limits.revisions} are allowed")
    return reader


def open_writer(pdf: bytes, limits: Limits) -> "IncrementalPdfFileWriter":
    """The document for an update that leaves its bytes as they are."""
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    reader = open_reader(pdf, limits)
    if reader.xrefs.hybrid_xrefs_present:
        raise SigningError("the document has two kinds of cross-references, which readers may take differently; write it anew")
    with reading():
        return IncrementalPdfFileWriter.from_reader(reader)


@contextmanager
def reading() -> Iterator[None]:
    """A block in which a document is parsed: whatever is raised of its contents becomes a `DocumentUnreadableError`."""
    from pyhanko.pdf_utils.misc import PdfError

    try:
        yield
    except BrickworkError:
        raise
    except (PdfError, ArithmeticError, AssertionError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError,
            NotImplementedError, MemoryError) as error:  # fmt: skip
        raise DocumentUnreadableError(f"the document is not a PDF that can be read: {said(error)}") from None


def entry(dictionary: Any, key: str, default: Any = None) -> Any:
    """What a dictionary of a document has under a key, wherever in the file it lies."""
    try:
        return dictionary[key]
    except KeyError:
        return default


def said(error: BaseException) -> str:
    """What a library says of damage, in short."""
    lines = str(error).splitlines()
    return (lines[0] if lines else type(error).__name__)[:200]
