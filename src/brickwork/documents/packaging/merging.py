"""Copies pages of several files into one, with what the documents hold for them: outlines, links, labels, forms, layers."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import attrs

from brickwork.documents.packaging.attachments import attached
from brickwork.documents.packaging.labels import Label, read_labels, write_labels
from brickwork.documents.packaging.library import library
from brickwork.documents.packaging.names import unused_name
from brickwork.documents.packaging.notes import Note
from brickwork.documents.packaging.references import Named, References, link, named_destinations, target_page

if TYPE_CHECKING:
    import pikepdf

#: Entries of the catalogue that hold for the document as a whole and are taken from its first file.
_CATALOGUE = ("/Lang", "/ViewerPreferences", "/PageLayout", "/PageMode", "/OutputIntents")


@attrs.frozen
class _File:
    """A file whose pages are to be appended, and what of it goes along."""

    source: Any
    name: str
    pages: list[int] | None
    title: str | None
    main: bool
    #: Entries of its outline that show.
    shown: int
    names: dict[Named, Any]
    rename: dict[Named, str]
    count: int


@attrs.define
class Assembly:
    """A new document, to which files are added one after the other."""

    notes: list[Note]
    pdf: Any = attrs.field(factory=lambda: library().new())
    _files: int = 0
    _count: int = 0
    #: Whether the library has listed the pages of the new document, so that only it may add more.
    _listed: bool = False
    _labels: list[list[Label] | int] = attrs.field(factory=list)
    _names: dict[Named, Any] = attrs.field(factory=dict)
    _attached: dict[str, Any] = attrs.field(factory=dict)
    _associated: list[Any] = attrs.field(factory=list)
    _bookmarks: list[Any] = attrs.field(factory=list)
    _shown: int = 0

    def add(
        self, source: "pikepdf.Pdf", name: str, *, pages: list[int] | None = None, title: str | None = None, main: bool = False
    ) -> None:
        """Append `pages` (from 0; all for None) of a file that may be changed. With a `title`, its outline goes below that. The
        metadata are those of the `main` file, else of the first."""
        detach(source, name, self.notes)
        labels, names = read_labels(source), named_destinations(source)
        keep, kept, chosen = None, names, list(source.pages)
        if pages is not None:
            chosen = [chosen[n] for n in sorted(set(pages))]
            keep = {page.obj.objgen for page in chosen}
            kept = {n: value for n, value in names.items() if (page := target_page(value)) is None or page.objgen in keep}
        rename = self._renamed(kept)
        references = References(source, names, rename, keep)
        if (rename or keep is not None) and (removed := references.mend_links(chosen)):
            self._note("links_removed", name, f"{removed} links to pages that were left out are gone")
        count = len(chosen) if pages is None else len(pages)
        shown, main = references.mend_outline(), main or self._files == 0
        file = _File(source, name, pages, title, main, shown, kept, rename, count)
        self._labels.append([labels[n] for n in pages or range(count)] if labels else count)
        self._names |= {(kind, rename.get((kind, text), text)): None for kind, text in kept}
        self._files += 1
        plain = pages is None and "/AcroForm" not in source.Root and "/OCProperties" not in source.Root
        first = self._copy_plain(file) if plain else self._copy_with_care(file)
        self._carry(file, first)

    def finish(self) -> Any:
        """Write what was collected; the document."""
        pikepdf = library()
        self._write_outline()
        if any(isinstance(labels, list) for labels in self._labels):
            write_labels(self.pdf, self._all_labels())
        self._write_names("/Dests", {name: value for (kind, name), value in self._names.items() if kind == "string"})
        self._write_names("/EmbeddedFiles", self._attached)
        if old := {name: value for (kind, name), value in self._names.items() if kind == "name"}:
            self.pdf.Root.Dests = self.pdf.make_indirect(pikepdf.Dictionary(old))
        if self._associated:
            self.pdf.Root.AF = pikepdf.Array(self._associated)
        return self.pdf

    # -- what is copied ------------------------------------------------------------------------------------------------

    def _copy_plain(self, file: _File) -> Any:
        """Append all pages of a file that has neither form fields nor layers; the first of them. `pages.append` lists all pages
        for each that it adds, so as long as nothing else has listed them, the page tree is written here."""
        pages = file.source.pages
        if self._listed:
            self.pdf.pages.extend(pages)
            return self.pdf.pages[self._count].obj
        tree = self.pdf.Root.Pages
        copied = [self.pdf.copy_foreign(page.obj) for page in pages]
        for page in copied:
            page.Parent = tree
        tree.Kids.extend(copied)
        tree.Count = self._count + len(copied)
        return copied[0]

    def _copy_with_care(self, file: _File) -> Any:
        self._listed = True
        result = self.pdf.add_pages_from(file.source, file.pages, outlines="ignore")
        for old, new in result.renamed_fields.items():
            self._note("field_renamed", file.name, f"the form field {old!r} is now {new!r}")
        if partial := sorted(result.partial_fields):
            self._note("field_split", file.name, f"form fields lie on pages that were left out as well: {partial}")
        return self.pdf.pages[self._count].obj

    def _carry(self, file: _File, first: Any) -> None:
        """Take along what the file holds for its pages, which were copied."""
        if file.main:
            self._keep_catalogue(file.source)
        self._keep_outline(file, first)
        for (kind, text), value in file.names.items():
            self._names[kind, file.rename.get((kind, text), text)] = self._foreign(file.source, value)
        self._keep_files(file)
        self._count += file.count

    def _keep_catalogue(self, source: "pikepdf.Pdf") -> None:
        for key in _CATALOGUE:
            if key in source.Root:
                self.pdf.Root[key] = self._foreign(source, source.Root[key])
        info = source.trailer.get("/Info")
        if isinstance(info, library().Dictionary):
            self.pdf.trailer.Info = self._foreign(source, info)

    def _keep_outline(self, file: _File, first: Any) -> None:
        pikepdf = library()
        outline = self.pdf.copy_foreign(file.source.Root.Outlines) if file.shown else None
        if file.title is None:
            if outline is not None:
                self._bookmarks += _siblings(outline.First)
                self._shown += file.shown
            return
        entry = outline if outline is not None else self.pdf.make_indirect(pikepdf.Dictionary())
        for key in set(entry.keys()) - {"/First", "/Last"}:
            del entry[key]
        entry.Title = pikepdf.String(file.title)
        entry.Dest = pikepdf.Array([first, pikepdf.Name.Fit])
        if file.shown:
            entry.Count = -file.shown  # closed: a packet of many files shows their titles first
        self._bookmarks.append(entry)
        self._shown += 1

    def _keep_files(self, file: _File) -> None:
        for name, specification in attached(file.source).items():
            new = unused_name(name, self._attached)
            self._attached[new] = self._foreign(file.source, specification)
            if new != name:
                self._attached[new].UF = library().String(new)
                self._note("attachment_renamed", file.name, f"the attachment {name!r} is now {new!r}")
        associated = file.source.Root.get("/AF")
        if isinstance(associated, library().Array):
            self._associated += [self._foreign(file.source, specification) for specification in associated]

    def _foreign(self, source: "pikepdf.Pdf", value: Any) -> Any:
        """A value of a source in the new document."""
        pikepdf = library()
        if not isinstance(value, pikepdf.Array | pikepdf.Dictionary | pikepdf.Stream):
            return value
        return self.pdf.copy_foreign(value if value.is_indirect else source.make_indirect(value))

    def _renamed(self, names: Iterable[Named]) -> dict[Named, str]:
        """New names for those that another file has taken."""
        new: dict[Named, str] = {}
        for kind, name in names:
            if (kind, name) in self._names:
                number = self._files + 1  # the file's, which as a rule is free
                while (kind, f"{name}.{number}") in self._names or (kind, f"{name}.{number}") in names:
                    number += 1
                new[kind, name] = f"{name}.{number}"
        return new

    # -- what is written in the end --------------------------------------------------------------------------------------

    def _write_outline(self) -> None:
        pikepdf = library()
        if self._bookmarks:
            root = self.pdf.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.Outlines))
            link(root, self._bookmarks)
            root.Count = self._shown
            self.pdf.Root.Outlines = root

    def _write_names(self, key: str, values: dict[str, Any]) -> None:
        pikepdf = library()
        if not values:
            return
        if "/Names" not in self.pdf.Root:
            self.pdf.Root.Names = self.pdf.make_indirect(pikepdf.Dictionary())
        tree = pikepdf.NameTree.new(self.pdf)
        for name, value in values.items():
            tree[name] = value
        self.pdf.Root.Names[key] = tree.obj

    def _all_labels(self) -> list[Label]:
        found: list[Label] = []
        for labels in self._labels:
            found += labels if isinstance(labels, list) else [Label(len(found) + n + 1) for n in range(labels)]
        return found

    def _note(self, code: str, source: str, message: str) -> None:
        self.notes.append(Note(code, source, message))


def detach(source: "pikepdf.Pdf", name: str, notes: list[Note]) -> None:
    """Take from a file what can't hold in another: signatures, which cover its bytes, and its structure tree."""
    form = source.Root.get("/AcroForm")
    if isinstance(form, library().Dictionary):
        if signed := drop_signatures(source):
            notes.append(Note("signature_lost", name, f"{signed} signatures cover the file as it was and don't hold in another"))
        if "/XFA" in form:
            del form["/XFA"]
            notes.append(Note("xfa_lost", name, "the XFA form is gone; its AcroForm stays"))
    if "/StructTreeRoot" in source.Root:
        notes.append(Note("tags_lost", name, "the tags for accessibility are gone"))
        for page in source.pages:
            if "/StructParents" in page.obj:
                del page.obj["/StructParents"]


def drop_signatures(source: "pikepdf.Pdf") -> int:
    """Remove signatures, which no longer hold once the file is written anew; what they show stays as a stamp. Their number."""
    pikepdf, form = library(), source.acroform
    signed = [field for field in form.fields if field.field_type == "/Sig" and field.value is not None]
    shown = [annotation.obj for field in signed for annotation in form.get_annotations_for_field(field)]
    if signed:
        form.disable_digital_signatures()
    for annotation in shown:
        for key in ("/FT", "/V", "/T", "/Parent", "/Lock", "/SV"):
            if key in annotation:
                del annotation[key]
        annotation.Subtype = pikepdf.Name.Stamp
    return len(signed)


def _siblings(first: Any) -> list[Any]:
    found = []
    item = first
    while item is not None:
        found.append(item)
        item = item.get("/Next")
    return found
