"""`Pdf`: a document and what is to be done to it. Nothing is done until `build`, `save` or `write`; a value may be used again."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import IO

import attrs

from brickwork.documents.packaging import steps
from brickwork.documents.packaging.attachments import Relationship, check_attachment
from brickwork.documents.packaging.contents import Cover
from brickwork.documents.packaging.drawing import (
    CONTENTS_STYLE,
    NUMBER_STYLE,
    STAMP_STYLE,
    Position,
    Style,
    check_position,
    check_template,
)
from brickwork.documents.packaging.manifest import Files
from brickwork.documents.packaging.notes import Note
from brickwork.documents.packaging.redaction import Area, Redaction
from brickwork.documents.packaging.saving import Encryption, Permissions, serialize
from brickwork.documents.packaging.sources import Content, Limits, Source, damage, reason
from brickwork.errors import DocumentUnreadableError, ValidationError

Step = Callable[[steps.Work], None]


@attrs.frozen
class Built:
    """A finished document: its bytes, how many pages it has, and what of the sources could not be kept."""

    data: bytes
    pages: int
    notes: tuple[Note, ...]


@attrs.frozen
class _Plan:
    """What a document is made of, and what is done to it."""

    parts: tuple[steps.Part, ...]
    bookmarks: bool = False
    todo: tuple[Step, ...] = ()
    encryption: Encryption | None = None

    def run(self) -> steps.Work:
        """Do the steps, without writing the result."""
        work = steps.gathered(self.parts, self.bookmarks)
        for step in self.todo:
            step(work)
        return work


class Pdf:
    """A PDF and the steps to be done to it, in the order in which they were called.

    Pages are named as in `"1-3,7,z-10"`: numbers from 1, `z` is the last page, `r2` the last but one, `2-` has an open end,
    `:odd` and `:even` keep every second. Bad input raises when the document is built: `DocumentUnreadableError`,
    `DocumentPasswordError`, `TooLargeError`; a wrong argument raises `ValidationError`, at once where that can be known.
    """

    _plan: _Plan

    def __init__(self, source: Source, *, password: str | None = None, title: str | None = None, limits: Limits | None = None):
        """A document. `password` opens an encrypted one; `title` is its bookmark's, where it is merged."""
        content = source._plan if isinstance(source, Pdf) else Content.of(source)
        self._plan = _Plan((steps.Part(content, password, title, limits or Limits()),))

    @classmethod
    def _of(cls, plan: _Plan) -> "Pdf":
        made = cls.__new__(cls)
        made._plan = plan
        return made

    # -- which pages -----------------------------------------------------------------------------------------------------

    def select(self, pages: str) -> "Pdf":
        """Keep these pages, in this order; a page named twice is there twice. Outline entries, links and form fields go with
        their pages."""
        return self._then(partial(steps.select, pages=pages))

    def drop(self, pages: str) -> "Pdf":
        """Remove these pages."""
        return self._then(partial(steps.drop, pages=pages))

    def reorder(self, order: Sequence[int]) -> "Pdf":
        """Put all pages into this order, by their numbers from 1; raises `ValidationError` unless each is there once."""
        return self._then(partial(steps.reorder, order=tuple(order)))

    def rotate(self, angle: int, pages: str | None = None) -> "Pdf":
        """Turn pages clockwise by 90, 180 or 270 degrees (or -90), from how they are shown now."""
        if angle % 90:
            raise ValidationError(f"angle {angle} is not a multiple of 90", field="angle")
        return self._then(partial(steps.rotate, angle=angle, pages=pages))

    def split(self, *selections: str, every: int | None = None) -> list["Pdf"]:
        """A document for each selection, or for each `every` pages. The latter counts the pages, so it does the steps so far."""
        if bool(selections) == (every is not None) or (every is not None and every < 1):
            raise ValidationError("split needs selections of pages, or every= and a number from 1", field="split")
        if every is None:
            return [self.select(pages) for pages in selections]
        built = self._of(attrs.evolve(self._plan, encryption=None)).build()
        whole = Pdf._of(attrs.evolve(Pdf(built.data)._plan, encryption=self._plan.encryption))
        return [whole.select(f"{n}-{min(n + every - 1, built.pages)}") for n in range(1, built.pages + 1, every)]

    # -- what is on them -------------------------------------------------------------------------------------------------

    def number(
        self,
        template: str = "Page {page} of {pages}",
        *,
        position: Position = "bottom-center",
        start: int = 1,
        pages: str | None = None,
        style: Style = NUMBER_STYLE,
    ) -> "Pdf":
        """Write a number on each page; `{page:06}` pads it with zeros (Bates numbers), `{label}` is the page's label. `{page}`
        counts the `pages` that are numbered, from `start`; `{pages}` is the number of the last of them."""
        check_position(position)
        check_template(template)
        return self._then(partial(steps.number, template=template, position=position, start=start, pages=pages, style=style))

    def stamp(
        self, text: str, *, position: Position = "top-right", pages: str | None = None, style: Style = STAMP_STYLE
    ) -> "Pdf":
        """Write the same lines on pages."""
        check_position(position)
        return self._then(partial(steps.stamp, text=text, position=position, pages=pages, style=style))

    def watermark(
        self,
        text: str,
        *,
        opacity: float = 0.15,
        angle: float = 45,
        color: str = "#000000",
        size: float = 120,
        font: str | Path = "Helvetica-Bold",
        pages: str | None = None,
    ) -> "Pdf":
        """Write one line across pages, as large as fits up to `size`."""
        style = Style(font=font, size=size, color=color, opacity=opacity)
        return self._then(partial(steps.watermark, text=text, angle=angle, pages=pages, style=style))

    def overlay(self, source: Source, *, under: bool = False, pages: str | None = None) -> "Pdf":
        """Lay the first page of another PDF (a letterhead, a stamp) over or under pages, fitted to them."""
        return self._then(partial(steps.overlay, part=_part(source), under=under, pages=pages))

    def contents(self, title: str = "Contents", *, depth: int = 2, before: int = 1, style: Style = CONTENTS_STYLE) -> "Pdf":
        """Put a table of contents before a page, from the outline down to `depth` levels, with links. The numbers that it tells
        are the pages' labels; a document without labels is labelled 1, 2, … and the contents i, ii, …"""
        return self._then(partial(steps.contents, title=title, depth=depth, before=before, style=style))

    def cover(self, cover: Cover | Source) -> "Pdf":
        """Put a cover before the first page: a `Cover` that is drawn, or a PDF."""
        return self._then(partial(steps.cover, cover=cover if isinstance(cover, Cover) else _part(cover)))

    def redact(
        self,
        *targets: "Area | str | re.Pattern[str]",
        keep_metadata: bool = False,
        keep_attachments: bool = False,
        keep_hidden: bool = False,
        missing_ok: bool = False,
        color: str = "#000000",
    ) -> "Pdf":
        """Take what lies in areas, or matches a text or a pattern, out of the file for good, and paint over the place.

        See the how-to for what is removed and what can't be found. Raises `RedactionError` for a text that is on no page
        (unless `missing_ok`), and where something would remain readable.
        """
        redaction = Redaction.of(targets, keep_metadata, keep_attachments, keep_hidden, missing_ok, color)
        return self._then(partial(steps.redact, redaction=redaction))

    # -- what belongs to them --------------------------------------------------------------------------------------------

    def attach(
        self, name: str, data: bytes, media_type: str = "", *, relationship: Relationship = "Supplement", description: str = ""
    ) -> "Pdf":
        """Attach a file; `name` has no folders. Raises `ValidationError` for a name that is unsafe or taken."""
        entry = check_attachment(name, data, media_type, description, relationship)
        return self._then(partial(steps.attach_file, entry=entry, data=bytes(data), relationship=relationship))

    def portfolio(self, files: Files, properties: Mapping[str, str] | None = None) -> "Pdf":
        """Make the document the cover sheet of a portfolio: viewers show `files`, which are attached with a manifest."""
        return self._then(
            partial(steps.portfolio, files=files if isinstance(files, Mapping) else list(files), properties=properties)
        )

    def metadata(
        self,
        *,
        title: str | None = None,
        author: str | None = None,
        subject: str | None = None,
        keywords: str | None = None,
        language: str | None = None,
    ) -> "Pdf":
        """Set what is given of the document's metadata."""
        values = {"title": title, "author": author, "subject": subject, "keywords": keywords, "language": language}
        return self._then(partial(steps.metadata, values={key: value for key, value in values.items() if value is not None}))

    def sanitize(self) -> "Pdf":
        """Remove what acts by itself or reaches out: scripts, launch and submit actions, links to the web and to other files,
        media, private data of programs, thumbnails, and attachments."""
        return self._then(steps.sanitize)

    def encrypt(self, *, user_password: str = "", owner_password: str, permissions: "Permissions | None" = None) -> "Pdf":
        """Encrypt with AES-256 (ISO 32000-2, revision 6). Whoever opens it with the user password (which may be empty) has
        `permissions`, which viewers are asked to heed; the owner password gives all. Raises `ValidationError` where the owner
        password is empty or the user's. Encrypted files differ each time, by the random salts that they need."""
        return self._of(attrs.evolve(self._plan, encryption=Encryption.of(user_password, owner_password, permissions)))

    # -- the result ------------------------------------------------------------------------------------------------------

    def build(self) -> Built:
        """Do all steps. The same input gives the same bytes, unless it is encrypted."""
        try:
            work = self._plan.run()
            data = serialize(work.pdf, self._plan.encryption)
            pages = len(work.pdf.pages)
            work.check(data, self._plan.encryption)
        except damage() as error:
            raise DocumentUnreadableError(f"a document is damaged beyond what can be worked with: {reason(error)}") from error
        return Built(data, pages, tuple(work.notes))

    def save(self) -> bytes:
        """The document's bytes."""
        return self.build().data

    def write(self, stream: IO[bytes]) -> None:
        """Write the document to a binary stream; nothing is written where a step fails."""
        stream.write(self.save())

    def _then(self, step: Step) -> "Pdf":
        return self._of(attrs.evolve(self._plan, todo=(*self._plan.todo, step)))


def merge(sources: Iterable[Source], *, bookmarks: bool = True, limits: Limits | None = None) -> Pdf:
    """One document of several, with their outlines, links, page labels, form fields, layers and attachments.

    With `bookmarks`, the outline has an entry for each file (its `title`, else the file's own, else its name) above the file's
    entries; without, the files' entries follow each other. Names that clash are changed, and told in the notes.
    """
    parts = tuple(_part(source, limits, f"document {n}") for n, source in enumerate(sources, 1))
    if not parts:
        raise ValidationError("merge needs at least one document", field="sources")
    return Pdf._of(_Plan(parts, bookmarks))


def _part(source: Source, limits: Limits | None = None, name: str = "document") -> steps.Part:
    if isinstance(source, Pdf):
        (first, *others) = source._plan.parts
        return steps.Part(source._plan, None, None if others else first.title, Limits())
    return steps.Part(Content.of(source, name), None, None, limits or Limits())
