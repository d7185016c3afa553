"""PDF by reportlab: what is on the pages, whatever the text, and the same bytes each time."""

import base64
import io
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from pypdf import PdfReader

from brickwork.documents.backends.reportlab import ReportlabRenderer
from brickwork.documents.errors import MissingGlyphError, RenderError
from brickwork.documents.markup import parse
from brickwork.documents.port import Order
from brickwork.documents.theme import FontFiles, Theme

FONTS = Path("/usr/share/fonts/truetype")
DEJAVU, DROID = FONTS / "dejavu" / "DejaVuSans.ttf", FONTS / "droid" / "DroidSansFallbackFull.ttf"
MOMENT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
LOREM = "Lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do eiusmod tempor incididunt ut labore. "


def png(width: int = 40, height: int = 20, mode: str = "RGB") -> bytes:
    from PIL import Image

    target = io.BytesIO()
    Image.new(mode, (width, height)).save(target, "PNG")
    return target.getvalue()


def render(source: str, **options: Any) -> bytes:
    content = ReportlabRenderer().render(parse(source), Order(**options))
    with pikepdf.open(io.BytesIO(content)) as pdf:
        assert pdf.check_pdf_syntax() == []
    return content


def reader(source: str, **options: Any) -> PdfReader:
    return PdfReader(io.BytesIO(render(source, **options)))


def text(pdf: PdfReader, page: int | None = None) -> str:
    pages = pdf.pages if page is None else [pdf.pages[page]]
    return " ".join(" ".join(one.extract_text() for one in pages).split())


def table(rows: int, more: str = "", **attributes: str) -> str:
    given = "".join(f' {name}="{value}"' for name, value in attributes.items())
    body = "".join(f'<tr><td>Row {n}</td><td value="{n}">{n}.00</td></tr>' for n in range(1, rows + 1))
    return f"<table{given}><thead><tr><th>Name</th><th>Sum</th></tr></thead><tbody>{body}</tbody>{more}</table>"


class TestText:
    def test_looks_within_a_paragraph(self) -> None:
        source = "<p>A <b>bold</b>, <i>slanted</i> and <code>fixed</code> word; H<sub>2</sub>O and 5<sup>th</sup>.</p>"
        pdf = reader(source)
        assert "A bold, slanted and fixed word; H" in text(pdf)
        fonts = {str(font["/BaseFont"]) for font in pdf.pages[0]["/Resources"]["/Font"].values()}  # type: ignore[index]
        assert {"/Helvetica", "/Helvetica-Bold", "/Helvetica-Oblique", "/Courier"} <= fonts

    def test_a_paragraph_goes_on_over_pages(self) -> None:
        pdf = reader(f"<p>{LOREM * 120}</p>")
        assert len(pdf.pages) == 2
        assert text(pdf).count("consectetur") == 120

    def test_a_word_that_is_wider_than_the_page_is_cut(self) -> None:
        assert "".join(text(reader(f"<p>{'x' * 10_000}</p>")).split()) == "x" * 10_000

    def test_characters_that_no_font_has_are_named(self) -> None:
        with pytest.raises(MissingGlyphError, match=r"日 \(U\+65E5\)") as caught:
            render("<p>Today 日</p>")
        assert caught.value.details["characters"] == "日"

    def test_special_characters_of_pdf_are_text_like_any_other(self) -> None:
        shown = r"(a) \ [b] <<c>> %d /e ~&"
        assert text(reader(f"<p>{shown.replace('&', '&amp;').replace('<', '&lt;')}</p>")) == shown

    @pytest.mark.skipif(not DEJAVU.exists(), reason="the package fonts-dejavu-core is not installed")
    def test_other_scripts_take_the_fallback_font_and_embed_it(self) -> None:
        theme = Theme(fonts={"DejaVu": FontFiles(regular=DEJAVU)}, fallback=("DejaVu",))
        pdf = reader("<p>Ελληνικά, Русский, Ünïcödé</p>", theme=theme)
        assert text(pdf) == "Ελληνικά, Русский, Ünïcödé"
        described = [
            font["/FontDescriptor"] for font in pdf.pages[0]["/Resources"]["/Font"].values() if "/FontDescriptor" in font
        ]  # type: ignore[index]
        assert all("/FontFile2" in one for one in described)
        assert described

    @pytest.mark.skipif(not DEJAVU.exists(), reason="the package fonts-dejavu-core is not installed")
    def test_text_from_right_to_left_stands_on_the_right_in_visual_order(self) -> None:
        theme = Theme(fonts={"DejaVu": FontFiles(regular=DEJAVU)}, body="DejaVu")
        pdf = reader('<p dir="rtl">שלום (עולם) 2026</p>', theme=theme)
        found: list[tuple[float, str]] = []
        pdf.pages[0].extract_text(visitor_text=lambda t, cm, tm, *_: found.append((tm[4], t.strip())) if t.strip() else None)
        shown = "".join(piece for _, piece in sorted(found)).replace(" ", "")
        assert shown.index("2026") == 0, "numbers keep their direction and stand at the left end"
        assert min(x for x, _ in found) > 300

    @pytest.mark.skipif(not DROID.exists(), reason="the package fonts-droid-fallback is not installed")
    def test_ideographs_are_broken_anywhere_but_before_a_full_stop(self) -> None:
        theme = Theme(fonts={"Droid": FontFiles(regular=DROID)}, body="Droid", size=20)
        pdf = reader("<p>" + "日本語の文章。" * 20 + "</p>", theme=theme)
        lines = pdf.pages[0].extract_text().split()
        assert len(lines) > 3
        assert not any(line.startswith("。") for line in lines)


