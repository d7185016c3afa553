"""Files that are broken, locked or made to harm end in an error that says what is wrong, and in little time."""

import io
import random
import zlib
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name

from brickwork.documents.packaging import Limits, Pdf, merge
from brickwork.errors import BrickworkError, DocumentPasswordError, DocumentUnreadableError, TooLargeError


@pytest.mark.parametrize("data", [b"", b"no pdf", b"%PDF-1.7\n%%EOF", b"\x89PNG\r\n", b"%PDF-1.7\n" + b"\x00" * 5000])
def test_what_is_no_pdf(data: bytes) -> None:
    for packet in (merge([data]), Pdf(io.BytesIO(data)).rotate(90)):
        with pytest.raises(DocumentUnreadableError, match="document"):
            packet.save()


def test_the_file_that_is_wrong_is_named(papers: Any, tmp_path: Path) -> None:
    (tmp_path / "annex.pdf").write_bytes(b"nothing")
    with pytest.raises(DocumentUnreadableError, match=r"annex\.pdf is not a PDF"):
        merge([papers.make(), tmp_path / "annex.pdf"]).save()
    with pytest.raises(DocumentUnreadableError, match=r"lost\.pdf: there is no such file"):
        merge([papers.make(), tmp_path / "lost.pdf"]).save()
    with pytest.raises(DocumentUnreadableError, match="document 2"):
        merge([papers.make(), b"nothing"]).save()


def test_a_truncated_file_is_repaired_and_told_or_refused(papers: Any) -> None:
    whole = papers.make(["text"] * 5)
    repaired = refused = 0
    for cut in range(50, len(whole) - 20, 97):
        try:
            built = merge([papers.make(["good"]), whole[:cut]]).build()
        except DocumentUnreadableError:
            refused += 1
        else:
            repaired += 1
            assert "repaired" in [note.code for note in built.notes]
            papers.check(built.data)
    assert repaired
    assert refused


def test_passwords(papers: Any) -> None:
    locked = Pdf(papers.make()).encrypt(owner_password="own", user_password="geheim").save()
    with pytest.raises(DocumentPasswordError, match="encrypted and needs a password"):
        merge([locked]).save()
    with pytest.raises(DocumentPasswordError, match="password is wrong") as caught:
        Pdf(locked, password="falsch").save()
    assert "falsch" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert Pdf(locked, password="own").build().pages == 3


def test_limits(papers: Any) -> None:
    with pytest.raises(TooLargeError, match="more than 2 pages"):
        Pdf(papers.make(), limits=Limits(pages=2)).save()
    with pytest.raises(TooLargeError, match="100 are allowed"):
        merge([papers.make()], limits=Limits(bytes=100)).save()


def raw_pdf(objects: list[bytes]) -> bytes:
    """A file of these objects, the first of which is the catalogue."""
    out, places = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
    return out + b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, start)


CATALOGUE = b"<< /Type /Catalog /Pages 2 0 R >>"
PAGE = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>"


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("objects", "error"),
    [
        ([CATALOGUE, b"<< /Type /Pages /Kids [] /Count 0 >>"], DocumentUnreadableError),
        ([CATALOGUE, b"<< /Type /Pages /Kids [2 0 R] /Count 1 >>"], DocumentUnreadableError),
        ([CATALOGUE, b"<< /Type /Pages /Kids [3 0 R] >>", b"<< /Type /Pages /Kids [2 0 R] >>"], DocumentUnreadableError),
        ([CATALOGUE, b"<< /Type /Pages /Kids [" + b"3 0 R " * 200_000 + b"] >>", PAGE], TooLargeError),
        ([CATALOGUE, b"<< /Kids [" + b"3 0 R " * 10 + b"] >>"]
         + [b"<< /Kids [" + b"%d 0 R " % n * 10 + b"] >>" for n in range(4, 12)] + [PAGE], DocumentUnreadableError),
        ([b"<< /Type /Catalog >>"], DocumentUnreadableError),
        ([b"[]"], DocumentUnreadableError),
        ([CATALOGUE, b"<< /Type /Pages /Kids 7 /Count 1 >>"], DocumentUnreadableError),
    ],
    ids=["no pages", "circle", "long circle", "200,000 times one page", "ten to the ninth", "no tree", "no catalogue", "no kids"],
)  # fmt: skip
def test_page_trees(objects: list[bytes], error: type[BrickworkError]) -> None:
    with pytest.raises(error):
        merge([raw_pdf(objects)]).save()


