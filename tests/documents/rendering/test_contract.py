"""The renderers, each against the contract."""

import io
from collections.abc import Callable
from datetime import datetime
from html.parser import HTMLParser
from itertools import count
from typing import Any

import pytest
from pypdf import PdfReader

from brickwork.documents.backends.html import HtmlRenderer
from brickwork.documents.backends.reportlab import ReportlabRenderer
from brickwork.documents.backends.text import TextRenderer
from brickwork.documents.errors import RenderError
from brickwork.documents.markup import Element
from brickwork.documents.port import Order, Renderer
from brickwork.errors import UnsupportedError
from brickwork.testing.contracts.renderer import RendererContract


class PdfContract(RendererContract):
    def text_of(self, content: bytes) -> str:
        return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)

    def moment_of(self, content: bytes) -> datetime | None:
        metadata = PdfReader(io.BytesIO(content)).metadata
        return metadata.creation_date if metadata is not None else None


class TestReportlab(PdfContract):
    @pytest.fixture
    def renderer(self) -> Renderer:
        return ReportlabRenderer()


class Page(HTMLParser):
    """The text of a page, and whether something in it could run."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self._within = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag != "script"
        assert not [name for name, _ in attrs if name.startswith("on")]
        self._within = tag
        if tag not in _INLINE:
            self.text.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self._within = ""
        if tag not in _INLINE:
            self.text.append(" ")

    def handle_data(self, data: str) -> None:
        if self._within not in ("style", "title"):
            self.text.append(data)


_INLINE = ("b", "i", "u", "s", "code", "a", "span", "small", "sub", "sup")


class TestHtml(RendererContract):
    @pytest.fixture
    def renderer(self) -> Renderer:
        return HtmlRenderer()

    def text_of(self, content: bytes) -> str:
        page = Page()
        page.feed(content.decode())
        return "".join(page.text)


class TestText(RendererContract):
    @pytest.fixture
    def renderer(self) -> Renderer:
        return TextRenderer()

    def text_of(self, content: bytes) -> str:
        return content.decode()


class Broken:
    """HTML that is good but for one fault."""

    media_type = "text/html"

    def __init__(self, fault: str) -> None:
        self._good, self._fault, self._count = HtmlRenderer(), fault, count()
        self.capabilities = self._good.capabilities | ({"archive"} if fault == "boasts" else set())

    def render(self, document: Element, order: Order) -> bytes:
        fault, good = self._fault, self._good
        if fault == "takes all":
            document = Element("document", document.attributes, tuple(document.elements("p", "h1", "h2")))
            order = Order(assets=order.assets)
        if fault == "refuses lists" and any(one.tag == "ul" for one in document.walk()):
            raise UnsupportedError("no lists")
        if fault == "fetches" or fault == "shrugs":
            try:
                return good.render(document, order)
            except RenderError as error:
                if ("there is no asset" in str(error)) is (fault == "fetches"):
                    return b"<p>x</p>"
                raise
        made = good.render(document, order)
        changes: dict[str, Callable[[bytes], bytes]] = {
            "counts": lambda made: made + f"<!-- {next(self._count)} -->".encode(),
            "forgets": lambda made: made.replace(b"Row7.", b""),
            "doubles": lambda made: made.replace(b"Row7.", b"Row7. Row7."),
            "unescapes": lambda made: made.replace(b"&lt;", b"<").replace(b"&gt;", b">"),
            "escapes twice": lambda made: made.replace(b"&lt;", b"&amp;lt;"),
            "says something": lambda made: made.replace(b"</body>", b"Made by</body>"),
        }
        return changes.get(fault, lambda made: made)(made)


@pytest.mark.parametrize(
    ("fault", "test", "arguments"),
    [
        ("counts", "test_the_same_input_makes_the_same_bytes", ()),
        ("counts", "test_threads_do_not_disturb_each_other", ()),
        ("forgets", "test_texts_stand_in_their_order", ()),
        ("doubles", "test_texts_stand_in_their_order", ()),
        ("unescapes", "test_characters_of_other_languages_are_only_characters", ("</style><p>",)),
        ("escapes twice", "test_characters_of_other_languages_are_only_characters", ("<label> @ref",)),
        ("says something", "test_an_empty_document_is_one", ()),
        ("takes all", "test_elements_are_taken_or_refused_as_declared", ("chart",)),
        ("takes all", "test_elements_are_taken_or_refused_as_declared", ("attachment",)),
        ("takes all", "test_archives_are_made_or_refused_as_declared", ()),
        ("boasts", "test_archives_are_made_or_refused_as_declared", ()),
        ("refuses lists", "test_elements_are_taken_or_refused_as_declared", ("li",)),
        ("fetches", "test_nothing_but_assets_is_read", ()),
        ("shrugs", "test_broken_images_are_named_with_their_line", ()),
        ("shrugs", "test_a_colour_that_the_theme_lacks_is_named", ()),
    ],
)
def test_the_contract_finds_a_renderer_that_is_broken(
    fault: str, test: str, arguments: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises((AssertionError, UnsupportedError, pytest.fail.Exception)):
        getattr(TestHtml(), test)(Broken(fault), *arguments)