class TestPages:
    def test_page_x_of_y_is_right_on_every_page(self) -> None:
        source = "<footer><p>Page <page/> of <pages/></p></footer>" + "<p>x</p><pagebreak/>" * 11 + "<p>end</p>"
        pdf = reader(source)
        assert [f"Page {n} of 12" in text(pdf, n - 1) for n in range(1, 13)] == [True] * 12

    def test_a_head_may_be_left_out_on_the_first_page(self) -> None:
        pdf = reader('<header first="false"><p>Letterhead</p></header><p>a</p><pagebreak/><p>b</p>')
        assert ["Letterhead" in text(pdf, n) for n in range(2)] == [False, True]

    def test_a_tall_head_takes_room_from_the_page(self) -> None:
        lines = "".join(f"<p>Head {n}</p>" for n in range(12))
        found: dict[str, float] = {}
        pdf = reader(f"<header>{lines}</header><p>Body</p>")
        pdf.pages[0].extract_text(visitor_text=lambda t, cm, tm, *_: found.update({t.strip(): tm[5] + cm[5]}))
        assert found["Body"] < found["Head 11"]

    def test_headings_become_bookmarks_that_lead_to_their_pages(self) -> None:
        pdf = reader("<h1>One</h1><pagebreak/><h2>Two</h2><h4>Deep</h4><pagebreak/><h1>Three</h1>")

        def flat(entries: Any, level: int = 0) -> list[tuple[str, int, int]]:
            found: list[tuple[str, int, int]] = []
            for entry in entries:
                if isinstance(entry, list):
                    found += flat(entry, level + 1)
                else:
                    found.append((str(entry.title), level, int(pdf.get_destination_page_number(entry) or 0)))
            return found

        assert flat(pdf.outline) == [("One", 0, 0), ("Two", 1, 1), ("Deep", 2, 1), ("Three", 0, 2)]

    def test_contents_know_pages_that_come_later(self) -> None:
        pdf = reader("<h1>Start</h1><toc/><pagebreak/><h1>Alpha</h1><pagebreak/><pagebreak/><h2>Beta</h2>")
        shown = text(pdf, 0)
        assert shown == "Start Start 1 Alpha 2 Beta 4"
        links = [one.get_object() for one in pdf.pages[0]["/Annots"]]  # type: ignore[attr-defined]
        assert len(links) == 3

    def test_links_lead_outside_and_inside(self) -> None:
        pdf = reader('<p><a href="https://example.org/a?b=1">out</a> <a href="#end">in</a></p><p id="end">End</p>')
        annotations = [one.get_object() for one in pdf.pages[0]["/Annots"]]  # type: ignore[attr-defined]
        assert annotations[0]["/A"]["/URI"] == "https://example.org/a?b=1"
        assert "end" in pdf.named_destinations or annotations[1].get("/Dest") is not None

    def test_metadata_and_the_moment_are_what_was_given(self) -> None:
        source = '<document title="Offer" author="St Mary" subject="s" keywords="k" lang="de"><p>x</p></document>'
        info = reader(source, moment=MOMENT).metadata
        assert info is not None
        assert (info.title, info.author, info.subject, info.creation_date) == ("Offer", "St Mary", "s", MOMENT)

    def test_the_same_source_makes_the_same_bytes_in_any_process(self, tmp_path: Path) -> None:
        source = f"<h1>T</h1><toc/>{table(60)}<qr value='x'/><chart type='pie' labels='a|b'><series values='1 2'/></chart>"
        code = (
            "import sys; from brickwork.documents.backends.reportlab import ReportlabRenderer as R\n"
            "from brickwork.documents.markup import parse; from brickwork.documents.port import Order\n"
            "sys.stdout.buffer.write(R().render(parse(sys.argv[1]), Order(archive=sys.argv[2] == 'a')))"
        )
        for archive in (False, True):
            kind = "a" if archive else "-"
            run = [
                subprocess.run([sys.executable, "-c", code, source, kind], check=True, capture_output=True).stdout
                for _ in range(2)
            ]
            assert run[0] == run[1] == render(source, archive=archive)


