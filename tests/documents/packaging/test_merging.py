"""Merging keeps what documents hold: outlines, links, names, labels, forms, layers, attachments."""

import io
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name, String
from pypdf import PdfReader

from brickwork.documents.packaging import Pdf, merge, read_attachments
from brickwork.errors import ValidationError


def test_outlines_are_kept_under_a_title_a_file(papers: Any, tmp_path: Path) -> None:
    (tmp_path / "exhibit-b.pdf").write_bytes(papers.make(["b1"]))
    packet = merge(
        [
            Pdf(papers.make(["a1", "a2"]), title="Exhibit A"),
            tmp_path / "exhibit-b.pdf",
            io.BytesIO(papers.make(["c1"], title="Deed of 1999", bookmarks=False)),
            papers.make(["d1"]),
        ]
    ).save()
    papers.check(packet)
    assert papers.outline(packet) == [
        ("Exhibit A", 1),
        [("Section 1", 1), ("Section 2", 2)],
        ("exhibit-b.pdf", 3),
        [("Section 1", 3)],
        ("Deed of 1999", 4),
        ("document 4", 5),
        [("Section 1", 5)],
    ]
    assert papers.texts(packet) == ["a1", "a2", "b1", "c1", "d1"]


def test_without_bookmarks_the_entries_follow_each_other(papers: Any) -> None:
    packet = merge([papers.make(["a", "b"]), papers.make(["c"])], bookmarks=False).save()
    papers.check(packet)
    assert papers.outline(packet) == [("Section 1", 1), ("Section 2", 2), ("Section 1", 3)]


def test_the_same_files_give_the_same_bytes(papers: Any) -> None:
    packet = merge([papers.make(), papers.make(["x"])]).number().watermark("COPY").contents()
    assert packet.save() == packet.save()


def named(kind: str) -> Any:
    """Gives a document a named destination "target" on its last page, a link to it, and one from the outline."""

    def change(pdf: pikepdf.Pdf) -> None:
        last = pdf.pages[-1].obj
        goal = Array([last, Name.Fit])
        if kind == "string":
            tree = pikepdf.NameTree.new(pdf)
            tree["target"] = goal
            pdf.Root.Names = Dictionary(Dests=tree.obj)
        else:
            pdf.Root.Dests = pdf.make_indirect(Dictionary(target=goal))
        name = String("target") if kind == "string" else Name.target
        action = Dictionary(S=Name.GoTo, D=name)
        link = Dictionary(Type=Name.Annot, Subtype=Name.Link, Rect=[0, 0, 9, 9], A=action)
        pdf.pages[0].obj.Annots = Array([pdf.make_indirect(link)])
        with pdf.open_outline() as outline:
            outline.root[:] = [pikepdf.OutlineItem("to the end", name)]

    return change


@pytest.mark.parametrize("kind", ["string", "name"])
def test_named_destinations_of_each_file_lead_to_its_own_pages(papers: Any, kind: str) -> None:
    one = papers.changed(papers.make(["a", "b"]), named(kind))
    packet = merge([one, one, one])
    data = packet.save()
    pdf = papers.check(data)
    assert papers.outline(data) == [
        ("document 1", 1),
        [("to the end", 2)],
        ("document 2", 3),
        [("to the end", 4)],
        ("document 3", 5),
        [("to the end", 6)],
    ]
    names = pikepdf.NameTree(pdf.Root.Names.Dests) if kind == "string" else pdf.Root.Dests
    for n in (0, 2, 4):
        target = pdf.pages[n].obj.Annots[0].A.D
        value = names[str(target)]
        assert value[0].objgen == pdf.pages[n + 1].obj.objgen


def test_links_between_pages_go_on_to_lead_there(papers: Any) -> None:
    def change(pdf: pikepdf.Pdf) -> None:
        for n, page in enumerate(pdf.pages):
            goal = Array([pdf.pages[(n + 1) % 3].obj, Name.Fit])
            page.obj.Annots = Array(
                [pdf.make_indirect(Dictionary(Type=Name.Annot, Subtype=Name.Link, Rect=[0, 0, 9, 9], Dest=goal))]
            )

    data = merge([papers.changed(papers.make(), change)] * 2).save()
    pdf = papers.check(data)
    goals = [pdf.pages.index(page.obj.Annots[0].Dest[0]) for page in pdf.pages]
    assert goals == [1, 2, 0, 4, 5, 3]


