"""What is redacted is out of the file: no reader finds it, nor a search of all that it unpacks to; what stands beside stays."""

import io
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pikepdf
import pytest
import reportlab
from pikepdf import Array, Dictionary, Name, String
from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from brickwork.documents.packaging import Area, Pdf
from brickwork.errors import RedactionError, ValidationError

LINE = "The patient Okafor lives in Lagos."


def drawn(draw: Callable[[Canvas], None]) -> bytes:
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(600, 800), invariant=1)
    canvas.setFont("Helvetica", 12)
    draw(canvas)
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def written(content: bytes, resources: Dictionary | None = None) -> bytes:
    """A page with this content; F1 is Helvetica."""
    pdf = pikepdf.new()
    pdf.add_blank_page(page_size=(600, 800))
    font = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica, Encoding=Name.WinAnsiEncoding)
    pdf.pages[0].obj.Resources = resources or Dictionary()
    pdf.pages[0].obj.Resources.Font = Dictionary(F1=pdf.make_indirect(font))
    pdf.pages[0].obj.Contents = pdf.make_stream(content)
    out = io.BytesIO()
    pdf.save(out, deterministic_id=True)
    return out.getvalue()


def readers(papers: Any, data: bytes) -> list[str]:
    """What readers of two makers see."""
    texts = [" ".join(" ".join(papers.texts(data)).split())]
    if program := shutil.which("pdftotext"):
        done = subprocess.run([program, "-layout", "-", "-"], input=data, capture_output=True, check=True)
        texts.append(" ".join(done.stdout.decode().split()))
    return texts


def gone(papers: Any, data: bytes, *words: str) -> None:
    raw = papers.raw(data)
    for word in words:
        assert all(word not in text for text in readers(papers, data)), word
        assert word.encode() not in raw, word
        assert word.encode("utf-16-be") not in raw, word
        assert word.encode().hex().encode() not in raw.lower(), word


def there(papers: Any, data: bytes, *words: str) -> None:
    for text in readers(papers, data):
        assert not [word for word in words if word not in text], text


def test_a_word_goes_and_its_neighbours_stay(papers: Any) -> None:
    data = Pdf(drawn(lambda c: c.drawString(72, 700, LINE))).redact("okafor").save()
    papers.check(data)
    gone(papers, data, "Okafor")
    there(papers, data, "The patient", "lives in Lagos.")


def test_neighbours_stay_where_they_were(papers: Any) -> None:
    before = drawn(lambda c: c.drawString(72, 700, LINE))
    after = Pdf(before).redact("Okafor").save()

    def places(data: bytes) -> dict[str, float]:
        from brickwork.documents.packaging.redaction import _look

        with pikepdf.open(io.BytesIO(data)) as pdf:
            glyphs = _look(pdf, pdf.pages[0].obj, pdf.pages[0].obj.Resources).glyphs
            return {glyph.text: glyph.x for glyph in glyphs}

    assert places(after)["L"] == pytest.approx(places(before)["L"], abs=0.01)
    assert places(after)["g"] == pytest.approx(places(before)["g"], abs=0.01)


def test_an_area_as_pdftotext_tells_it(papers: Any) -> None:
    before = drawn(lambda c: (c.drawString(72, 700, LINE), c.drawString(72, 686, "below"), c.drawString(72, 714, "above")))
    width = pdfmetrics.stringWidth("The patient ", "Helvetica", 12)
    word = pdfmetrics.stringWidth("Okafor", "Helvetica", 12)
    data = Pdf(before).redact(Area(1, 72 + width, 697, word, 12)).save()
    papers.check(data)
    gone(papers, data, "Okafor")
    there(papers, data, "The patient", "lives in Lagos.", "below", "above")


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_an_area_on_a_page_that_is_turned(papers: Any, turn: int) -> None:
    def shape(pdf: pikepdf.Pdf) -> None:
        pdf.pages[0].obj.CropBox = [20, 30, 580, 780]

    before = Pdf(papers.changed(drawn(lambda c: (c.drawString(72, 700, "secret"), c.drawString(72, 600, "open"))), shape)).rotate(
        turn
    )
    x, y, wide, high = 72 - 20, 695 - 30, 40, 18  # on the page as it was
    area = {
        0: (x, y, wide, high),
        90: (y, 560 - x - wide, high, wide),
        180: (560 - x - wide, 750 - y - high, wide, high),
        270: (750 - y - high, x, high, wide),
    }[turn]
    data = before.redact(Area(1, *area)).save()
    papers.check(data)
    gone(papers, data, "secret")
    there(papers, data, "open")