class TestTables:
    def test_heads_come_again_and_totals_stand_at_the_end(self) -> None:
        pdf = reader(table(200, "<tfoot><tr><td>Total</td><td>20,100.00</td></tr></tfoot>"))
        pages = len(pdf.pages)
        assert pages > 3
        assert [text(pdf, n).startswith("Name Sum") for n in range(pages)] == [True] * pages
        assert ["Total" in text(pdf, n) for n in range(pages)] == [False] * (pages - 1) + [True]
        assert all(f"Row {n} {n}.00" in text(pdf) for n in range(1, 201))

    def test_sums_are_carried_over_pages(self) -> None:
        pdf = reader(table(100, carry="Carried {}"))
        pages = [text(pdf, n) for n in range(len(pdf.pages))]
        first = max(int(word) for word in pages[0].replace("Row ", "").split() if word.isdigit())
        carried = f"Carried {first * (first + 1) / 2:,.2f}"
        assert pages[0].endswith(carried)
        assert carried in pages[1]
        assert "Carried" in pages[-1]
        assert not pages[-1].endswith("Carried")

    def test_totals_never_stand_alone_on_a_page(self) -> None:
        for rows in range(38, 52):
            pdf = reader(table(rows, "<tfoot><tr><td>Total</td><td>1</td></tr></tfoot>"))
            assert "Row" in text(pdf, len(pdf.pages) - 1), rows

    def test_a_row_that_is_taller_than_a_page_is_divided(self) -> None:
        pdf = reader(f"<table><tr><td>{LOREM * 200}</td><td>short</td></tr></table>")
        assert len(pdf.pages) > 2
        assert text(pdf).count("consectetur") == 200

    def test_a_box_that_is_taller_than_a_page_is_divided(self) -> None:
        assert text(reader(f"<p>before</p><box>{f'<p>{LOREM}</p>' * 150}</box>")).count("consectetur") == 150

    def test_cells_span_rows_and_columns(self) -> None:
        source = (
            '<table border="all"><tr><td rowspan="2">A</td><td colspan="2">B</td></tr>'
            '<tr><td>C</td><td>D</td></tr><tr><td colspan="3">E</td></tr></table>'
        )
        assert text(reader(source)) == "A B C D E"

    def test_numbers_line_up_at_their_points(self) -> None:
        source = "".join(f"<tr><td>{value}</td></tr>" for value in ("1.5", "22.75", "333", "4,444.123"))
        pdf = reader(f'<table aligns="decimal">{source}</table>')
        points: list[float] = []

        def visit(shown: str, cm: Any, tm: Any, *_: Any) -> None:
            if "." in shown:
                from reportlab.pdfbase.pdfmetrics import stringWidth

                points.append(round(tm[4] + stringWidth(shown.strip().split(".")[0], "Helvetica", 9.5), 1))

        pdf.pages[0].extract_text(visitor_text=visit)
        assert len(points) == 3
        assert max(points) - min(points) < 0.2

    def test_columns_that_are_not_named_get_what_they_need(self) -> None:
        long = "A long description that needs most of the width of the page and more than that, so it wraps"
        pdf = reader(f"<table><tr><td>{long}</td><td>12</td></tr></table>")
        assert text(pdf) == f"{long} 12"

    @pytest.mark.slow
    def test_many_thousand_rows_are_laid_out(self) -> None:
        source = '<table widths="* 30mm">' + "<tr><td>a</td><td>b</td></tr>" * 20_000 + "</table>"
        assert len(reader(source).pages) == pytest.approx(527, abs=20)

    def test_widths_that_do_not_match_are_refused_with_their_line(self) -> None:
        with pytest.raises(RenderError, match="line 2: the table has 2 columns and 3 widths"):
            render('<document>\n<table widths="1mm 2mm 3mm"><tr><td>a</td><td>b</td></tr></table></document>')

    def test_empty_tables_and_cells_are_no_trouble(self) -> None:
        assert text(reader("<table/><table><tr/></table><table><tr><td></td><td>x</td></tr></table>")) == "x"


