"""Selecting and turning pages, marks on them, contents, cover, encryption, and other makers' readers that see the same."""

import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import pikepdf
import pytest
import reportlab
from pikepdf import Dictionary, Name, String

from brickwork.documents.packaging import Cover, Pdf, Permissions, Style, merge
from brickwork.documents.packaging.selection import pages_of
from brickwork.errors import ValidationError

VERA = Path(reportlab.__file__).parent / "fonts" / "Vera.ttf"


@pytest.mark.parametrize(
    ("selection", "pages"),
    [
        ("1", [1]),
        ("1-3,7", [1, 2, 3, 7]),
        ("z-8", [10, 9, 8]),
        ("2-", [2, 3, 4, 5, 6, 7, 8, 9, 10]),
        ("-3", [1, 2, 3]),
        ("r1,r3", [10, 8]),
        ("3,3", [3, 3]),
        ("1-z:odd", [1, 3, 5, 7, 9]),
        ("5-2:even", [4, 2]),
        (" 1 - 2 ", [1, 2]),
    ],
)
def test_selections(selection: str, pages: list[int]) -> None:
    assert [page + 1 for page in pages_of(selection, 10)] == pages


@pytest.mark.parametrize(
    "selection", ["", "0", "11", "r11", "a", "1-2-3", "1;2", "-", "1-z:third", "1:even", ",", "1,,2", "-1-3", "１"]
)
def test_wrong_selections(selection: str) -> None:
    with pytest.raises(ValidationError, match="pages "):
        pages_of(selection, 10)


def test_select_reorder_drop_and_split(papers: Any) -> None:
    five = Pdf(papers.make(["1", "2", "3", "4", "5"]))
    assert papers.texts(five.select("4-2,1").save()) == ["4", "3", "2", "1"]
    assert papers.texts(five.drop("2-4").save()) == ["1", "5"]
    assert papers.texts(five.reorder([5, 1, 4, 2, 3]).save()) == ["5", "1", "4", "2", "3"]
    assert [papers.texts(part.save()) for part in five.split("1-2", "5")] == [["1", "2"], ["5"]]
    assert [papers.texts(part.save()) for part in five.split(every=2)] == [["1", "2"], ["3", "4"], ["5"]]
    twice = five.select("1,1").number("n{page}").save()
    papers.check(twice)
    assert [text.split() for text in papers.texts(twice)] == [["1", "n1"], ["1", "n2"]]


def test_what_only_other_pages_had_is_left_out(papers: Any) -> None:
    def share(pdf: pikepdf.Pdf) -> None:
        image = pikepdf.Stream(pdf, bytes(range(100)))
        image.Subtype, image.ColorSpace, image.Width, image.Height, image.BitsPerComponent = (
            Name.Image,
            Name.DeviceGray,
            10,
            10,
            8,
        )
        resources = pdf.pages[0].obj.Resources
        resources.XObject = Dictionary(Im=image)
        for page in pdf.pages:
            page.obj.Resources = pdf.make_indirect(resources)
        pdf.pages[1].contents_add(b" q 50 0 0 50 100 100 cm /Im Do Q")

    shared = papers.changed(papers.make(["one", "two"]), share)
    assert bytes(range(20, 90)) in papers.raw(Pdf(shared).select("2").save())
    data = Pdf(shared).select("1").save()
    papers.check(data)
    assert bytes(range(20, 90)) not in papers.raw(data)
    assert b"two" not in papers.raw(data)
    assert papers.texts(data) == ["one"]


