"""Opening PDFs that others made: what kind of thing is given, how large it may be, and a typed error for what can't be read."""

import io
import os
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
#: What a page may have from the page tree (ISO 32000-2, table 31).
_INHERITED = ("/Resources", "/MediaBox", "/CropBox", "/Rotate")


def damage() -> tuple[type[Exception], ...]:
    """What the library and Python raise where a document isn't built as the standard says."""
    python = (OSError, ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
    return (library().PikepdfError, *python)


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
    def of(
        cls, source: "bytes | bytearray | memoryview | str | os.PathLike[str] | IO[bytes]", called: str = "document"
    ) -> "Content":
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
        self._check_size(limits)
        try:
            pdf = self._open(password, inherit=False)
            if _check_pages(pdf, self.name, limits):
                pdf = self._open(password, inherit=True)
        except library().PasswordError:
            told = "the password is wrong" if password else "it is encrypted and needs a password"
            raise DocumentPasswordError(f"{self.name}: {told}", field="password") from None
        except FileNotFoundError:
            raise DocumentUnreadableError(f"{self.name}: there is no such file") from None
        except damage() as error:
            raise DocumentUnreadableError(f"{self.name} is not a PDF that can be read: {reason(error)}") from error
        return pdf

    def _open(self, password: str | None, *, inherit: bool) -> "pikepdf.Pdf":
        source = io.BytesIO(self.data) if isinstance(self.data, bytes) else self.data
        return library().open(source, password=password or "", inherit_page_attributes=inherit)  # type: ignore[no-any-return]

    def _check_size(self, limits: Limits) -> None:
        size = len(self.data) if isinstance(self.data, bytes) else _size(self.data)
        if size > limits.bytes:
            raise TooLargeError(f"{self.name} has {size:,} bytes; {limits.bytes:,} are allowed")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def reason(error: Exception) -> str:
    """What a library says of damage, in short."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return text.rpartition(": ")[2][:200]


def _check_pages(pdf: "pikepdf.Pdf", name: str, limits: Limits) -> bool:
    """Walk the page tree before the library does, which would list all of it. Whether pages inherit from it."""
    pikepdf = library()
    seen, pages, inherits = set(), 0, False
    levels = [iter([pdf.Root.Pages])]
    while levels:
        node = next(levels[-1], None)
        if node is None:
            levels.pop()
        elif isinstance(node, pikepdf.Dictionary) and "/Kids" in node:
            if node.objgen in seen or len(levels) > _DEPTH:
                raise DocumentUnreadableError(f"{name}: its page tree goes round in a circle")
            seen.add(node.objgen)
            inherits = inherits or any(key in node for key in _INHERITED)
            levels.append(iter(node.Kids))
        else:
            pages += 1
            if pages > limits.pages:
                raise TooLargeError(f"{name} has more than {limits.pages:,} pages, which are allowed")
    if not pages:
        raise DocumentUnreadableError(f"{name} has no pages")
    return inherits
