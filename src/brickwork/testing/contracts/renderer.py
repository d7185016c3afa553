"""The contract of renderers. A backend's tests subclass `RendererContract` and give the fixture `renderer` and `text_of`."""

import struct
import time
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from brickwork.documents.errors import RenderError
from brickwork.documents.markup import parse
from brickwork.documents.markup.elements import KINDS
from brickwork.documents.port import CAPABILITIES, Order, Renderer
from brickwork.errors import UnsupportedError

MOMENT = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)


def png(width: int = 4, height: int = 2, color: tuple[int, int, int] = (122, 59, 18)) -> bytes:
    """A small image of one colour."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes(color) * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b"")


@attrs.frozen
class Sample:
    """A document in which an element stands, the words that must be seen of it, in order, and the capability that it takes."""

    source: str
    words: tuple[str, ...] = ()
    capability: str | None = None
    #: What is seen where the capability is missing and the renderer declares "alternatives".
    instead: tuple[str, ...] = ()


ASSETS = {"logo": png(), "data.csv": b"item;amount\r\nvisit;35.50\r\n"}
_CHART = '<chart type="bar" labels="Jan|Feb" title="Visits"><series name="North" values="10 12" color="#7a3b12"/></chart>'
_TABLE = (
    '<table widths="* 30mm" aligns="left right" border="all" zebra="true"><thead><tr><th>What</th><th>Sum</th></tr></thead>'
    '<tbody><tr background="zebra"><td valign="middle">Visit</td><td>35.50</td></tr>'
    '<tr><td color="accent" rowspan="2">Drugs</td><td>9.00</td></tr><tr><td>8.00</td></tr></tbody>'
    '<tfoot><tr><td colspan="2" align="right">Total 52.50</td></tr></tfoot></table>'
)
_LIST = '<ul><li>Bread</li><li>Milk<ol start="3" type="1"><li>Goat</li><li>Sheep</li></ol></li></ul>'
_ROW = ("What", "Sum", "Visit", "35.50", "Drugs", "9.00", "8.00", "Total 52.50")
_numbered = Sample("<footer><p>Sheet <page/> of <pages/></p></footer><p>Body</p>", ("Sheet 1 of 1",), "page_numbers")

#: A document for each element of the markup.
SAMPLES: Mapping[str, Sample] = {
    "document": Sample('<document title="T" author="A" subject="S" keywords="K" lang="de" page="A5" orientation="landscape" '
                       'margin="20mm" dir="ltr"><p>Body</p></document>', ("Body",)),
    "header": Sample('<header height="12mm"><p>Letterhead</p></header><p>Body</p>', ("Body",)),
    "footer": Sample("<footer><p>Account</p></footer><p>Body</p>", ("Body",)),
    **{f"h{n}": Sample(f'<h{n} id="x" color="accent">Chapter</h{n}><p>Body</p>', ("Chapter", "Body")) for n in (1, 2, 3, 4)},
    "p": Sample('<p id="x" align="center" size="12" class="muted" keep="next">Once</p><p>Twice</p>', ("Once", "Twice")),
    **{tag: Sample(f"<p>Before <{tag}>within</{tag}> after</p>", ("Before", "within", "after"))
       for tag in ("b", "i", "u", "s", "code", "small")},
    "sub": Sample("<p>H <sub>2</sub> O</p>", ("H", "2", "O")),
    "sup": Sample("<p>m <sup>2</sup> wide</p>", ("m", "2", "wide")),
    "span": Sample('<p>Before <span color="#112233" size="14pt">within</span></p>', ("Before", "within")),
    "a": Sample('<p id="top">See <a href="https://example.org/?a=1&amp;b=2">this</a> and <a href="#top">top</a></p>',
                ("See", "this", "top")),
    "br": Sample("<p>One<br/>Two</p>", ("One", "Two")),
    "page": _numbered, "pages": _numbered,
    "ul": Sample(_LIST, ("Bread", "Milk", "Goat", "Sheep")),
    "ol": Sample(_LIST, ("Bread", "Milk", "Goat", "Sheep")),
    "li": Sample("<ul><li><p>Bread</p><p>Milk</p></li><li/></ul>", ("Bread", "Milk")),
    **dict.fromkeys(("table", "thead", "tbody", "tfoot", "tr", "td", "th"), Sample(_TABLE, _ROW)),
    "img": Sample('<p>One</p><img src="logo" width="20mm" alt="Logo"/><p>Two</p>', ("One", "Two"), "images", ("Logo",)),
    "chart": Sample(_CHART, ("Visits",), "charts", ("Visits",)), "series": Sample(_CHART, ("Visits",), "charts", ("Visits",)),
    "barcode": Sample('<barcode type="ean13" value="4006381333931"/>', (), "barcodes", ("4006381333931",)),
    "qr": Sample('<qr value="https://pay.example/17" size="25mm"/>', (), "barcodes", ("https://pay.example/17",)),
    **dict.fromkeys(("columns", "column"), Sample('<columns widths="* 2*" gap="5mm"><column><p>Left</p></column><column>'
                                                  '<p>Right</p></column></columns><p>Below</p>', ("Left", "Right", "Below"))),
    "box": Sample('<box background="#eeeeee" border="accent" padding="8"><p>Framed</p></box><p>Below</p>', ("Framed", "Below")),
    "spacer": Sample('<p>One</p><spacer height="5mm"/><p>Two</p>', ("One", "Two")),
    "pagebreak": Sample("<p>One</p><pagebreak/><p>Two</p>", ("One", "Two")),
    "hr": Sample('<p>One</p><hr color="accent" thickness="1"/><p>Two</p>', ("One", "Two")),
    "toc": Sample("<h1>Start</h1><toc depth='2'/><h2>Alpha</h2>", ("Start", "Start", "Alpha", "Alpha"), "contents"),
    "field": Sample('<field name="who" type="text" value="Ada" tooltip="Your name"/><p>Body</p>', ("Body",), "forms",
                    ("Your name", "Ada", "Body")),
    "attachment": Sample('<document><p>Body</p><attachment name="data.csv" src="data.csv" type="text/csv"/></document>',
                         ("Body",), "attachments"),
}  # fmt: skip

#: Texts that mean something to HTML, Typst, Word, XML, PDF or a template; each must come out as it is.
NASTY = (
    "<script>alert(1)</script>", "&amp; &lt;b&gt;", '"double" and \'single\'', '#import "x": *', "#panic()", "$x^2$ \\ # _a_ *b*",
    "// no comment", "/* neither */", "= no heading", "- no item", "+ nor this", "1. nor that", "<label> @ref", "a -- b ...",
    "{{ 7 * 7 }} {% raw %}", "${7*7}", "`code` ~ [link](x)", "</style><p>", "]]>", "(a) \\(b\\) Tj", "C:\\temp\\new",
    "%PDF %%EOF",
    'style="color:red"', "http://example.org", "#set page(width: 1pt)",
)  # fmt: skip
BROKEN = (b"", b"no image", b"\x89PNG\r\n\x1a\n" + b"\0" * 50, png()[:40], b"<svg onload='alert(1)'/>")


def escaped(text: str) -> str:
    """Text as markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def in_order(words: tuple[str, ...], text: str) -> bool:
    """Whether some words stand in a text one after the other, whatever their case."""
    at, text = 0, text.casefold()
    for word in words:
        at = text.find(word.casefold(), at)
        if at < 0:
            return False
        at += len(word)
    return True


