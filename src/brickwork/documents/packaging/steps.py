"""What the steps of a `Pdf` do to the document in the works."""

import io
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from brickwork.documents.packaging import drawing
from brickwork.documents.packaging.attachments import Relationship, attach, make_portfolio
from brickwork.documents.packaging.contents import Cover, add_contents
from brickwork.documents.packaging.drawing import Style
from brickwork.documents.packaging.frames import Frame
from brickwork.documents.packaging.labels import Label, read_labels, write_labels
from brickwork.documents.packaging.library import library
from brickwork.documents.packaging.manifest import Entry, Files
from brickwork.documents.packaging.merging import Assembly, drop_signatures
from brickwork.documents.packaging.notes import Note
from brickwork.documents.packaging.redaction import Redaction
from brickwork.documents.packaging.saving import Encryption
from brickwork.documents.packaging.selection import pages_of
from brickwork.documents.packaging.sources import Content, Limits
from brickwork.errors import DocumentUnreadableError, ValidationError

if TYPE_CHECKING:
    from brickwork.documents.packaging.pdf import _Plan


#: What programs write where nobody gave a title.
_NO_TITLES = {"untitled", "Untitled", "(anonymous)"}


@attrs.define
class Work:
    """The document in the works, what it is called in messages, and the notes so far."""

    pdf: Any
    name: str
    notes: list[Note] = attrs.field(factory=list)
    #: The files that it was made of.
    opened: list[Any] = attrs.field(factory=list)

    def check(self, data: bytes, encryption: Encryption | None) -> None:
        """Read the finished document again if one of its files had to be repaired; raises `DocumentUnreadableError`."""
        repaired = [warning for pdf in self.opened for warning in pdf.get_warnings()]
        if not repaired:
            return
        self.notes.append(Note("repaired", self.name, f"a file was damaged and repaired: {repaired[0].rpartition(': ')[2]}"))
        password = encryption.owner_password if encryption else ""
        problems = library().open(io.BytesIO(data), password=password).check_pdf_syntax()
        if problems:
            raise DocumentUnreadableError(f"a document is damaged beyond repair: {problems[0].rpartition(': ')[2]}")

    def pages(self, selection: str | None) -> list[int]:
        """The numbers (from 0) of the pages that a step is for."""
        return pages_of(selection, len(self.pdf.pages))


@attrs.frozen
class Part:
    """A document that is put in: a file, or a plan with steps of its own."""

    content: "Content | _Plan"
    password: str | None
    title: str | None
    limits: Limits

    def open(self) -> Work:
        """The document, for changing in memory."""
        if not isinstance(self.content, Content):
            return self.content.run()
        work = Work(self.content.open(self.password, self.limits), self.content.name)
        work.opened.append(work.pdf)
        if work.pdf.is_encrypted:
            work.notes.append(Note("encryption_removed", work.name, "it was encrypted; the result is only if encrypt() says so"))
        return work

    def bookmark(self, work: Work) -> str:
        """What the outline calls it."""
        info = work.pdf.trailer.get("/Info")
        own = str(info.get("/Title", "")).strip() if isinstance(info, library().Dictionary) else ""
        return self.title or (own if own not in _NO_TITLES else "") or work.name


def gathered(parts: Sequence[Part], bookmarks: bool) -> Work:
    """One document of all parts. One part alone is left as it is, but for signatures, which can't hold."""
    if len(parts) == 1 and not bookmarks:
        work = parts[0].open()
        if "/AcroForm" in work.pdf.Root and (signed := drop_signatures(work.pdf)):
            told = f"{signed} signatures cover the file as it was and don't hold in another"
            work.notes.append(Note("signature_lost", work.name, told))
        return work
    notes: list[Note] = []
    opened: list[Any] = []
    assembly = Assembly(notes)
    for part in parts:
        work = part.open()
        notes += work.notes
        opened += work.opened
        assembly.add(work.pdf, work.name, title=part.bookmark(work) if bookmarks else None)
    return Work(assembly.finish(), "document", notes, opened)


# -- which pages ------------------------------------------------------------------------------------------------------------


def select(work: Work, pages: str) -> None:
    """Keep pages, in an order."""
    _keep(work, work.pages(pages))


def drop(work: Work, pages: str) -> None:
    """Remove pages."""
    gone = set(work.pages(pages))
    kept = [n for n in range(len(work.pdf.pages)) if n not in gone]
    if not kept:
        raise ValidationError(f"pages {pages!r} are all pages; a document needs one", field="pages")
    _keep(work, kept)


def reorder(work: Work, order: tuple[int, ...]) -> None:
    """Put all pages into an order."""
    if sorted(order) != list(range(1, len(work.pdf.pages) + 1)):
        raise ValidationError(f"order has to name each page from 1 to {len(work.pdf.pages)} once", field="order")
    _keep(work, [number - 1 for number in order])