class TestFigures:
    def test_images_come_from_assets_and_data_urls_only(self) -> None:
        data = f"data:image/png;base64,{base64.b64encode(png()).decode()}"
        pdf = reader(f'<img src="logo" width="30mm" alt="Logo"/><img src="{data}"/>', assets={"logo": png()})
        assert len(pdf.pages[0].images) >= 1
        for source in ("missing", "/etc/passwd", "file:///etc/passwd", "https://example.org/x.png", "../x"):
            with pytest.raises(RenderError, match="there is no asset"):
                render(f'<img src="{source}"/>', assets={"logo": png()})

    @pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n" + b"\0" * 50, png()[:60]])
    def test_what_is_no_image_is_refused(self, content: bytes) -> None:
        with pytest.raises(RenderError, match="no image that can be read"):
            render('<img src="x"/>', assets={"x": content})

    def test_an_image_that_would_fill_the_memory_is_refused(self) -> None:
        with pytest.raises(RenderError, match=r"pixels|no image"):
            render('<img src="x"/>', assets={"x": png(20_000, 20_000, "1")})

    def test_an_image_larger_than_the_page_is_made_smaller(self) -> None:
        assert len(reader('<img src="x" width="3000pt"/>', assets={"x": png(400, 200)}).pages) == 1

    @pytest.mark.parametrize("kind", ["bar", "line", "pie"])
    def test_charts_are_drawn_as_shapes(self, kind: str) -> None:
        pdf = reader(f'<chart type="{kind}" labels="a|b" title="Visits"><series name="n" values="1 2"/></chart>')
        assert "Visits" in text(pdf)
        assert not pdf.pages[0].images

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            ('<chart type="bar"/>', "needs series"),
            ('<chart type="bar"><series values="1 2"/><series values="1"/></chart>', "as many values"),
            ('<chart type="bar" labels="a"><series values="1 2"/></chart>', "as many labels"),
            ('<chart type="pie"><series values="0 0"/></chart>', "not all 0"),
            ('<barcode type="ean13" value="4006381333930"/>', "check digit"),
            ('<barcode type="ean13" value="12"/>', "13 digits"),
            ('<barcode value=""/>', "can't show"),
            ('<barcode type="code39" value="lower"/>', "can't show"),
            ('<qr value=""/>', "needs a value"),
            (f'<qr value="{"x" * 1990}" level="H"/>', "more than a QR code"),
            ('<p color="plum">x</p>', "no colour 'plum'"),
            ('<p class="plum">x</p>', "no class 'plum'"),
            ('<columns widths="* *"><column/></columns>', "1 columns have 2 widths"),
            ('<document margin="200mm"><p>x</p></document>', "no room for text"),
            ('<table carry="sum"><tr><td>x</td></tr></table>', "carry is a text"),
        ],
    )
    def test_what_can_not_be_drawn_is_refused(self, source: str, message: str) -> None:
        with pytest.raises(RenderError, match=message):
            render(source)

    def test_codes_are_read_by_a_reader(self) -> None:
        zxingcpp = pytest.importorskip("zxingcpp")
        pdfium = pytest.importorskip("pypdfium2")
        content = render(
            '<qr value="https://pay.example/17" size="40mm"/><barcode type="ean13" value="4006381333931" height="20mm"/>'
        )
        image = pdfium.PdfDocument(content)[0].render(scale=3).to_pil()
        assert {code.text for code in zxingcpp.read_barcodes(image)} == {"https://pay.example/17", "4006381333931"}

    def test_forms_have_fields(self) -> None:
        source = (
            '<field name="name" type="text" value="Ada"/><field name="agree" type="checkbox"/>'
            '<field name="patient" type="signature" width="60mm"/>'
        )
        fields = reader(source).get_fields()
        assert fields is not None
        assert {name: str(field["/FT"]) for name, field in fields.items()} == {"name": "/Tx", "agree": "/Btn", "patient": "/Sig"}

    def test_lists_are_numbered_as_they_say(self) -> None:
        pdf = reader('<ol type="i" start="3"><li>a</li><li>b<ul><li>c</li></ul></li></ol><ol type="A" start="27"><li>d</li></ol>')
        assert text(pdf) == "iii. a iv. b • c AA. d"