def test_links_to_pages_that_are_left_out_are_gone_and_told(papers: Any) -> None:
    built = Pdf(papers.changed(papers.make(), named("string"))).select("1").build()
    pdf = papers.check(built.data)
    assert len(pdf.pages[0].obj.get("/Annots", [])) == 0
    assert papers.outline(built.data) == []
    assert [note.code for note in built.notes] == ["links_removed"]
    assert b"third" not in papers.raw(built.data)


def test_page_labels_are_kept(papers: Any) -> None:
    def roman(pdf: pikepdf.Pdf) -> None:
        pdf.Root.PageLabels = Dictionary(Nums=Array([0, Dictionary(S=Name.r), 2, Dictionary(S=Name.D, P=String("A-"), St=7)]))

    one, plain = papers.changed(papers.make(), roman), papers.make(["x", "y"])
    pdf = papers.check(merge([plain, one]).save())
    assert [page.label for page in pdf.pages] == ["1", "2", "i", "ii", "A-7"]
    pdf = papers.check(Pdf(one).select("3,1").save())
    assert [page.label for page in pdf.pages] == ["A-7", "i"]


def form(value: str) -> bytes:
    from reportlab.pdfgen.canvas import Canvas

    buffer = io.BytesIO()
    canvas = Canvas(buffer, invariant=1)
    canvas.acroForm.textfield(name="surname", value=value, x=100, y=700, width=200)
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def test_form_fields_that_clash_get_names_of_their_own(papers: Any) -> None:
    built = merge([form("Okafor"), form("Ito"), papers.make(["plain"])]).build()
    papers.check(built.data)
    fields = PdfReader(io.BytesIO(built.data)).get_fields() or {}
    assert sorted(field["/V"] for field in fields.values()) == ["Ito", "Okafor"]
    assert "surname" in fields
    assert [(note.code, note.source) for note in built.notes] == [("field_renamed", "document 2")]
    assert papers.texts(built.data)[2] == "plain"


def test_attachments_are_kept(papers: Any) -> None:
    one = Pdf(papers.make(["a"])).attach("note.txt", b"one", "text/plain").save()
    two = Pdf(papers.make(["b"])).attach("note.txt", b"two", "text/plain").save()
    built = merge([one, two]).build()
    pdf = papers.check(built.data)
    assert read_attachments(built.data) == {"note.txt": b"one", "note (2).txt": b"two"}
    assert [note.code for note in built.notes] == ["attachment_renamed"]
    assert len(pdf.Root.AF) == 2


def test_hidden_layers_stay_hidden(papers: Any) -> None:
    def layer(pdf: pikepdf.Pdf) -> None:
        group = pdf.make_indirect(Dictionary(Type=Name.OCG, Name=String("draft")))
        pdf.Root.OCProperties = Dictionary(OCGs=Array([group]), D=Dictionary(OFF=Array([group]), Order=Array([group])))
        page = pdf.pages[0]
        page.obj.Resources.Properties = Dictionary(L1=group)
        page.contents_add(b"/OC /L1 BDC q 0 0 9 9 re f Q EMC")

    pdf = papers.check(merge([papers.make(["plain"]), papers.changed(papers.make(["a"]), layer), papers.make(["z"])]).save())
    assert [str(group.Name) for group in pdf.Root.OCProperties.D.OFF] == ["draft"]
    assert len(pdf.pages) == 3