def _keep(work: Work, pages: list[int]) -> None:
    whole = set(pages) == set(range(len(work.pdf.pages)))
    assembly = Assembly(work.notes)
    assembly.add(work.pdf, work.name, pages=pages)
    work.pdf = assembly.finish()
    if not whole:  # pages often share a list of images and fonts, which would bring along those of the pages that go
        work.pdf.remove_unreferenced_resources()


def rotate(work: Work, angle: int, pages: str | None) -> None:
    """Turn pages."""
    for n in work.pages(pages):
        work.pdf.pages[n].rotate(angle, relative=True)


# -- what is on them --------------------------------------------------------------------------------------------------------


def number(work: Work, template: str, position: str, start: int, pages: str | None, style: Style) -> None:
    """Write page numbers."""
    chosen = work.pages(pages)
    names = [page.label for page in work.pdf.pages] if "{label" in template else []
    last = start + len(chosen) - 1

    def draw(canvas: Any, frame: Frame, n: int) -> None:
        label = names[chosen[n]] if names else ""
        drawing.write(canvas, frame, template.format(page=start + n, pages=last, label=label), position, style)

    drawing.mark(work.pdf, chosen, draw, same=False)


def stamp(work: Work, text: str, position: str, pages: str | None, style: Style) -> None:
    """Write the same lines on pages."""
    draw = partial(_stamp, text=text, position=position, style=style)
    drawing.mark(work.pdf, work.pages(pages), draw, same=True)


def _stamp(canvas: Any, frame: Frame, _: int, text: str, position: str, style: Style) -> None:
    drawing.write(canvas, frame, text, position, style)


def watermark(work: Work, text: str, angle: float, pages: str | None, style: Style) -> None:
    """Write one line across pages."""
    draw = partial(_across, text=text, angle=angle, style=style)
    drawing.mark(work.pdf, work.pages(pages), draw, same=True)


def _across(canvas: Any, frame: Frame, _: int, text: str, angle: float, style: Style) -> None:
    drawing.write_across(canvas, frame, text, angle, style)


def overlay(work: Work, part: Part, under: bool, pages: str | None) -> None:
    """Lay the first page of another PDF over or under pages."""
    other = part.open()
    work.notes += other.notes
    work.opened += other.opened
    form = work.pdf.copy_foreign(other.pdf.make_indirect(other.pdf.pages[0].as_form_xobject()))
    for n in work.pages(pages):
        page = work.pdf.pages[n]
        drawing.place(work.pdf, page, form, Frame.of(page), under=under)


def contents(work: Work, title: str, depth: int, before: int, style: Style) -> None:
    """Put a table of contents before a page."""
    if not 1 <= before <= len(work.pdf.pages):
        raise ValidationError(f"before={before}: the document has the pages 1 to {len(work.pdf.pages)}", field="before")
    add_contents(work.pdf, title, depth, style, before - 1)


def cover(work: Work, cover: Cover | Part) -> None:
    """Put a cover before the first page."""
    if isinstance(cover, Cover):
        frame = Frame.of(work.pdf.pages[0])
        front = Work(Content(cover.draw((frame.width, frame.height)), "cover").open(None, Limits()), "cover")
    else:
        front = cover.open()
    labels = read_labels(work.pdf)
    assembly = Assembly(work.notes)
    assembly.add(front.pdf, front.name)
    sheets = len(front.pdf.pages)
    assembly.add(work.pdf, work.name, main=True)
    work.pdf = assembly.finish()
    if labels:
        write_labels(work.pdf, [*(Label(n + 1, None, "Cover") for n in range(sheets)), *labels])
    work.notes += front.notes
    work.opened += front.opened


def redact(work: Work, redaction: Redaction) -> None:
    """Take content out for good."""
    work.notes += redaction.apply(work.pdf)


# -- what belongs to them ---------------------------------------------------------------------------------------------------


def attach_file(work: Work, entry: Entry, data: bytes, relationship: Relationship) -> None:
    """Attach a file."""
    attach(work.pdf, entry, data, relationship)


def portfolio(work: Work, files: Files, properties: Mapping[str, str] | None) -> None:
    """Make the document a portfolio's cover sheet."""
    make_portfolio(work.pdf, files, properties)


def metadata(work: Work, values: Mapping[str, str]) -> None:
    """Set metadata, in both places where a PDF has it."""
    pikepdf, pdf = library(), work.pdf
    info = pdf.docinfo
    for key in ("title", "author", "subject", "keywords"):
        if key in values:
            info["/" + key.title()] = pikepdf.String(values[key])
    if "language" in values:
        pdf.Root.Lang = pikepdf.String(values["language"])
    if "/Metadata" in pdf.Root:
        with pdf.open_metadata(set_pikepdf_as_editor=False) as xmp:
            xmp.load_from_docinfo(info)


def sanitize(work: Work) -> None:
    """Remove what acts by itself or reaches out."""
    sanitizer = library().sanitize.Sanitizer()
    sanitizer.remove_javascript().remove_external_access().remove_multimedia().remove_attachments()
    sanitizer.remove_collection().remove_thumbnails().remove_search_index().remove_web_capture().remove_private_app_data()
    sanitizer.apply(work.pdf)