SHOWN = {
    "Tj": b"BT /F1 12 Tf 72 700 Td (see secret here) Tj ET",
    "TJ with kerning": b"BT /F1 12 Tf 72 700 Td [(see se) -30 (c) 20 (r) 5 (et) -10 ( here)] TJ ET",
    "quote": b"BT /F1 12 Tf 14 TL 72 714 Td (see) Tj (secret) ' (here) ' ET",
    "double quote": b"BT /F1 12 Tf 14 TL 72 714 Td (see) Tj 2 1 (secret) \" (here) ' ET",
    "a letter at a time": b"BT /F1 12 Tf 72 700 Td (see ) Tj" + b"".join(b"(%c) Tj " % c for c in b"secret") + b"( here) Tj ET",
    "letters put in another order": b"BT /F1 12 Tf 1 0 0 1 72 700 Tm (see) Tj 1 0 0 1 200 700 Tm (here) Tj "
    b"1 0 0 1 118 700 Tm (ret) Tj 1 0 0 1 99.3 700 Tm (sec) Tj ET",
    "scaled and turned": b"q 0 2 -2 0 300 100 cm BT /F1 6 Tf 10 20 Td (see secret here) Tj ET Q",
    "spaced": b"BT /F1 12 Tf 3 Tc 5 Tw 80 Tz 4 Ts 72 700 Td (see secret here) Tj ET",
    "invisible": b"BT /F1 12 Tf 3 Tr 72 700 Td (see secret here) Tj ET",
    "in hex": b"BT /F1 12 Tf 72 700 Td <736565207365637265742068657265> Tj ET",
    "font set outside": b"/F1 12 Tf BT 72 700 Td (see secret here) Tj ET",
    "next lines": b"BT /F1 12 Tf 72 700 TD (see) Tj 0 -14 TD (secret) Tj T* (here) Tj ET",
    "with its text in a property": b"/Span <</ActualText (secret)>> BDC BT /F1 12 Tf 72 700 Td (see secret here) Tj ET EMC",
    "with its text in a named property": b"/Span /P1 BDC BT /F1 12 Tf 72 700 Td (see secret here) Tj ET EMC",
    "state left open": b"q q BT /F1 12 Tf 72 700 Td (see secret here) Tj ET",
    "restored too often": b"Q Q BT /F1 12 Tf 72 700 Td (see secret here) Tj ET Q",
}


@pytest.mark.parametrize("how", SHOWN)
def test_every_way_to_show_text(papers: Any, how: str) -> None:
    properties = Dictionary(Properties=Dictionary(P1=Dictionary(ActualText=String("sec\u00adret"))))
    data = Pdf(written(SHOWN[how], properties)).redact("secret").save()
    assert b"ActualText" not in papers.raw(data)
    papers.check(data)
    gone(papers, data, "secret", "ecre")
    there(papers, data, "see", "here")


def test_the_advances_of_what_is_gone_are_gone_too(papers: Any) -> None:
    data = Pdf(written(SHOWN["TJ with kerning"])).redact("secret").save()
    (shown,) = re.findall(rb"\[(.*?)\] TJ", papers.raw(data))
    assert re.fullmatch(rb"\(see \) -?[\d.]+ \( here\)", shown.strip()), shown


def test_a_large_letter_that_leans_goes_only_where_it_is_touched(papers: Any) -> None:
    before = Pdf(drawn(lambda c: c.drawString(72, 700, LINE))).watermark("X", size=300).save()
    beside = Pdf(before).redact(Area(1, 180, 290, 20, 20)).save()  # in the upright box around the letter, and not in it
    papers.check(beside)
    there(papers, beside, "X")
    inside = Pdf(before).redact(Area(1, 290, 390, 20, 20)).save()
    papers.check(inside)
    assert "X" not in papers.texts(inside)[0]
    there(papers, inside, "Okafor")