def test_bookmarks_follow_their_pages(papers: Any) -> None:
    data = merge([Pdf(papers.make(["a", "b", "c"]), title="A"), Pdf(papers.make(["d"]), title="B")]).select("4,3").save()
    papers.check(data)
    assert papers.outline(data) == [("A", 1), [("Section 3", 2)], ("B", 1), [("Section 1", 1)]]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda pdf: pdf.reorder([1, 1, 2]).save(), "each page from 1 to 3 once"),
        (lambda pdf: pdf.drop("1-z").save(), "all pages"),
        (lambda pdf: pdf.select("4").save(), "no page 4; the document has 3"),
        (lambda pdf: pdf.rotate(45), "multiple of 90"),
        (lambda pdf: pdf.split(), "split needs"),
        (lambda pdf: pdf.split(every=0), "split needs"),
        (lambda pdf: pdf.number("{pagina}"), "not a page number"),
        (lambda pdf: pdf.number("{page.__class__}"), "names"),
        (lambda pdf: pdf.number("{page"), "not a page number"),
        (lambda pdf: pdf.number("{}"), "not a page number"),
        (lambda pdf: pdf.stamp("x", position="middle"), "none of top-left"),
        (lambda pdf: pdf.stamp("日本").save(), "lacks '日本'"),
        (lambda pdf: pdf.stamp("x", style=Style(color="red-ish")).save(), "is not one such as"),
        (lambda pdf: pdf.stamp("x", style=Style(font="/no/such.ttf")).save(), "no TrueType font"),
        (lambda pdf: pdf.watermark("x", opacity=0), "opacity"),
        (lambda pdf: pdf.contents(before=9).save(), "pages 1 to 3"),
        (lambda pdf: pdf.encrypt(owner_password=""), "empty owner password"),
        (lambda pdf: pdf.encrypt(owner_password="same", user_password="same"), "owner password is the user's"),
        (lambda pdf: pdf.encrypt(owner_password="x" * 128), "at most 127 bytes"),
    ],
)
def test_wrong_arguments_are_told(papers: Any, wrong: Any, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        wrong(Pdf(papers.make()))


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_marks_are_upright_and_in_place_on_turned_and_cropped_pages(papers: Any, turn: int) -> None:
    def shape(pdf: pikepdf.Pdf) -> None:
        pdf.pages[0].obj.MediaBox = [-50, -20, 400, 600]
        pdf.pages[0].obj.CropBox = [0, 100, 300, 500]

    data = Pdf(papers.changed(papers.make(["x"]), shape)).rotate(turn).number("N{page}", position="bottom-right").save()
    papers.check(data)
    x, y = where(data, "N1")
    wide, high = (300, 400) if turn % 180 == 0 else (400, 300)
    assert wide - 60 < x < wide - 25
    assert high - 40 < y < high - 25  # from the top


def where(data: bytes, word: str) -> tuple[float, float]:
    """Where a word starts, from the top left corner of the page as it is shown."""
    from brickwork.documents.packaging.frames import Frame, apply, inverse
    from brickwork.documents.packaging.redaction import _look

    with pikepdf.open(io.BytesIO(data)) as pdf:
        page = pdf.pages[0]
        frame = Frame.of(page)
        back = inverse(frame.matrix)
        assert back is not None
        glyphs = [g for g in _look(pdf, page.obj, page.obj.Resources).glyphs if g.text == word[0]]
        x, y = apply(back, glyphs[-1].x, glyphs[-1].y)
        along = glyphs[-1].along
        dx, dy = along[0] * back[0] + along[1] * back[2], along[0] * back[1] + along[1] * back[3]
        assert (round(dx, 3), round(dy, 3)) == (1, 0), "upright"
        return x, frame.height - y


def test_numbers(papers: Any) -> None:
    numbered = Pdf(papers.make(["a", "b", "c"])).number("EX-{page:06} of {pages}", start=41, pages="2-").save()
    pdf = papers.check(numbered)
    assert [text.split("\n") for text in papers.texts(numbered)] == [["a"], ["b", "EX-000041 of 42"], ["c", "EX-000042 of 42"]]
    assert len(pdf.pages[1].obj.Resources.XObject) == 1


def test_a_mark_that_is_the_same_is_stored_once(papers: Any) -> None:
    plain, marked = papers.make(["x"] * 50), Pdf(papers.make(["x"] * 50)).watermark("DRAFT").stamp("COPY").save()
    pdf = papers.check(marked)
    assert len(marked) < len(plain) + 12_000
    forms = {form.objgen for page in pdf.pages for form in page.obj.Resources.XObject.values()}
    assert len(forms) == 2
    assert all("DRAFT" in text and "COPY" in text for text in papers.texts(marked))


def test_letters_beyond_latin_with_a_font(papers: Any) -> None:
    data = Pdf(papers.make(["x"])).stamp("π ≠ ∞", style=Style(font=VERA)).save()
    papers.check(data)
    assert "π ≠ ∞" in papers.texts(data)[0]


@pytest.mark.parametrize("under", [True, False])
def test_overlay(papers: Any, under: bool) -> None:
    letterhead = papers.make(["LETTERHEAD"], size=(300, 400))
    data = Pdf(papers.make(["text", "more"])).rotate(90, "2").overlay(letterhead, under=under).save()
    pdf = papers.check(data)
    assert all("LETTERHEAD" in text for text in papers.texts(data))
    content = pdf.pages[0].obj.Contents
    streams = [s.read_bytes() for s in content]
    assert (b"Do" in streams[0]) is under


def test_content_that_leaves_the_graphics_state_open_does_not_move_marks(papers: Any) -> None:
    def scale(pdf: pikepdf.Pdf) -> None:
        pdf.pages[0].contents_add(b"3 0 0 3 50 50 cm", prepend=True)

    x, y = where(Pdf(papers.changed(papers.make(["x"]), scale)).number("N{page}", position="top-left").save(), "N1")
    assert (round(x), round(y)) == (28, 35)


def test_contents_tell_the_pages_and_lead_there(papers: Any) -> None:
    parts = [Pdf(papers.make(["a1", "a2"]), title="Statement of claim"), Pdf(papers.make(["b1"]), title="Exhibit B")]
    data = merge(parts).number().contents("Contents").cover(Cover("Bundle", "Okafor v. Ito", ["12/345"])).save()
    pdf = papers.check(data)
    assert [page.label for page in pdf.pages] == ["Cover", "i", "1", "2", "3"]
    lines = [line.replace(".", "").split() for line in papers.texts(data)[1].split("\n") if any(c.isalnum() for c in line)]
    words = [word for line in lines for word in line]
    assert words[0] == "Contents"
    assert [words[words.index("Statement") + 3], words[words.index("Exhibit") + 2]] == ["1", "3"]
    goals = [pdf.pages.index(link.Dest[0]) + 1 for link in pdf.pages[1].obj.Annots]
    assert goals == [3, 3, 4, 5, 5]
    assert papers.outline(data)[0] == ("Contents", 2)
    assert "Okafor v. Ito" in papers.texts(data)[0]
    assert "Page 3 of 3" in papers.texts(data)[4]


def test_long_contents_go_over_pages_and_long_titles_over_lines(papers: Any) -> None:
    titles = [f"{n}. " + "a title that goes on and on " * (1 + n % 5) for n in range(60)]
    data = (
        merge([Pdf(papers.make([f"text {n}"], bookmarks=False), title=title) for n, title in enumerate(titles)]).contents().save()
    )
    pdf = papers.check(data)
    before = len(pdf.pages) - 60
    assert before > 2
    links = [(n, link) for n in range(before) for link in pdf.pages[n].obj.Annots]
    assert [pdf.pages.index(link.Dest[0]) for _, link in links] == list(range(before, before + 60))
    for n in range(before):
        boxes = [[float(v) for v in link.Rect] for m, link in links if m == n]
        assert all(box[1] > 50 for box in boxes)
        assert all(upper[1] >= lower[3] - 1 for upper, lower in pairwise(boxes))


def test_contents_need_an_outline(papers: Any) -> None:
    with pytest.raises(ValidationError, match="no outline"):
        Pdf(papers.make(bookmarks=False)).contents().save()


def test_a_pdf_as_cover_leaves_the_documents_metadata(papers: Any) -> None:
    data = Pdf(papers.make(["a"], title="The deed")).cover(papers.make(["front"], title="A cover", bookmarks=False)).save()
    pdf = papers.check(data)
    assert papers.texts(data) == ["front", "a"]
    assert str(pdf.docinfo.Title) == "The deed"
    assert papers.outline(data) == [("Section 1", 2)]


def test_encryption(papers: Any) -> None:
    locked = Pdf(papers.make(["for your eyes"])).encrypt(
        user_password="open", owner_password="own", permissions=Permissions(print=False, copy=False)
    )
    data = locked.save()
    pdf = papers.check(data, "open")
    assert (pdf.encryption.R, pdf.encryption.bits) == (6, 256)
    assert not pdf.allow.print_highres
    assert not pdf.allow.extract
    assert pdf.allow.accessibility
    assert papers.check(data, "own").owner_password_matched
    assert b"for your eyes" not in data
    assert "open" not in repr(locked._plan.encryption)
    again = merge([Pdf(data, password="open")]).build()
    assert papers.texts(again.data) == ["for your eyes"]
    assert [note.code for note in again.notes] == ["encryption_removed"]


def test_parts_of_a_split_are_encrypted_like_the_whole(papers: Any) -> None:
    for part in Pdf(papers.make(["a", "b"])).encrypt(owner_password="own", user_password="u").split(every=1):
        assert papers.check(part.save(), "u").is_encrypted


def test_sanitize_removes_what_acts(papers: Any) -> None:
    def arm(pdf: pikepdf.Pdf) -> None:
        pdf.Root.OpenAction = Dictionary(S=Name.JavaScript, JS=String("app.alert('boo')"))
        link = Dictionary(Type=Name.Annot, Subtype=Name.Link, Rect=[0, 0, 9, 9])
        link.A = Dictionary(S=Name.Launch, F=String("calc.exe"), Next=Dictionary(S=Name.URI, URI=String("http://evil.test")))
        pdf.pages[0].obj.Annots = [pdf.make_indirect(link)]
        pdf.pages[0].obj.AA = Dictionary(O=Dictionary(S=Name.SubmitForm, F=String("http://evil.test/form")))
        tree = pikepdf.NameTree.new(pdf)
        tree["x"] = Dictionary(S=Name.JavaScript, JS=String("app.alert('named')"))
        pdf.Root.Names = Dictionary(JavaScript=tree.obj)

    armed = papers.changed(papers.make(["x"]), arm)
    assert b"calc.exe" in papers.raw(armed)
    data = Pdf(armed).attach("a.exe", b"MZ").sanitize().save()
    papers.check(data)
    raw = papers.raw(data)
    assert not [word for word in (b"app.alert", b"calc.exe", b"evil.test", b"a.exe", b"MZ") if word in raw]
    assert papers.texts(data) == ["x"]


def test_a_value_may_be_used_again_and_streams_are_read_once(papers: Any) -> None:
    whole = Pdf(io.BytesIO(papers.make(["a", "b"])))
    assert papers.texts(whole.select("1").save()) == ["a"]
    assert papers.texts(whole.select("2").save()) == ["b"]
    out = io.BytesIO()
    whole.write(out)
    assert papers.texts(out.getvalue()) == ["a", "b"]
    with pytest.raises(ValidationError):
        whole.select("9").write(out)
    assert papers.texts(out.getvalue()) == ["a", "b"]