def test_a_claimed_number_of_pages_is_not_believed(papers: Any) -> None:
    data = raw_pdf([CATALOGUE, b"<< /Type /Pages /Kids [3 0 R] /Count 1000000000 >>", PAGE])
    pdf = papers.check(merge([data]).save())
    assert (len(pdf.pages), int(pdf.Root.Pages.Count)) == (1, 1)


@pytest.mark.timeout(60)
def test_a_stream_that_unpacks_to_more_than_a_machine_has_is_not_unpacked(papers: Any) -> None:
    bomb = zlib.compressobj(9)
    packed = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(700)) + bomb.flush()

    def add(pdf: pikepdf.Pdf) -> None:
        pdf.pages[0].obj.Contents = pikepdf.Stream(pdf, packed, Filter=Name.FlateDecode)

    armed = papers.changed(papers.make(["x"]), add)
    assert len(armed) < 1_000_000
    merged = merge([armed, papers.make(["y"])]).number().save()
    assert len(merged) < 1_000_000
    with pytest.raises(DocumentUnreadableError):
        Pdf(armed).redact("x", missing_ok=True).save()


@pytest.mark.timeout(60)
def test_forms_that_draw_forms_that_draw_forms(papers: Any) -> None:
    def double(pdf: pikepdf.Pdf) -> None:
        form = pdf.make_stream(b"0 0 1 1 re f", Subtype=Name.Form, BBox=[0, 0, 600, 800], Resources=Dictionary())
        for _ in range(18):
            resources = Dictionary(XObject=Dictionary(X=form))
            form = pdf.make_stream(b"/X Do " * 8, Subtype=Name.Form, BBox=[0, 0, 600, 800], Resources=resources)
        pdf.pages[0].obj.Resources = Dictionary(XObject=Dictionary(X=form))
        pdf.pages[0].obj.Contents = pdf.make_stream(b"/X Do")

    with pytest.raises(TooLargeError, match="20,000 forms"):
        Pdf(papers.changed(papers.make(["x"]), double)).redact("x", missing_ok=True).save()


def test_outlines_and_names_of_nonsense(papers: Any) -> None:
    def muddle(pdf: pikepdf.Pdf) -> None:
        first = pdf.Root.Outlines.First
        first.Dest = Array([])
        first.Next.Dest = 7
        first.Next.Title = 9
        first.Next.Next.A = Name.Nothing
        first.Next.Next.Next = Name.Nothing
        pdf.Root.Names = Dictionary(Dests=5, EmbeddedFiles=Array([1]))
        pdf.Root.PageLabels = Dictionary(Nums=Array([0, 5, 1, Dictionary(St=Name.x)]))
        pdf.pages[0].obj.Annots = Array([3, Dictionary(Subtype=Name.Link, A=4), Dictionary(Subtype=Name.Link, Dest=Array([0]))])

    muddled = papers.changed(papers.make(), muddle)
    for packet in (merge([muddled, papers.make()]), Pdf(muddled).select("3,1")):
        assert papers.check(packet.save()).pages
    assert Pdf(muddled).sanitize().contents().build().pages == 4


@pytest.mark.timeout(120)
def test_bytes_changed_at_random_give_a_document_or_an_error_that_is_ours(papers: Any) -> None:
    rnd = random.Random(7)
    with pikepdf.open(io.BytesIO(papers.make(["some text", "and more"]))) as pdf:
        out = io.BytesIO()
        pdf.save(out, compress_streams=False, stream_decode_level=pikepdf.StreamDecodeLevel.specialized)
    whole, made = out.getvalue(), 0
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(rnd.choice([1, 4, 16])):
            at = rnd.randrange(len(data))
            data[at : at + rnd.randrange(3)] = bytes(rnd.choices(b"0123456789[]<>()/ Rfn\x00\xff-.", k=rnd.randrange(3)))
        broken = bytes(data)
        for packet in (
            merge([papers.make(["x"]), broken]).number(),
            Pdf(broken).select("1").cover(papers.make(["x"])),
            Pdf(broken).redact("text", missing_ok=True),
        ):
            try:
                made += packet.build().pages > 0
            except BrickworkError:
                continue
    assert made > 100
