"""HTML of a document: one file that needs nothing else, for previews and mail."""

from brickwork.documents.backends.html.writer import Writer
from brickwork.documents.markup.nodes import Element
from brickwork.documents.port import Order
from brickwork.errors import UnsupportedError

__all__ = ["HtmlRenderer"]


class HtmlRenderer:
    """HTML with its style inside, images as data: URLs, charts and codes as SVG. It has no pages, so paragraphs that number them
    are left out."""

    media_type = "text/html; charset=utf-8"
    capabilities = frozenset({"forms", "images", "charts", "barcodes", "contents", "colors"})

    def render(self, document: Element, order: Order) -> bytes:
        """The page. Raises `RenderError`, and `UnsupportedError` for archives and attachments."""
        if order.archive or document.first("attachment") is not None:
            raise UnsupportedError("HTML has no archive form and no attachments; make a PDF")
        return Writer(document, order).page().encode()
