"""Claim: merging keeps what documents hold (outlines under a title each, links, labels) at no less than 0.9 of pikepdf used bare.

Each merges in turns the same 200 files of 10 pages, each with ten outline entries and nine links, in memory, and gives the bytes.
The peers are used as their documentation tells: `pypdf` by `PdfWriter.append`, which keeps outlines; `pikepdf` by
`Pdf.add_pages_from`, which keeps outlines and links; `pikepdf_pages` by `pages.extend`, which is faster and loses outlines and
form fields. Ours makes the same bytes each time, which the peers are not asked for.
"""

import io
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.harness import result, say

PAGES, LINES = 10, 45


def run(*, quick: bool = False) -> dict[str, Any]:
    """Pages merged per second by each."""
    count, rounds = (20, 1) if quick else (200, 9)
    files = [_file(number) for number in range(count)]
    contestants: dict[str, Callable[[Sequence[bytes]], bytes]] = {
        "brickwork": _brickwork,
        "pikepdf": _pikepdf,
        "pikepdf_pages": _pikepdf_pages,
        "pypdf": _pypdf,
    }
    made = {name: merge(files) for name, merge in contestants.items()}  # warms up, and is looked at below
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds):
        for name, merge in _turned(contestants, number):
            begin = time.perf_counter()
            merge(files)
            rates[name].append(count * PAGES / (time.perf_counter() - begin))
    found = {name: _entries(data) for name, data in made.items()}
    say("outline entries kept: " + ", ".join(f"{name} {entries}" for name, entries in found.items()))
    say("bytes: " + ", ".join(f"{name} {len(data):,}" for name, data in made.items()))
    ours = rates.pop("brickwork")
    figures = result("documents_package", "pages/s", ours, rates, {})
    figures["checks"] = {
        "at_least_0.9_of_pikepdf": figures["peers"]["pikepdf"]["ratio"] >= 0.9,
        "more_than_pypdf": figures["peers"]["pypdf"]["ratio"] > 1,
        "outlines_kept_under_a_title_a_file": found["brickwork"] == count * (PAGES + 1),
        "links_kept": _links(made["brickwork"]) == count * (PAGES - 1),
        "same_bytes_each_time": _brickwork(files) == made["brickwork"],
        "accepted_by_qpdf": _problems(made["brickwork"]) == [],
    }
    return figures


def _turned(contestants: dict[str, Any], by: int) -> list[tuple[str, Any]]:
    """In another order each round: who follows whom shall not matter."""
    items = list(contestants.items())
    return items[by % len(items) :] + items[: by % len(items)]


def _file(number: int) -> bytes:
    from reportlab.pdfgen.canvas import Canvas

    buffer = io.BytesIO()
    canvas = Canvas(buffer, invariant=1)
    canvas.setTitle(f"Exhibit {number}")
    for page in range(PAGES):
        canvas.bookmarkPage(f"page{page}")
        canvas.addOutlineEntry(f"Exhibit {number}, section {page}", f"page{page}", 0)
        canvas.setFont("Helvetica", 11)
        for line in range(LINES):
            canvas.drawString(
                50, 780 - line * 16, f"Exhibit {number}, page {page}, line {line}: {(number + 1) * (page + 7) * line}"
            )
        if page:
            canvas.linkAbsolute("to the first page", "page0", (50, 30, 100, 50))
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def _brickwork(files: Sequence[bytes]) -> bytes:
    from brickwork.documents.packaging import merge

    return merge(files).save()


def _pikepdf(files: Sequence[bytes]) -> bytes:
    import pikepdf

    merged, out = pikepdf.new(), io.BytesIO()
    for data in files:
        merged.add_pages_from(pikepdf.open(io.BytesIO(data)))
    merged.save(out)
    return out.getvalue()


def _pikepdf_pages(files: Sequence[bytes]) -> bytes:
    import pikepdf

    merged, out = pikepdf.new(), io.BytesIO()
    for data in files:
        merged.pages.extend(pikepdf.open(io.BytesIO(data)).pages)
    merged.save(out)
    return out.getvalue()


def _pypdf(files: Sequence[bytes]) -> bytes:
    from pypdf import PdfWriter

    merged, out = PdfWriter(), io.BytesIO()
    for data in files:
        merged.append(io.BytesIO(data))
    merged.write(out)
    return out.getvalue()


def _entries(data: bytes) -> int:
    """Entries of the outline, as pypdf reads it."""
    from pypdf import PdfReader

    def count(items: list[Any]) -> int:
        return sum(count(item) if isinstance(item, list) else 1 for item in items)

    return count(PdfReader(io.BytesIO(data)).outline)


def _links(data: bytes) -> int:
    """Links that lead to a page of the document."""
    import pikepdf

    with pikepdf.open(io.BytesIO(data)) as pdf:
        pages = {page.obj.objgen for page in pdf.pages}
        return sum(annotation.Dest[0].objgen in pages for page in pdf.pages for annotation in page.obj.get("/Annots", []))


def _problems(data: bytes) -> list[str]:
    import pikepdf

    with pikepdf.open(io.BytesIO(data)) as pdf:
        return list(pdf.check_pdf_syntax())
