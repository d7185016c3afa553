"""The port of renderers: what makes a file of a document."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

import attrs

from brickwork.documents.markup.nodes import Element
from brickwork.documents.theme import Theme


@attrs.frozen(kw_only=True)
class Order:
    """What a renderer is given besides the document: how it is to look, the images and files that it names, and what is wanted.

    The same order and document make the same bytes, on whatever machine and day. `moment` is what the file says of when it was
    made; without it, it says nothing.
    """

    theme: Theme = attrs.field(factory=Theme)
    assets: Mapping[str, bytes] = attrs.field(factory=dict)
    moment: datetime | None = None
    #: PDF/A-3b (ISO 19005-3), which archives and e-invoices ask for.
    archive: bool = False


#: What renderers declare. "alternatives": what it can't draw stands there as its words, an image as its `alt`, a barcode as its
#: value; without it and without the capability an element is refused. Paragraphs that number pages are left out where there are
#: none. "colors": colours and classes of the theme.
CAPABILITIES = frozenset({"archive", "attachments", "forms", "images", "charts", "barcodes", "contents", "page_numbers", "tagged",
                          "alternatives", "colors"})  # fmt: skip


class Renderer(Protocol):
    """Makes files of one kind. Used by several threads at once."""

    media_type: str
    #: What it can do of `CAPABILITIES`.
    capabilities: frozenset[str]

    def render(self, document: Element, order: Order) -> bytes:
        """The file. Raises `RenderError` for what can't be drawn, `UnsupportedError` for what the renderer doesn't declare."""
        ...
