"""The renderer: a document's tree, laid out and written."""

import io
from collections.abc import Sequence
from typing import Any

from reportlab.platypus import Flowable
from reportlab.platypus.doctemplate import LayoutError

from brickwork.documents.backends.reportlab.blocks import Blocks, Entry
from brickwork.documents.backends.reportlab.fonts import FontBook
from brickwork.documents.backends.reportlab.inline import Inline
from brickwork.documents.backends.reportlab.pages import Book, Sheet, Story, draw_column, height_of, set_moment
from brickwork.documents.errors import RenderError
from brickwork.documents.markup.nodes import Element
from brickwork.documents.port import Order
from brickwork.documents.theme import PAGES

#: Distance of heads and feet from the edge of the page, and from what is between them.
EDGE, GAP = 28.0, 10.0


class ReportlabRenderer:
    """PDF 1.4 by reportlab; with `archive`, PDF/A-3b. Text can be selected and searched; there is no tag tree, which reportlab
    can't write, so it makes no claim to PDF/UA."""

    media_type = "application/pdf"
    capabilities = frozenset(
        {"archive", "attachments", "forms", "images", "charts", "barcodes", "contents", "page_numbers", "colors"}
    )

    def render(self, document: Element, order: Order) -> bytes:
        """The PDF. Raises `RenderError`."""
        job = _Job(document, order)
        content = job.run()
        files = list(document.elements("attachment"))
        if order.archive or files or job.boxes:
            from brickwork.documents.backends.archive import finish

            content = finish(content, document, order, files, job.boxes)
        return content


class _Job:
    """One document on its way."""

    def __init__(self, document: Element, order: Order) -> None:
        self._document, self._order = document, order
        theme = order.theme
        size = PAGES[document.get("page") or theme.page]
        self._size = size[::-1] if document.get("orientation") == "landscape" else size
        self._margin = list(document.get("margin") or theme.margin)
        self._width = self._size[0] - self._margin[1] - self._margin[3]
        if self._width < 36 or self._size[1] - self._margin[0] - self._margin[2] < 72:
            raise RenderError("the margins leave no room for text", field="margin")
        rtl = {"rtl": True, "ltr": False}.get(document.get("dir", ""))
        self._inline = Inline(theme, FontBook(theme, embedded=order.archive), rtl)
        self._entries = {id(one): entry for one, entry in _entries(document)}
        self._blocks = Blocks(self._inline, order.assets, self._width, self._entries)
        self._head, self._foot = document.first("header"), document.first("footer")
        self._heights: dict[str, float] = {}
        self.boxes: list[Any] = []

    def run(self) -> bytes:
        self._make_room()
        story = Story(self._blocks.of(self._document, self._inline.base))
        target = io.BytesIO()
        get = self._document.get
        book = Book(target, self._size, self._margin, self._furnish, title=get("title"), author=get("author"),
                    subject=get("subject"), keywords=get("keywords"), lang=get("lang"), invariant=1, pageCompression=1,
                    creator="brickwork", producer="brickwork")  # fmt: skip
        try:
            book.build(story, canvasmaker=self._sheet)
        except LayoutError as error:
            raise RenderError(f"something is larger than a page and can't be divided: {str(error)[:200]}") from None
        self.boxes = self._canvas.bw_boxes
        return target.getvalue()

    def _sheet(self, *arguments: Any, **options: Any) -> Sheet:
        self._canvas = Sheet(*arguments, **options)
        if self._order.moment is not None:
            set_moment(self._canvas, self._order.moment)
        return self._canvas

    def _make_room(self) -> None:
        """Widen the margins where a head or foot needs it."""
        for side, element in ((0, self._head), (2, self._foot)):
            if element is not None:
                self._heights[element.tag] = height = height_of(self._furniture(element, 1, "1"), self._width)
                self._margin[side] = max(self._margin[side], EDGE + max(height, element.get("height") or 0.0) + GAP)

    def _furnish(self, canvas: Any, page: int) -> None:
        """Draw the head and foot of a page."""
        for element, top in ((self._head, True), (self._foot, False)):
            if element is None or (page == 1 and element.get("first") is False):
                continue
            height = self._heights[element.tag]
            y = self._size[1] - EDGE if top else EDGE + height
            if any(one.tag == "pages" for one in element.walk()):
                canvas.bw_later(self._margin[3], y - height, self._width, height, self._with_total(element, page))
            else:
                draw_column(canvas, self._furniture(element, page, "1"), self._margin[3], y, self._width)

    def _with_total(self, element: Element, page: int) -> Any:
        def draw(canvas: Any, width: float, height: float) -> None:
            draw_column(canvas, self._furniture(element, page, str(canvas.getPageNumber() - 1)), 0.0, height, width)

        return draw

    def _furniture(self, element: Element, page: int, pages: str) -> Sequence[Flowable]:
        self._inline.numbers = (str(page), pages)
        try:
            return list(self._blocks.of(element, self._inline.style(element, self._inline.base)))
        finally:
            self._inline.numbers = None


def _entries(document: Element) -> list[tuple[Element, Entry]]:
    """The headings of a document, in order."""
    found: list[tuple[Element, Entry]] = []
    for element in document.walk():
        if element.tag in ("h1", "h2", "h3", "h4") and element.get("bookmark") is not False:
            title = " ".join(element.text().split())[:200] or "–"
            found.append((element, Entry(title, f"h{len(found)}", int(element.tag[1]) - 1)))
    return found