def test_text_over_lines_and_patterns(papers: Any) -> None:
    lines = ["Her name is Ada", "Okafor and her number", "is 123-45-6789; his is", "987-65-4321, and 12-34 is none."]
    before = papers.make([lines])
    data = Pdf(before).redact("ada okafor", re.compile(r"\b\d{3}-\d{2}-\d{4}\b")).save()
    papers.check(data)
    gone(papers, data, "Ada", "Okafor", "123-45", "987-65", "6789", "4321")
    there(papers, data, "Her name is", "and her number", "12-34 is none.")


def test_embedded_fonts_with_other_codes(papers: Any) -> None:
    vera = Path(reportlab.__file__).parent / "fonts" / "Vera.ttf"
    pdfmetrics.registerFont(TTFont("VeraCoded", str(vera), asciiReadable=False))

    def draw(canvas: Canvas) -> None:
        canvas.setFont("VeraCoded", 12)
        canvas.drawString(72, 700, "Patientin Ökafør lebt")

    before = drawn(draw)
    assert "Ökafør".encode("cp1252") not in papers.raw(before)
    data = Pdf(before).redact("ökafør").save()
    papers.check(data)
    gone(papers, data, "Ökafør")
    there(papers, data, "Patientin", "lebt")


def composite(pdf: pikepdf.Pdf, **changes: Any) -> Dictionary:
    """A font whose codes are two bytes: the letters' Unicode numbers plus 7, so that bytes tell nothing."""
    pairs = "".join(f"<{ord(c) + 7:04x}> <{ord(c):04x}>\n" for c in "abcdefghijklmnopqrstuvwxyz ")
    cmap = f"/CIDInit /ProcSet findresource begin begincmap 27 beginbfchar\n{pairs}endbfchar endcmap end"
    descendant = Dictionary(
        Type=Name.Font,
        Subtype=Name.CIDFontType2,
        BaseFont=Name.Some,
        CIDSystemInfo=Dictionary(Registry=String("Adobe"), Ordering=String("Identity"), Supplement=0),
        DW=600,
        W=Array([39, Array([300]), 104, 110, 500]),
        FontDescriptor=Dictionary(Type=Name.FontDescriptor, FontName=Name.Some, Flags=4, Ascent=800, Descent=-200),
    )
    values = {"Encoding": Name("/Identity-H"), **changes}
    return pdf.make_indirect(
        Dictionary(
            Type=Name.Font,
            Subtype=Name.Type0,
            BaseFont=Name.Some,
            DescendantFonts=Array([pdf.make_indirect(descendant)]),
            ToUnicode=pdf.make_stream(cmap.encode()),
            **values,
        )
    )


def coded(text: str) -> bytes:
    return b"<" + "".join(f"{ord(c) + 7:04x}" for c in text).encode() + b">"


def test_composite_fonts(papers: Any) -> None:
    content = b"BT /F2 12 Tf 72 700 Td " + coded("see secret here") + b" Tj ET"

    def font(pdf: pikepdf.Pdf) -> None:
        pdf.pages[0].obj.Resources.Font.F2 = composite(pdf)

    data = Pdf(papers.changed(written(content), font)).redact("secret").save()
    papers.check(data)
    gone(papers, data, "secret")
    assert coded("secret")[1:-1] not in papers.raw(data).lower()
    there(papers, data, "see", "here")


def test_text_whose_place_is_not_sure_goes_as_a_whole(papers: Any) -> None:
    content = (
        b"BT /F1 12 Tf 72 700 Td (stays) Tj ET BT /F2 12 Tf 72 500 Td " + coded("see secret here") + b" Tj /F1 12 Tf (too) Tj ET"
    )

    def font(pdf: pikepdf.Pdf) -> None:
        pdf.pages[0].obj.Resources.Font.F2 = composite(pdf, Encoding=Name("/UniJIS-UCS2-H"))

    before = papers.changed(written(content), font)
    built = Pdf(before).redact(Area(1, 300, 300, 10, 10)).build()
    papers.check(built.data)
    assert coded("secret")[1:-1] not in papers.raw(built.data).lower()
    assert "too" not in papers.texts(built.data)[0]
    there(papers, built.data, "stays")
    assert [note.code for note in built.notes] == ["text_removed"]
    with pytest.raises(RedactionError):
        Pdf(before).redact("secret").save()
    built = Pdf(before).redact("secret", missing_ok=True).build()
    assert [note.code for note in built.notes] == ["text_unreadable"]


