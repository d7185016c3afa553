"""Opening PDFs that others made: what kind of thing is given, how large it may be, and a typed error for what can't be read."""

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Union

import attrs

from brickwork.documents.packaging.library import library
from brickwork.errors import DocumentPasswordError, DocumentUnreadableError, TooLargeError

if TYPE_CHECKING:
    import pikepdf

    from brickwork.documents.packaging.pdf import Pdf

#: What is taken for a PDF: its bytes, a path, a binary stream (read when given), or a `Pdf`.
Source = Union[bytes, bytearray, memoryview, str, "os.PathLike[str]", IO[bytes], "Pdf"]

#: Levels of a page tree that are followed; real ones have three or four.
_DEPTH = 64


@attrs.frozen
class Limits:
    """What is read at most of each file. A file over a limit is refused with `TooLargeError`."""

    #: Bytes of a file.
    bytes: int = 1 << 30
    #: Pages of a file, as its page tree has them and not as it claims.
    pages: int = 50_000


@attrs.frozen
class Content:
    """A file that was given: its bytes, or the path where they lie, and what it is called in messages."""

    data: bytes | Path
    name: str

    @classmethod
    def of(cls, source: "bytes | bytearray | memoryview | str | os.PathLike[str] | IO[bytes]", called: str = "document") -> "Content":
        """Take a source; a stream is read now, so that the value can be used again. `called` names one without a name."""
        if isinstance(source, bytes | bytearray | memoryview):
            return cls(bytes(source), called)
        if isinstance(source, str | os.PathLike):
            path = Path(source)
            return cls(path, path.name)
        name = getattr(source, "name", None)
        return cls(source.read(), Path(name).name if isinstance(name, str) else called)

    def open(self, password: str | None, limits: Limits) -> "pikepdf.Pdf":
        """The PDF, for changing in memory; raises `DocumentUnreadableError`, `DocumentPasswordError` and `TooLargeError`."""
        pikepdf = library()
        self._check_size(limits)
        source = io.BytesIO(self.data) if isinstance(self.data, bytes) else self.data
        try:
            pdf = pikepdf.open(source, password=password or "", inherit_page_attributes=False)
            _check_pages(pdf, self.name, limits)
        except pikepdf.PasswordError:
            told = "the password is wrong" if password else "it is encrypted and needs a password"
            raise DocumentPasswordError(f"{self.name}: {told}", field="password") from None
        except FileNotFoundError:
            raise DocumentUnreadableError(f"{self.name}: there is no such file") from None
        except (pikepdf.PdfError, OSError, RuntimeError, ValueError, TypeError, AttributeError) as error:
            raise DocumentUnreadableError(f"{self.name} is not a PDF that can be read: {_reason(error)}") from None
        return pdf

    def _check_size(self, limits: Limits) -> None:
        if isinstance(self.data, bytes):
            size = len(self.data)
        else:
            size = self.data.stat().st_size if self.data.is_file() else 0
        if size > limits.bytes:
            raise TooLargeError(f"{self.name} has {size:,} bytes; {limits.bytes:,} are allowed")


def _reason(error: Exception) -> str:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return text.rpartition(": ")[2][:200]


def _check_pages(pdf: "pikepdf.Pdf", name: str, limits: Limits) -> None:
    """Walk the page tree before qpdf does, which would enumerate all of it."""
    count = 0
    for _ in _leaves(pdf, name):
        count += 1
        if count > limits.pages:
            raise TooLargeError(f"{name} has more than {limits.pages:,} pages, which are allowed")
    if not count:
        raise DocumentUnreadableError(f"{name} has no pages")


def _leaves(pdf: "pikepdf.Pdf", name: str) -> Iterator[None]:
    pikepdf = library()
    seen = set()
    levels = [iter([pdf.Root.Pages])]
    while levels:
        node = next(levels[-1], None)
        if node is None:
            levels.pop()
            continue
        kids = node.get("/Kids") if isinstance(node, pikepdf.Dictionary) else None
        if not isinstance(kids, pikepdf.Array):
            yield None
            continue
        if node.objgen in seen or len(levels) > _DEPTH:
            raise DocumentUnreadableError(f"{name}: its page tree goes round in a circle")
        seen.add(node.objgen)
        levels.append(iter(kids))
