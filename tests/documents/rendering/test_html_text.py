"""HTML and plain text of the same markup."""

from base64 import b64encode

import pytest

from brickwork import Platform
from brickwork.documents.backends.html import HtmlRenderer
from brickwork.documents.backends.reportlab import ReportlabRenderer
from brickwork.documents.backends.text import TextRenderer
from brickwork.documents.errors import RenderError
from brickwork.documents.markup import parse
from brickwork.documents.port import Order
from brickwork.errors import NotFoundError, UnsupportedError
from brickwork.testing.contracts.renderer import png

INVOICE = """<document title="Invoice &lt;17&gt;" lang="de">
<footer><p>Page <page/> of <pages/></p></footer>
<h1>Invoice 17</h1>
<p>Dear <b>Ada</b>,<br/>see <a href="https://pay.example/17">how to pay</a> &amp; when.</p>
<table widths="* 20mm" aligns="left right"><thead><tr><th>What</th><th>Sum</th></tr></thead>
<tbody><tr><td>A visit</td><td>35.50</td></tr><tr><td color="accent">日本</td><td>9</td></tr></tbody>
<tfoot><tr><td>Total</td><td>44.50</td></tr></tfoot></table>
<ul><li>one</li><li>two<ol start="3"><li>deep</li></ol></li></ul>
</document>"""


def html(source: str, **options: object) -> str:
    return HtmlRenderer().render(parse(source), Order(**options)).decode()  # type: ignore[arg-type]


def text(source: str) -> str:
    return TextRenderer().render(parse(source), Order()).decode()


def test_text_has_tables_lists_and_links() -> None:
    assert text(INVOICE) == (
        "INVOICE 17\n==========\n\nDear *Ada*,\nsee how to pay (https://pay.example/17) & when.\n\n"
        "What       Sum\n-------  -----\nA visit  35.50\n日本         9\nTotal    44.50\n\n"
        "- one\n- two\n  3. deep\n"
    )


def test_lines_of_text_are_bounded() -> None:
    lines = text(f"<p>{'words and more ' * 60}</p><table><tr><td>{'long cell ' * 40}</td><td>x</td></tr></table>").splitlines()
    assert max(map(len, lines)) <= 76
    assert len(lines) > 12


def test_html_is_one_file_with_everything_escaped() -> None:
    page = html(INVOICE)
    assert page.startswith('<!doctype html>\n<html lang="de">')
    assert "<title>Invoice &lt;17&gt;</title>" in page
    assert '<a href="https://pay.example/17">how to pay</a> &amp; when.' in page
    assert '<td style="text-align:left;color:#7a3b12">日本</td><td style="text-align:right">9</td>' in page
    assert '<col style="width:auto"><col style="width:56.6929pt">' in page
    assert "Page" not in page
    for outside in ("<script", 'src="http', "url("):
        assert outside not in page


def test_images_of_html_are_inside_it() -> None:
    page = html('<img src="logo" alt="A &quot;logo&quot;"/>', assets={"logo": png()})
    assert f'<img src="data:image/png;base64,{b64encode(png()).decode()}" alt="A &quot;logo&quot;">' in page
    for source, assets in (("logo", {}), ("logo", {"logo": b"<svg onload=alert(1)>"})):
        with pytest.raises(RenderError):
            html(f'<img src="{source}"/>', assets=assets)


def test_html_shows_charts_and_codes_as_vectors() -> None:
    page = html('<chart type="bar" labels="a|b" title="A &lt; B"><series values="1 2"/></chart><qr value="x" size="20mm"/>')
    assert page.count("<svg") == page.count("</svg>") == 2
    assert ">A &lt; B</text>" in page
    assert 'width="56.6929pt"' in page
    assert "clip" not in page


def test_contents_of_html_lead_to_headings() -> None:
    page = html('<toc/><h1>One</h1><h2 id="own">Two</h2><h2 bookmark="false">Hidden</h2>')
    assert '<a href="#bw-0">One</a>' in page
    assert '<h1 id="bw-0">One</h1>' in page
    assert '<a href="#own">Two</a>' in page
    assert page.count("Hidden") == 1


def test_fields_of_html_can_be_filled() -> None:
    page = html(
        '<field name="who" type="text" value="A&quot;da" required="true"/><field name="ok" type="checkbox" value="true"/>'
    )
    assert '<input type="text" value="A&quot;da" name="who" title="who" style="" required>' in page
    assert '<input type="checkbox" name="ok" title="ok" style="" checked>' in page


def test_attachments_are_pdf() -> None:
    with pytest.raises(UnsupportedError):
        html('<attachment name="a" src="b"/>')


@pytest.mark.parametrize("renderer", [HtmlRenderer(), TextRenderer()])
def test_archives_are_pdf(renderer: HtmlRenderer | TextRenderer) -> None:
    with pytest.raises(UnsupportedError):
        renderer.render(parse("<p>x</p>"), Order(archive=True))


@pytest.mark.parametrize("renderer", [HtmlRenderer(), TextRenderer(), ReportlabRenderer()])
def test_the_same_source_makes_the_same_bytes(renderer: HtmlRenderer | TextRenderer | ReportlabRenderer) -> None:
    plain = INVOICE.replace("日本", "Japan")
    assert renderer.render(parse(plain), Order()) == renderer.render(parse(plain), Order())


def test_formats_are_chosen_by_name(platform: Platform) -> None:
    platform.enter(tenant="north", actor="user:ito")
    kinds = {
        name: platform.documents.render("<p>x</p>", format=name).media_type.partition(";")[0] for name in ("pdf", "html", "text")
    }
    assert kinds == {"pdf": "application/pdf", "html": "text/html", "text": "text/plain"}
    with pytest.raises(NotFoundError, match="there are html, pdf, text"):
        platform.documents.render("<p>x</p>", format="docx")
    with pytest.raises(NotFoundError, match="no theme"):
        platform.documents.render("<p>x</p>", theme="neon")