def test_type_3_fonts(papers: Any) -> None:
    def font(pdf: pikepdf.Pdf) -> None:
        glyph = pdf.make_stream(b"500 0 d0 0 0 400 700 re f")
        letters = "abcdefghijklmnopqrstuvwxyz"
        names = Array([97, *(Name(f"/{c}") for c in letters)])
        pdf.pages[0].obj.Resources.Font.F3 = pdf.make_indirect(
            Dictionary(
                Type=Name.Font,
                Subtype=Name.Type3,
                FontBBox=[0, 0, 500, 700],
                FontMatrix=[0.001, 0, 0, 0.001, 0, 0],
                CharProcs=Dictionary({f"/{c}": glyph for c in letters}),
                Encoding=Dictionary(Differences=names),
                FirstChar=97,
                LastChar=122,
                Widths=[500] * 26,
            )
        )

    before = papers.changed(written(b"BT /F3 20 Tf 72 700 Td (opensecretopen) Tj ET"), font)
    data = Pdf(before).redact(Area(1, 72 + 40, 700, 60, 14)).save()
    papers.check(data)
    gone(papers, data, "secret")
    assert papers.raw(data).count(b"(open)") == 2


def test_forms_in_forms_are_copied_where_they_are_used_elsewhere(papers: Any) -> None:
    def forms(pdf: pikepdf.Pdf) -> None:
        page = pdf.pages[0]
        fonts = page.obj.Resources.Font
        inner = pdf.make_stream(b"BT /F1 12 Tf 0 0 Td (see secret here) Tj ET", Subtype=Name.Form, BBox=[0, -5, 300, 20])
        inner.Resources = Dictionary(Font=fonts)
        outer = pdf.make_stream(b"q 1 0 0 1 5 5 cm /I Do Q", Subtype=Name.Form, BBox=[0, 0, 400, 40])
        outer.Resources = Dictionary(XObject=Dictionary(I=inner))
        outer.Matrix = Array([2, 0, 0, 2, 0, 0])
        page.obj.Resources.XObject = Dictionary(O=outer)
        page.obj.Contents = pdf.make_stream(b"q 1 0 0 1 50 600 cm /O Do Q q 1 0 0 1 50 300 cm /O Do Q")
        pdf.pages.append(page)

    before = papers.changed(written(b""), forms)
    data = Pdf(before).redact(Area(1, 50, 600, 400, 40)).save()
    papers.check(data)
    assert papers.texts(data)[0].split() == ["see", "secret", "here"], "the form's other use"
    assert papers.texts(data)[1].split().count("secret") == 2, "the page that shares it"
    both = Pdf(before).redact("secret").save()
    papers.check(both)
    gone(papers, both, "secret")
    assert papers.texts(both)[0].split().count("see") == 2


def test_a_form_that_draws_itself_ends(papers: Any) -> None:
    def circle(pdf: pikepdf.Pdf) -> None:
        form = pdf.make_stream(b"BT /F1 12 Tf 72 700 Td (see secret) Tj ET /X Do", Subtype=Name.Form, BBox=[0, 0, 600, 800])
        pdf.pages[0].obj.Resources.XObject = Dictionary(X=form)
        form.Resources = pdf.pages[0].obj.Resources
        pdf.pages[0].obj.Resources = pdf.make_indirect(pdf.pages[0].obj.Resources)
        form.Resources = pdf.pages[0].obj.Resources

    before = papers.changed(written(b"/X Do"), circle)
    data = Pdf(before).redact("secret").save()
    papers.check(data)
    gone(papers, data, "secret")