class RendererContract:
    """What every renderer must do, with every element as its `capabilities` declare."""

    @pytest.fixture
    def renderer(self) -> Renderer:
        """The renderer; given by the backend's tests."""
        raise pytest.UsageError("a subclass gives the fixture `renderer`")

    def text_of(self, content: bytes) -> str:
        """What a reader sees of a file, as text; given by the backend's tests."""
        raise pytest.UsageError("a subclass gives `text_of`")

    def moment_of(self, content: bytes) -> datetime | None:
        """When the file says it was made; given by tests of backends whose files can say it."""
        return None

    def seen(self, renderer: Renderer, source: str, **options: Any) -> str:
        """The text of a source's file, with single spaces."""
        options.setdefault("assets", ASSETS)
        return " ".join(self.text_of(renderer.render(parse(source), Order(**options))).split())

    def test_capabilities_are_known_ones(self, renderer: Renderer) -> None:
        assert set(SAMPLES) == set(KINDS), "a sample for each element"
        assert renderer.capabilities <= CAPABILITIES
        assert "/" in renderer.media_type

    @pytest.mark.parametrize("tag", sorted(SAMPLES))
    def test_elements_are_taken_or_refused_as_declared(self, renderer: Renderer, tag: str) -> None:
        sample, can = SAMPLES[tag], renderer.capabilities
        if sample.capability is None or sample.capability in can:
            assert in_order(sample.words, self.seen(renderer, sample.source))
        elif sample.capability == "page_numbers":
            text = self.seen(renderer, sample.source)
            assert "Body" in text
            assert "Sheet" not in text, "a paragraph that numbers pages is left out where there are none"
        elif "alternatives" in can and sample.capability not in ("contents", "attachments"):
            assert in_order(sample.instead, self.seen(renderer, sample.source))
        elif "alternatives" in can and sample.capability == "contents":
            assert in_order(("Start", "Alpha"), self.seen(renderer, sample.source))
        else:
            with pytest.raises(UnsupportedError):
                self.seen(renderer, sample.source)

    def test_archives_are_made_or_refused_as_declared(self, renderer: Renderer) -> None:
        if "archive" in renderer.capabilities:
            assert "Body" in self.seen(renderer, "<p>Body</p>", archive=True)
        else:
            with pytest.raises(UnsupportedError):
                self.seen(renderer, "<p>Body</p>", archive=True)

    def test_the_same_input_makes_the_same_bytes(self, renderer: Renderer) -> None:
        source, order = _everything(renderer), Order(assets=ASSETS, moment=MOMENT)
        first = renderer.render(parse(source), order)
        time.sleep(2.1)  # ZIP counts time in steps of two seconds, PDF in seconds
        assert renderer.render(parse(source), order) == first
        assert renderer.render(parse(source), Order(assets=ASSETS)) == renderer.render(parse(source), Order(assets=ASSETS))

    def test_the_moment_is_the_one_given(self, renderer: Renderer) -> None:
        said = self.moment_of(renderer.render(parse("<p>x</p>"), Order(moment=MOMENT)))
        assert said in (None, MOMENT)
        unsaid = self.moment_of(renderer.render(parse("<p>x</p>"), Order()))
        assert unsaid is None or unsaid.year < 2025, "without a moment a file doesn't tell the present one"

    def test_texts_stand_in_their_order(self, renderer: Renderer) -> None:
        rows = "".join(f"<tr><td>Row{n}.</td><td>Value{n}.</td></tr>" for n in range(120))
        items = "".join(f"<li>Item{n}.</li>" for n in range(40))
        source = f"<h1>Title</h1><p>First.</p><table><tbody>{rows}</tbody></table><ol>{items}</ol><p>Last.</p>"
        words = ["Title", "First."]
        for n in range(120):
            words += [f"Row{n}.", f"Value{n}."]
        words += [*(f"Item{n}." for n in range(40)), "Last."]
        text = self.seen(renderer, source)
        assert in_order(tuple(words), text)
        assert text.count("Row7.") == 1

    @pytest.mark.parametrize("nasty", NASTY)
    def test_characters_of_other_languages_are_only_characters(self, renderer: Renderer, nasty: str) -> None:
        shown = escaped(nasty)
        source = (
            f'<document title="{shown}" author="{shown}"><p>{shown}</p><table><tr><td>{shown}</td></tr></table>'
            f"<ul><li>{shown}</li></ul><p><b>{shown}</b></p></document>"
        )
        text = self.seen(renderer, source).replace("\n", " ")
        assert text.replace("*", "").count(" ".join(nasty.split()).replace("*", "")) == 4

    def test_attributes_are_only_texts(self, renderer: Renderer) -> None:
        for nasty in ('x" onload="alert(1)', "</a><script>", '")#panic()', "a&b", "{{x}}", "\\"):
            href = escaped("https://example.org/" + nasty.replace(" ", "%20"))
            body = f'<p><a href="{href}">Go</a></p>'
            if "images" in renderer.capabilities:
                body += f'<img src="logo" alt="{escaped(nasty)}"/>'
            assert "Go" in self.seen(renderer, body)

    def test_broken_images_are_named_with_their_line(self, renderer: Renderer) -> None:
        if "images" not in renderer.capabilities:
            return
        for content in BROKEN:
            with pytest.raises(RenderError, match=r"line 2.*no image that can be read"):
                self.seen(renderer, '<p>x</p>\n<img src="logo"/>', assets={"logo": content})

    def test_nothing_but_assets_is_read(self, renderer: Renderer) -> None:
        if "images" not in renderer.capabilities:
            return
        for source in (
            "missing",
            "/etc/hostname",
            "file:///etc/hostname",
            "https://example.org/x.png",
            "../logo",
            "//example.org",
        ):
            with pytest.raises(RenderError, match=r"line 2.*there is no asset"):
                self.seen(renderer, f'<p>x</p>\n<img src="{source}"/>')

    def test_threads_do_not_disturb_each_other(self, renderer: Renderer) -> None:
        sources = [f"<h1>Letter {n}</h1><p>Dear {n},</p>" + f"<p>Word{n} </p>" * (5 * n) for n in range(8)]
        alone = [renderer.render(parse(source), Order()) for source in sources]
        with ThreadPoolExecutor(4) as threads:
            together = list(threads.map(lambda source: renderer.render(parse(source), Order()), sources * 2))
        assert together == alone * 2

    def test_an_empty_document_is_one(self, renderer: Renderer) -> None:
        for source in ("", "<document/>", "<p/>", "<table/><ul/>", "<table><tr/></table>"):
            assert self.seen(renderer, source) == ""

    def test_a_colour_that_the_theme_lacks_is_named(self, renderer: Renderer) -> None:
        if "colors" not in renderer.capabilities:
            return
        with pytest.raises(RenderError, match="line 2: the theme has no colour 'plum'"):
            self.seen(renderer, '<p>x</p>\n<p color="plum">y</p>')
        with pytest.raises(RenderError, match="line 2: the theme has no class 'plum'"):
            self.seen(renderer, '<p>x</p>\n<p class="plum">y</p>')


def _everything(renderer: Renderer) -> str:
    """A document of all the elements that a renderer can show."""
    wanted = [one for one in SAMPLES.values() if one.capability is None or one.capability in renderer.capabilities]
    parts = {one.source for one in wanted if not one.source.startswith(("<document", "<header", "<footer"))}
    return "<footer><p>Foot</p></footer>" + "".join(sorted(parts)).replace(' id="x"', "")
