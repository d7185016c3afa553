"""PDFs to pack, and what every result has to stand: the checks of qpdf, and readers of other makers."""

import io
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from typing import Any

import pikepdf
import pytest
from pypdf import PdfReader
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas


class Papers:
    """Makes and reads PDFs."""

    def make(
        self,
        pages: Sequence[str | Sequence[str]] = ("first", "second", "third"),
        *,
        title: str | None = None,
        bookmarks: bool = True,
        size: tuple[float, float] = A4,
    ) -> bytes:
        """A PDF with lines on each page, from y=700 in steps of 20, at x=72; a bookmark a page."""
        buffer = io.BytesIO()
        canvas = Canvas(buffer, pagesize=size, invariant=1)
        if title:
            canvas.setTitle(title)
        for number, lines in enumerate(pages):
            if bookmarks:
                canvas.bookmarkPage(f"p{number}")
                canvas.addOutlineEntry(f"Section {number + 1}", f"p{number}", 0)
            canvas.setFont("Helvetica", 12)
            for n, line in enumerate([lines] if isinstance(lines, str) else lines):
                canvas.drawString(72, 700 - 20 * n, line)
            canvas.showPage()
        canvas.save()
        return buffer.getvalue()

    def changed(self, data: bytes, change: Any) -> bytes:
        """The PDF after `change(pdf)`."""
        with pikepdf.open(io.BytesIO(data)) as pdf:
            change(pdf)
            out = io.BytesIO()
            pdf.save(out, deterministic_id=True)
            return out.getvalue()

    def check(self, data: bytes, password: str = "") -> pikepdf.Pdf:
        """The PDF, which qpdf finds nothing wrong with: the library always, the program where it is installed."""
        pdf = pikepdf.open(io.BytesIO(data), password=password)
        assert pdf.check_pdf_syntax() == []
        if program := shutil.which("qpdf"):
            with tempfile.NamedTemporaryFile(suffix=".pdf") as file:
                file.write(data)
                file.flush()
                command = [program, "--check", f"--password={password}", file.name]
                done = subprocess.run(command, capture_output=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
        return pdf

    def texts(self, data: bytes) -> list[str]:
        """The text of each page, as pypdf reads it."""
        return [page.extract_text().strip() for page in PdfReader(io.BytesIO(data)).pages]

    def outline(self, data: bytes) -> list[Any]:
        """The outline as nested lists of (title, page from 1), as pypdf reads it."""
        reader = PdfReader(io.BytesIO(data))

        def plain(items: list[Any]) -> list[Any]:
            return [
                plain(i) if isinstance(i, list) else (i.title, (reader.get_destination_page_number(i) or 0) + 1) for i in items
            ]

        return plain(reader.outline)

    def raw(self, data: bytes) -> bytes:
        """All of the file unpacked, as it would be searched for what must be gone."""
        with pikepdf.open(io.BytesIO(data)) as pdf:
            out = io.BytesIO()
            pdf.save(
                out,
                qdf=True,
                object_stream_mode=pikepdf.ObjectStreamMode.disable,
                compress_streams=False,
                stream_decode_level=pikepdf.StreamDecodeLevel.specialized,
            )
            strings = [str(value).encode() for item in pdf.objects for value in _strings(item)]
            return out.getvalue() + b"\n".join(strings)


def _strings(item: Any) -> list[Any]:
    if isinstance(item, pikepdf.String):
        return [item]
    if isinstance(item, pikepdf.Dictionary | pikepdf.Stream):
        return [s for value in item.values() if not getattr(value, "is_indirect", False) for s in _strings(value)]
    if isinstance(item, pikepdf.Array):
        return [s for value in item if not getattr(value, "is_indirect", False) for s in _strings(value)]
    return []


@pytest.fixture
def papers() -> Papers:
    return Papers()