def picture(mode: str, size: tuple[int, int] = (200, 100)) -> Image.Image:
    """Left half dark, right half light."""
    light = {"1": 1, "L": 200, "RGB": (200, 220, 240), "CMYK": (10, 20, 30, 0)}[mode]
    image = Image.new(mode, size, 0)
    image.paste(light, (size[0] // 2, 0, size[0], size[1]))
    return image


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("1", "flate"), ("L", "flate"), ("RGB", "flate"), ("CMYK", "flate"), ("L", "JPEG"), ("RGB", "JPEG"), ("CMYK", "JPEG")],
)
def test_images_lose_the_pixels_of_the_area(papers: Any, mode: str, kind: str) -> None:
    source = picture(mode)

    def embed(pdf: pikepdf.Pdf) -> None:
        space = {"1": "/DeviceGray", "L": "/DeviceGray", "RGB": "/DeviceRGB", "CMYK": "/DeviceCMYK"}[mode]
        if kind == "JPEG":
            buffer = io.BytesIO()
            source.save(buffer, "JPEG", quality=95)
            stream = pikepdf.Stream(pdf, buffer.getvalue(), Filter=Name.DCTDecode)
            if mode == "CMYK":
                stream.Decode = [1, 0] * 4 if b"Adobe" in buffer.getvalue() else [0, 1] * 4
        else:
            stream = pikepdf.Stream(pdf, source.tobytes())
        stream.Type, stream.Subtype, stream.ColorSpace = Name.XObject, Name.Image, Name(space)
        stream.Width, stream.Height = source.size
        stream.BitsPerComponent = 1 if mode == "1" else 8
        pdf.pages[0].obj.Resources.XObject = Dictionary(Im=stream)

    before = papers.changed(written(b"q 400 0 0 200 100 300 cm /Im Do Q"), embed)
    data = Pdf(before).redact(Area(1, 400, 300, 100, 100)).save()  # the lower right quarter's right half
    pdf = papers.check(data)
    (image,) = pdf.pages[0].get_images().values()
    pixels = pikepdf.PdfImage(image).as_pil_image().convert("RGB")
    assert max(pixels.getpixel((175, 75))) < 30
    light = source.convert("RGB").getpixel((175, 25))
    assert all(abs(a - b) < 40 for a, b in zip(pixels.getpixel((175, 25)), light, strict=True))
    assert all(abs(a - b) < 40 for a, b in zip(pixels.getpixel((125, 75)), light, strict=True))


def test_masks_of_images_and_stencils_tell_nothing(papers: Any) -> None:
    stripes = Image.new("RGBA", (100, 100), (0, 0, 255, 255))
    for x in range(0, 100, 10):
        stripes.paste((255, 0, 0, 0), (x, 0, x + 5, 100))

    before = drawn(lambda c: c.drawImage(ImageReader(stripes), 100, 300, 200, 200, mask="auto"))
    data = Pdf(before).redact(Area(1, 100, 300, 100, 200)).save()
    pdf = papers.check(data)
    (image,) = pdf.pages[0].get_images().values()
    mask = pikepdf.PdfImage(image.SMask).as_pil_image()
    assert mask.crop((0, 0, 49, 100)).getextrema() == (255, 255)
    assert mask.crop((55, 0, 100, 100)).getextrema() == (0, 255)


def test_images_that_lie_in_an_area_or_cannot_be_unpacked_go(papers: Any) -> None:
    def embed(pdf: pikepdf.Pdf) -> None:
        for name, data in (("A", bytes(range(100))), ("B", b"not a JPEG 2000")):
            stream = pikepdf.Stream(pdf, data)
            stream.Subtype, stream.ColorSpace, stream.Width, stream.Height = Name.Image, Name.DeviceGray, 10, 10
            stream.BitsPerComponent = 8
            if name == "B":
                stream.write(data, filter=Name.JPXDecode)
            if "/XObject" not in pdf.pages[0].obj.Resources:
                pdf.pages[0].obj.Resources.XObject = Dictionary()
            pdf.pages[0].obj.Resources.XObject["/" + name] = stream

    content = (
        b"q 50 0 0 50 100 100 cm /A Do Q q 50 0 0 50 300 100 cm /B Do Q "
        b"q 10 0 0 10 400 400 cm BI /W 2 /H 2 /BPC 8 /CS /G ID wxyz EI Q"
    )
    inside = Pdf(papers.changed(written(content), embed)).redact(
        Area(1, 90, 90, 70, 70), Area(1, 320, 110, 5, 5), Area(1, 395, 395, 8, 8)
    )
    data = inside.save()
    pdf = papers.check(data)
    assert len(pdf.pages[0].get_images()) == 0
    raw = papers.raw(data)
    assert b"wxyz" not in raw
    assert b"not a JPEG" not in raw
    assert bytes(range(20, 90)) not in raw