def test_page_sizes_rotation_and_what_pages_inherit_are_kept(papers: Any) -> None:
    def inherit(pdf: pikepdf.Pdf) -> None:
        tree = pdf.Root.Pages
        for key in ("/MediaBox", "/Resources"):
            tree[key] = pdf.pages[0].obj[key]
        tree.Rotate = 90
        for page in pdf.pages:
            for key in ("/MediaBox", "/Resources", "/Rotate"):
                if key in page.obj:
                    del page.obj[key]

    one = papers.make(["wide"], size=(800, 400))
    odd = pikepdf.open(io.BytesIO(papers.make(["a", "b"], size=(300, 500))), inherit_page_attributes=False)
    inherit(odd)
    out = io.BytesIO()
    odd.save(out)
    for packet in (merge([one, out.getvalue()]), merge([one, form("x"), out.getvalue()]).drop("2")):
        data = packet.number("{page}").save()
        pdf = papers.check(data)
        boxes = [[int(v) for v in page.mediabox.as_list()] for page in pdf.pages]
        assert boxes == [[0, 0, 800, 400], [0, 0, 300, 500], [0, 0, 300, 500]]
        assert [page.rotation for page in pdf.pages] == [0, 90, 90]
        assert [text.split() for text in papers.texts(data)] == [["wide", "1"], ["a", "2"], ["b", "3"]]


def test_the_metadata_is_the_first_files_unless_it_is_set(papers: Any) -> None:
    two = [papers.make(["a"], title="First"), papers.make(["b"], title="Second")]
    assert str(papers.check(merge(two).save()).docinfo.Title) == "First"
    pdf = papers.check(merge(two).metadata(title="Bündel", author="Ito", language="de").save())
    assert (str(pdf.docinfo.Title), str(pdf.docinfo.Author), str(pdf.Root.Lang)) == ("Bündel", "Ito", "de")


def test_a_packet_is_a_source_as_well(papers: Any) -> None:
    annex = merge([papers.make(["x", "y"]), papers.make(["z"])]).select("3,1")
    data = merge([papers.make(["a"]), Pdf(annex, title="Annex"), annex]).save()
    papers.check(data)
    assert papers.texts(data) == ["a", "z", "x", "z", "x"]
    assert [entry for entry in papers.outline(data) if isinstance(entry, tuple)][1] == ("Annex", 2)


def test_signatures_are_dropped_and_told(papers: Any) -> None:
    def sign(pdf: pikepdf.Pdf) -> None:
        value = pdf.make_indirect(Dictionary(Type=Name.Sig, Filter=Name("/Adobe.PPKLite"), Contents=String("x" * 20)))
        field = pdf.make_indirect(
            Dictionary(Type=Name.Annot, Subtype=Name.Widget, FT=Name.Sig, T=String("sig"), V=value, Rect=[0, 0, 0, 0])
        )
        pdf.pages[0].obj.Annots = Array([field])
        pdf.Root.AcroForm = pdf.make_indirect(Dictionary(Fields=Array([field]), SigFlags=3))

    signed = papers.changed(papers.make(["a"]), sign)
    for packet in (merge([signed, papers.make(["b"])]), Pdf(signed).rotate(90)):
        built = packet.build()
        pdf = papers.check(built.data)
        assert [note.code for note in built.notes] == ["signature_lost"]
        assert b"PPKLite" not in papers.raw(built.data)
        assert [f for f in pdf.acroform.fields if f.field_type == "/Sig"] == []


def test_cyclic_outlines_end(papers: Any) -> None:
    def circle(pdf: pikepdf.Pdf) -> None:
        first = pdf.Root.Outlines.First
        first.Next.Next.Next = first
        first.First = first.Next
        first.Last = first.Next

    broken = papers.changed(papers.make(), circle)
    data = merge([broken, papers.make(["x"])]).contents().save()
    pdf = papers.check(data)
    seen, pending = set(), [pdf.Root.Outlines]
    while pending:
        item = pending.pop()
        assert item.objgen not in seen
        seen.add(item.objgen)
        pending += [item[key] for key in ("/First", "/Next") if key in item]
    assert len(seen) == 1 + 1 + 2 + 3 + 1  # root, contents, two titles, entries


def test_nothing_to_merge() -> None:
    with pytest.raises(ValidationError, match="at least one"):
        merge([])
