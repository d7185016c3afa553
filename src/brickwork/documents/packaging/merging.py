"""Copies pages of several files into one, with what the documents hold for them: outlines, links, labels, forms, layers, files."""

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


@attrs.define
class Assembly:
    """A new document, to which files are added one after the other."""

    notes: list[Note]
    pdf: Any = attrs.field(factory=lambda: library().new())
    _count: int = 0
    _labels: list[list[Label] | int] = attrs.field(factory=list)
    _names: dict[Named, Any] = attrs.field(factory=dict)
    _files: dict[str, Any] = attrs.field(factory=dict)
    _associated: list[Any] = attrs.field(factory=list)
    _bookmarks: list[Any] = attrs.field(factory=list)
    _shown: int = 0

    def add(self, source: "pikepdf.Pdf", name: str, *, pages: list[int] | None = None, title: str | None = None, main: bool = False) -> None:
        """Append `pages` (from 0; all for None) of a file that may be changed. With a `title`, its outline goes below that. The
        metadata are those of the `main` file, else of the first."""
        detach(source, name, self.notes)
        labels, names = read_labels(source), named_destinations(source)
        keep, kept_names, chosen = None, names, source.pages
        if pages is not None:
            chosen = [source.pages[n] for n in sorted(set(pages))]
            keep = {page.obj.objgen for page in chosen}
            kept_names = {n: value for n, value in names.items() if (page := target_page(value)) is None or page.objgen in keep}
        rename = self._renamed(kept_names)
        references = References(source, names, rename, keep)
        if (rename or keep is not None) and (removed := references.mend_links(chosen)):
            self._note("links_removed", name, f"{removed} links to pages that were left out are gone")
        shown = references.mend_outline()
        if main or self._count == 0:
            self._keep_catalogue(source)
        self._copy_pages(source, name, pages)
        self._keep_outline(source, title, shown)
        for (kind, text), value in kept_names.items():
            self._names[kind, rename.get((kind, text), text)] = self._foreign(source, value)
        self._keep_files(source, name)
        added = len(source.pages) if pages is None else len(pages)
        self._labels.append([labels[n] for n in pages or range(added)] if labels else added)
        self._count += added

    def finish(self) -> Any:
        """Write what was collected; the document."""
        pikepdf = library()
        self._write_outline()
        if any(isinstance(labels, list) for labels in self._labels):
            write_labels(self.pdf, self._all_labels())
        self._write_names("/Dests", {name: value for (kind, name), value in self._names.items() if kind == "string"})
        self._write_names("/EmbeddedFiles", self._files)
        if old := {name: value for (kind, name), value in self._names.items() if kind == "name"}:
            self.pdf.Root.Dests = self.pdf.make_indirect(pikepdf.Dictionary(old))
        if self._associated:
            self.pdf.Root.AF = pikepdf.Array(self._associated)
        return self.pdf

    # -- what is copied ------------------------------------------------------------------------------------------------

    def _copy_pages(self, source: "pikepdf.Pdf", name: str, indices: list[int] | None) -> None:
        if indices is None and "/AcroForm" not in source.Root and "/OCProperties" not in source.Root:
            self.pdf.pages.extend(source.pages)
            return
        result = self.pdf.add_pages_from(source, indices, outlines="ignore")
        for old, new in result.renamed_fields.items():
            self._note("field_renamed", name, f"the form field {old!r} is now {new!r}")
        if result.partial_fields:
            self._note("field_split", name, f"form fields lie on pages that were left out as well: {sorted(result.partial_fields)}")

    def _keep_catalogue(self, source: "pikepdf.Pdf") -> None:
        for key in _CATALOGUE:
            if key in source.Root:
                self.pdf.Root[key] = self._foreign(source, source.Root[key])
        info = source.trailer.get("/Info")
        if isinstance(info, library().Dictionary):
            self.pdf.trailer.Info = self._foreign(source, info)

    def _keep_outline(self, source: "pikepdf.Pdf", title: str | None, shown: int) -> None:
        pikepdf = library()
        outline = self.pdf.copy_foreign(source.Root.Outlines) if shown else None
        if title is None:
            if outline is not None:
                self._bookmarks += _siblings(outline.First)
                self._shown += shown
            return
        entry = outline if outline is not None else self.pdf.make_indirect(pikepdf.Dictionary())
        for key in set(entry.keys()) - {"/First", "/Last"}:
            del entry[key]
        entry.Title = pikepdf.String(title)
        entry.Dest = pikepdf.Array([self.pdf.pages[self._count].obj, pikepdf.Name.Fit])
        if shown:
            entry.Count = -shown  # closed: a packet of many files shows their titles first
        self._bookmarks.append(entry)
        self._shown += 1

    def _keep_files(self, source: "pikepdf.Pdf", name: str) -> None:
        for file_name, specification in attached(source).items():
            new = unused_name(file_name, self._files)
            self._files[new] = self._foreign(source, specification)
            if new != file_name:
                self._note("attachment_renamed", name, f"the attachment {file_name!r} is now {new!r}")
        associated = source.Root.get("/AF")
        if isinstance(associated, library().Array):
            self._associated += [self._foreign(source, specification) for specification in associated]

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
                number = len(self._labels) + 1  # the file's, which as a rule is free
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
    """Remove the values of signature fields, which no longer hold once the file is written anew; their number."""
    signed = [field for field in source.acroform.fields if field.field_type == "/Sig" and field.value is not None]
    if signed:
        source.acroform.disable_digital_signatures()
    return len(signed)


def _siblings(first: Any) -> list[Any]:
    found = []
    item = first
    while item is not None:
        found.append(item)
        item = item.get("/Next")
    return found