def test_paths(papers: Any) -> None:
    content = (
        b"0 0 600 800 re f "  # a background, which stays
        b"50 105 m 550 105 l S "  # a rule through the area, which stays
        b"100 100 m 103 111 l 107 113 l S "  # a signature's stroke inside
        b"111 101 m 140 131 160 90 333 99 c S "  # one that reaches out of it
        b"300 301 m 310 322 l S "  # elsewhere
        b"99 99 12 12 re W n"  # a clipping path
    )
    data = Pdf(written(content)).redact(Area(1, 95, 95, 30, 30)).save()
    papers.check(data)
    raw = papers.raw(data)
    assert b"0 0 600 800 re" in raw
    assert b"550 105 l" in raw
    assert b"310 322 l" in raw
    assert b"103 111" not in raw
    assert b"333 99 c" not in raw


def test_annotations_and_fields_go_with_their_values(papers: Any) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.acroForm.textfield(name="diagnosis", value="Malaria", x=100, y=700, width=200, height=20)
        canvas.acroForm.textfield(name="ward", value="Ward 7", x=100, y=500, width=200, height=20)
        canvas.linkURL("https://example.test/okafor", (100, 600, 200, 620))
        canvas.linkURL("https://example.test/open", (100, 400, 200, 420))

    data = Pdf(drawn(draw)).redact(Area(1, 90, 690, 220, 40), Area(1, 90, 595, 130, 30)).save()
    pdf = papers.check(data)
    gone(papers, data, "Malaria", "okafor")
    assert [field.fully_qualified_name for field in pdf.acroform.fields] == ["ward"]
    assert len(pdf.pages[0].obj.Annots) == 2
    by_text = Pdf(drawn(draw)).redact("malaria", "okafor").save()
    papers.check(by_text)
    gone(papers, by_text, "Malaria", "okafor")
    assert b"example.test/open" in papers.raw(by_text)


def test_what_tells_the_text_beside_the_pages_goes_as_well(papers: Any) -> None:
    def tell(pdf: pikepdf.Pdf) -> None:
        with pdf.open_metadata() as xmp:
            xmp["dc:title"] = "Okafor"
        with pdf.open_outline() as outline:
            outline.root.append(pikepdf.OutlineItem("The case of Okafor", 0))
            outline.root.append(pikepdf.OutlineItem("Other", 0))
        pdf.attachments["okafor.txt"] = b"Okafor"
        element = pdf.make_indirect(Dictionary(S=Name.P, ActualText=String("Oka"), Alt=String("Okafor")))
        pdf.Root.StructTreeRoot = pdf.make_indirect(Dictionary(Type=Name.StructTreeRoot, K=element))
        pdf.pages[0].obj.PieceInfo = Dictionary(App=Dictionary(Private=String("Okafor")))
        pdf.pages[0].obj.Thumb = pdf.make_stream(b"Okafor")
        pdf.docinfo.Subject = String("Okafor")
        tree = pikepdf.NameTree.new(pdf)
        tree["js"] = Dictionary(S=Name.JavaScript, JS=String("x='Okafor'"))
        pdf.Root.Names.JavaScript = tree.obj

    before = papers.changed(drawn(lambda c: c.drawString(72, 700, LINE)), tell)
    assert papers.raw(before).count(b"Okafor") > 6
    for target in ("okafor", Area(1, 72, 695, 500, 20)):
        data = Pdf(before).redact(target).save()
        papers.check(data)
        if isinstance(target, str):
            gone(papers, data, "Okafor", "okafor")
            assert [title for title, _ in papers.outline(data)] == ["The case of █████", "Other"]
        assert "/StructTreeRoot" not in pikepdf.open(io.BytesIO(data)).Root
        assert "/Info" not in pikepdf.open(io.BytesIO(data)).trailer
    kept = Pdf(before).redact("okafor", keep_metadata=True, keep_attachments=True).save()
    pdf = papers.check(kept)
    assert str(pdf.docinfo.Subject) == "█████"
    assert pdf.attachments["okafor.txt"].get_file().read_bytes() == b"Okafor" if "okafor.txt" in pdf.attachments else True
    assert b"Okafor" not in pdf.Root.Metadata.read_bytes()


