"""The cover and the table of contents: pages that are drawn and put before the others."""

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import attrs

from brickwork.documents.packaging.drawing import COVER_STYLE, Style, canvas_module
from brickwork.documents.packaging.frames import Frame
from brickwork.documents.packaging.labels import Label, read_labels, write_labels
from brickwork.documents.packaging.library import library
from brickwork.documents.packaging.references import Bookmark, bookmarks, link
from brickwork.errors import ValidationError

if TYPE_CHECKING:
    import pikepdf

_A4 = (595.28, 841.89)
_ROMAN = ((100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))


def _lines(lines: str | Iterable[str]) -> tuple[str, ...]:
    return tuple(lines.splitlines()) if isinstance(lines, str) else tuple(lines)


@attrs.frozen
class Cover:
    """A cover sheet: a title, and lines below it (parties, a case number, a date)."""

    title: str
    subtitle: str = ""
    lines: Iterable[str] = attrs.field(default=(), converter=_lines)
    style: Style = COVER_STYLE

    def draw(self, size: tuple[float, float] = _A4) -> bytes:
        """The sheet as a PDF of one page."""
        buffer, (wide, high), margin = io.BytesIO(), size, self.style.margin
        canvas = canvas_module().Canvas(buffer, pagesize=size, invariant=1)
        y = high * 0.68
        for text, size_ in ((self.title, 2.3), (self.subtitle, 1.3), *((line, 1.0) for line in self.lines)):
            style = attrs.evolve(self.style, size=self.style.size * size_)
            for part in _wrapped(canvas, text, style, wide - 2 * margin):
                canvas.drawString(margin, y, part)
                y -= style.size * 1.35
            if text == self.title:
                canvas.line(margin, y + style.size * 0.7, wide - margin, y + style.size * 0.7)
            y -= style.size * 0.6
        canvas.showPage()
        canvas.save()
        return buffer.getvalue()


def _wrapped(canvas: Any, text: str, style: Style, room: float) -> list[str]:
    from reportlab.lib.utils import simpleSplit

    name = style.use(canvas, text)
    return [part for line in text.splitlines() for part in simpleSplit(line, name, style.size, max(room, style.size))]


@attrs.define
class _Page:
    """A page of the contents: links that lie on it, as boxes and the numbers of the pages they lead to."""

    links: list[tuple[tuple[float, float, float, float], int]] = attrs.field(factory=list)


def add_contents(pdf: "pikepdf.Pdf", title: str, depth: int, style: Style, before: int) -> None:
    """Put a table of contents before page `before` (from 0), from the outline; each line is a link. The pages are then labelled
    i, ii, … and the others as they were, or 1, 2, … Raises `ValidationError` where there is no outline."""
    pikepdf = library()
    entries = [entry for entry in bookmarks(pdf) if entry.level < depth and entry.page is not None]
    if not entries:
        raise ValidationError("there is no outline to make a table of contents from; merge with bookmarks=True", field="contents")
    count = len(pdf.pages)
    labels = read_labels(pdf) or [Label(n + 1) for n in range(count)]
    targets = [page.obj for page in pdf.pages]
    frame = Frame.of(pdf.pages[min(before, count - 1)])
    buffer = io.BytesIO()
    pages = _draw(buffer, frame, title, entries, [shown(label) for label in labels], style)
    for n, (page, new) in enumerate(zip(pages, pikepdf.open(buffer).pages, strict=True)):
        pdf.pages.insert(before + n, new)
        links = pikepdf.Array([_link(pdf, box, targets[target]) for box, target in page.links])
        pdf.pages[before + n].obj.Annots = pdf.make_indirect(links)
    write_labels(pdf, [*labels[:before], *(Label(n + 1, style="r") for n in range(len(pages))), *labels[before:]])
    _add_bookmark(pdf, title, before)


def shown(label: Label) -> str:
    """A label as it is read."""
    number, text = label.number, str(label.number)
    if label.style in {"r", "R"}:
        text = ""
        for value, letters in ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), *_ROMAN):
            text += letters * (number // value)
            number %= value
    elif label.style in {"a", "A"}:
        text = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)
    text = text.upper() if label.style in {"R", "A"} else text
    return label.prefix + (text if label.style else "")


def _draw(buffer: io.BytesIO, frame: Frame, title: str, entries: list[Bookmark], labels: list[str], style: Style) -> list[_Page]:
    canvas = canvas_module().Canvas(buffer, pagesize=(frame.width, frame.height), invariant=1)
    margin, leading = style.margin, style.size * 1.5
    heading = attrs.evolve(style, size=style.size * 1.8)
    heading.use(canvas, title)
    y = frame.height - margin - heading.size
    canvas.drawString(margin, y, title)
    y -= heading.size * 1.6
    pages = [_Page()]
    for entry in entries:
        assert entry.page is not None
        indent, label = margin + entry.level * style.size * 1.5, labels[entry.page]
        name = style.use(canvas, label)
        reserved = canvas.stringWidth(label, name, style.size) + 2 * style.size
        lines = _wrapped(canvas, entry.title or "-", style, frame.width - margin - indent - reserved)
        if y - leading * (len(lines) - 1) < margin and pages[-1].links:
            canvas.showPage()
            pages.append(_Page())
            y = frame.height - margin - style.size
        style.use(canvas, entry.title + label)
        top = y + style.size
        for line in lines:
            canvas.drawString(indent, y, line)
            y -= leading
        y += leading
        canvas.drawRightString(frame.width - margin, y, label)
        _dots(canvas, name, style, indent + canvas.stringWidth(lines[-1], name, style.size), frame.width - margin - reserved, y)
        pages[-1].links.append(((indent, y - style.size * 0.3, frame.width - margin, top), entry.page))
        y -= leading
    canvas.showPage()
    canvas.save()
    return pages


def _dots(canvas: Any, name: str, style: Style, left: float, right: float, y: float) -> None:
    """Dots between a title and its page, in columns that are the same on every line."""
    step = style.size * 0.6
    first = int(left / step) + 2
    for n in range(first, int((right + style.size) / step)):
        canvas.drawString(n * step, y, ".")


def _link(pdf: "pikepdf.Pdf", box: tuple[float, float, float, float], target: Any) -> Any:
    pikepdf = library()
    return pdf.make_indirect(
        pikepdf.Dictionary(
            Type=pikepdf.Name.Annot,
            Subtype=pikepdf.Name.Link,
            Rect=pikepdf.Array([round(value, 2) for value in box]),
            Border=pikepdf.Array([0, 0, 0]),
            Dest=pikepdf.Array([target, pikepdf.Name.Fit]),
        )
    )


def _add_bookmark(pdf: "pikepdf.Pdf", title: str, page: int) -> None:
    """An entry for the contents, as the outline's first."""
    pikepdf = library()
    root = pdf.Root.Outlines
    entry = pdf.make_indirect(
        pikepdf.Dictionary(Title=pikepdf.String(title), Dest=pikepdf.Array([pdf.pages[page].obj, pikepdf.Name.Fit]))
    )
    items, item, seen = [entry], root.get("/First"), set()
    while isinstance(item, pikepdf.Dictionary) and item.objgen not in seen:
        seen.add(item.objgen)
        items.append(item)
        item = item.get("/Next")
    link(root, items)
    root.Count = abs(int(root.get("/Count", len(items) - 1))) + 1