class TestArchive:
    SOURCE = (
        '<document title="Invoice"><p>Text, Ümlaut</p><attachment name="factur-x.xml" src="xml" type="text/xml" '
        'relationship="Alternative" description="Invoice"/></document>'
    )

    def test_it_holds_what_pdf_a_3_asks_for(self) -> None:
        content = render(self.SOURCE, assets={"xml": b"<invoice/>"}, moment=MOMENT, archive=True)
        with pikepdf.open(io.BytesIO(content)) as pdf:
            assert pdf.Root.OutputIntents[0].S == "/GTS_PDFA1"
            with pdf.open_metadata() as xmp:
                assert (xmp["pdfaid:part"], xmp["pdfaid:conformance"]) == ("3", "B")
                assert xmp["dc:title"] == str(pdf.docinfo["/Title"]) == "Invoice"
            assert pdf.Root.AF[0].AFRelationship == "/Alternative"
            assert pdf.attachments["factur-x.xml"].get_file().read_bytes() == b"<invoice/>"
            assert pdf.pdf_version >= "1.4"
            fonts = [font for page in pdf.pages for font in page.Resources.Font.values()]
            used = [font for font in fonts if "/FontDescriptor" in font]
            assert used
            assert all("/FontFile2" in font.FontDescriptor for font in used)

    def test_only_embedded_fonts_are_used(self) -> None:
        content = render("<p>a <b>b</b> <i>c</i> <code>d</code></p>", archive=True)
        pdf = PdfReader(io.BytesIO(content))
        shown: set[str] = set()
        pdf.pages[0].extract_text(
            visitor_text=lambda t, cm, tm, font, size: shown.add(str(font["/BaseFont"])) if t.strip() else None
        )
        assert shown
        assert not shown & {"/Helvetica", "/Helvetica-Bold", "/Courier"}

    def test_a_missing_file_is_named(self) -> None:
        with pytest.raises(RenderError, match="there is no asset 'xml'"):
            render(self.SOURCE, archive=True)


class TestThemes:
    def test_wrong_themes_are_refused(self) -> None:
        for wrong in ({"body": "Comic"}, {"text": "red"}, {"size": 0}, {"series": ["blue"]}, {"page": "B7"}, {"colour": "x"}):
            with pytest.raises(ValueError, match="Theme"):
                Theme.model_validate(wrong)

    def test_a_font_file_that_is_none_is_named_without_its_folder(self, tmp_path: Path) -> None:
        (tmp_path / "x.ttf").write_bytes(b"no font")
        theme = Theme(fonts={"X": FontFiles(regular=tmp_path / "x.ttf")}, body="X")
        with pytest.raises(RenderError, match=r"the font x\.ttf can't be read"):
            render("<p>x</p>", theme=theme)