def test_names_of_destinations(papers: Any) -> None:
    def name(pdf: pikepdf.Pdf) -> None:
        goal = Array([pdf.pages[0].obj, Name.Fit])
        pdf.Root.Dests = pdf.make_indirect(Dictionary(Okafor=goal, Other=goal))
        tree = pikepdf.NameTree.new(pdf)
        for key in ("a", "okafor", "z"):
            tree[key] = goal
        pdf.Root.Names = Dictionary(Dests=tree.obj)
        links = [Dictionary(Subtype=Name.Link, Rect=[0, 0, 9, 9], Dest=dest) for dest in (Name.Okafor, String("okafor"))]
        pdf.pages[0].obj.Annots = Array([pdf.make_indirect(link) for link in links])

    data = Pdf(papers.changed(drawn(lambda c: c.drawString(72, 700, LINE)), name)).redact("okafor").save()
    pdf = papers.check(data)
    gone(papers, data, "Okafor", "okafor")
    assert set(pdf.Root.Dests.keys()) == {"/Other"}
    assert len(pikepdf.NameTree(pdf.Root.Names.Dests)) == 3


def test_soft_masks(papers: Any) -> None:
    def mask(pdf: pikepdf.Pdf) -> None:
        group = pdf.make_stream(
            b"1 g BT /F1 12 Tf 72 700 Td (see secret here) Tj ET",
            Type=Name.XObject,
            Subtype=Name.Form,
            BBox=[0, 0, 600, 800],
            Group=Dictionary(S=Name.Transparency, CS=Name.DeviceGray),
        )
        group.Resources = Dictionary(Font=pdf.pages[0].obj.Resources.Font)
        state = Dictionary(SMask=Dictionary(S=Name.Luminosity, G=group))
        pdf.pages[0].obj.Resources.ExtGState = Dictionary(G1=state)

    data = Pdf(papers.changed(written(b"/G1 gs 0 0 600 800 re f"), mask)).redact("secret").save()
    papers.check(data)
    raw = papers.raw(data)
    assert b"secret" not in raw
    assert b"(see )" in raw


def test_a_heading_that_an_area_takes_goes_from_the_outline(papers: Any) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.bookmarkPage("here")
        canvas.addOutlineEntry("Operation Nightfall", "here", 0)
        canvas.drawString(72, 700, "Operation Nightfall")

    data = Pdf(drawn(draw)).redact(Area(1, 70, 695, 200, 20)).save()
    papers.check(data)
    gone(papers, data, "Nightfall")


def test_hidden_layers_go_unless_they_are_kept(papers: Any) -> None:
    def layers(pdf: pikepdf.Pdf) -> None:
        group = pdf.make_indirect(Dictionary(Type=Name.OCG, Name=String("draft")))
        pdf.Root.OCProperties = Dictionary(OCGs=Array([group]), D=Dictionary(OFF=Array([group])))
        pdf.pages[0].obj.Resources.Properties = Dictionary(L1=group)

    content = b"BT /F1 12 Tf 72 700 Td (secret open) Tj ET /OC /L1 BDC BT /F1 12 Tf 72 500 Td (hidden) Tj ET 7 7 m 88 99 l S EMC"
    before = papers.changed(written(content), layers)
    data = Pdf(before).redact("secret").save()
    papers.check(data)
    gone(papers, data, "secret", "hidden")
    assert b"88 99 l" not in papers.raw(data)
    kept = Pdf(before).redact("secret", keep_hidden=True).save()
    papers.check(kept)
    assert b"hidden" in papers.raw(kept)


def test_patterns_that_show_text(papers: Any) -> None:
    def pattern(pdf: pikepdf.Pdf) -> None:
        tile = pdf.make_stream(
            b"BT /F1 12 Tf 0 0 Td (secret) Tj ET 0 0 3 3 re f",
            PatternType=1,
            PaintType=1,
            TilingType=1,
            BBox=[0, 0, 60, 20],
            XStep=60,
            YStep=20,
        )
        tile.Resources = Dictionary(Font=pdf.pages[0].obj.Resources.Font)
        pdf.pages[0].obj.Resources.Pattern = Dictionary(P1=tile)

    content = b"/Pattern cs /P1 scn 50 50 500 700 re f BT /F1 12 Tf 72 700 Td (secret open) Tj ET"
    data = Pdf(papers.changed(written(content), pattern)).redact("secret").save()
    papers.check(data)
    gone(papers, data, "secret")


def test_the_resources_of_other_pages_do_not_keep_what_is_gone(papers: Any) -> None:
    def share(pdf: pikepdf.Pdf) -> None:
        image = pikepdf.Stream(pdf, bytes(range(100)))
        image.Subtype, image.ColorSpace, image.Width, image.Height, image.BitsPerComponent = (
            Name.Image,
            Name.DeviceGray,
            10,
            10,
            8,
        )
        pdf.pages[0].obj.Resources.XObject = Dictionary(Im=image)
        shared = pdf.make_indirect(pdf.pages[0].obj.Resources)
        pdf.pages[0].obj.Resources = shared
        pdf.add_blank_page(page_size=(600, 800))
        pdf.pages[1].obj.Resources = shared
        pdf.pages[1].obj.Contents = pdf.make_stream(b"BT /F1 12 Tf 72 700 Td (other) Tj ET")

    before = papers.changed(written(b"q 50 0 0 50 100 100 cm /Im Do Q"), share)
    data = Pdf(before).redact(Area(1, 90, 90, 70, 70)).save()
    papers.check(data)
    assert bytes(range(20, 90)) not in papers.raw(data)
    there(papers, data, "other")


def test_the_place_is_painted(papers: Any) -> None:
    data = Pdf(drawn(lambda c: c.drawString(72, 700, LINE))).redact(Area(1, 100, 690, 50, 30), color="#ff0000").save()
    assert b"1.000 0.000 0.000 rg" in papers.raw(data)
    assert b"100.00 690.00 50.00 30.00 re f" in papers.raw(data)


@pytest.mark.parametrize(
    ("targets", "error", "told"),
    [
        ((), ValidationError, "needs an area"),
        ((" ",), ValidationError, "has letters"),
        (("nobody",), RedactionError, "'nobody' is on no page"),
        ((Area(9, 1, 1, 1, 1),), ValidationError, "page 9; the document has 1"),
    ],
)
def test_wrong_targets(papers: Any, targets: Any, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        Pdf(papers.make(["text"])).redact(*targets).save()
    with pytest.raises(ValidationError, match="width and a height"):
        Area(1, 0, 0, 0, 5)
    with pytest.raises(ValidationError, match="color"):
        Pdf(papers.make()).redact("first", color="black")


def test_what_would_remain_is_an_error_and_no_document(papers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from brickwork.documents.packaging.redaction import content

    monkeypatch.setattr(content, "touches", lambda *_, **__: False)  # a fault of ours: nothing is taken out
    for target in ("okafor", Area(1, 70, 690, 400, 30)):
        with pytest.raises(RedactionError, match="page 1 can't be redacted"):
            Pdf(drawn(lambda c: c.drawString(72, 700, LINE))).redact(target).save()


def test_a_page_without_resources(papers: Any) -> None:
    def strip(pdf: pikepdf.Pdf) -> None:
        del pdf.pages[0].obj["/Resources"]
        pdf.pages[0].obj.Contents = pdf.make_stream(b"100 100 m 103 111 l S")

    data = Pdf(papers.changed(papers.make(["x"]), strip)).redact(Area(1, 95, 95, 30, 30)).save()
    papers.check(data)
    assert b"103 111" not in papers.raw(data)


def test_the_same_redaction_gives_the_same_bytes(papers: Any) -> None:
    redacted = Pdf(drawn(lambda c: c.drawString(72, 700, LINE))).redact("okafor")
    assert redacted.save() == redacted.save()
