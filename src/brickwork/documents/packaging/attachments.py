"""Files attached to a PDF (ISO 32000-2, 7.11.4) and portfolios (12.3.5): a PDF that shows its attachments as its content."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

from brickwork.documents.packaging.archive import Package
from brickwork.documents.packaging.library import library
from brickwork.documents.packaging.manifest import MANIFEST, Entry, Files, Manifest, PackageFile, packed
from brickwork.documents.packaging.names import checked_name, tamed_name, unused_name
from brickwork.documents.packaging.sources import Content, Limits
from brickwork.errors import DocumentUnreadableError, ManifestError, TooLargeError, ValidationError

if TYPE_CHECKING:
    import pikepdf

#: What an attached file is to the document (ISO 32000-2, table 43).
Relationship = Literal["Source", "Data", "Alternative", "Supplement", "FormData", "Schema", "Unspecified"]


def attached(pdf: "pikepdf.Pdf") -> dict[str, Any]:
    """The file specifications of a document, by the names they have in it."""
    pikepdf = library()
    names = pdf.Root.get("/Names")
    tree = names.get("/EmbeddedFiles") if isinstance(names, pikepdf.Dictionary) else None
    return dict(pikepdf.NameTree(tree).items()) if isinstance(tree, pikepdf.Dictionary) else {}


def attach(pdf: "pikepdf.Pdf", entry: Entry, data: bytes, relationship: Relationship) -> None:
    """Attach a file; raises `ValidationError` where its name is taken."""
    pikepdf = library()
    if entry.name in attached(pdf):
        raise ValidationError(f"a file named {entry.name!r} is attached already", field="name")
    pdf.attachments[entry.name] = pikepdf.AttachedFileSpec(
        pdf,
        data,
        filename=entry.name,
        mime_type=entry.media_type,
        description=entry.description,
        relationship=pikepdf.Name("/" + relationship),
    )


def check_attachment(name: str, data: bytes, media_type: str, description: str, relationship: str) -> Entry:
    """What is to be attached, with a safe name; raises `ValidationError`."""
    if relationship not in get_args(Relationship):
        known = ", ".join(get_args(Relationship))
        raise ValidationError(f"relationship {relationship!r} is none of {known}", field="relationship")
    file = PackageFile(name=checked_name(name, folders=False), data=data, media_type=media_type, description=description)
    return file.entry()


def read_attachments(source: bytes, *, password: str | None = None, max_bytes: int = 1 << 30) -> dict[str, bytes]:
    """The files attached to a PDF, by names that are safe in a folder; `max_bytes` is the sum of what is unpacked. Raises
    `DocumentUnreadableError`, `DocumentPasswordError` and `TooLargeError`."""
    pikepdf = library()
    pdf = Content.of(source).open(password, Limits())
    found: dict[str, bytes] = {}
    for name, specification in attached(pdf).items():
        embedded = specification.get("/EF") if isinstance(specification, pikepdf.Dictionary) else None
        stream = (embedded.get("/UF") or embedded.get("/F")) if isinstance(embedded, pikepdf.Dictionary) else None
        if not isinstance(stream, pikepdf.Stream):
            continue
        try:
            data = stream.read_bytes()
        except pikepdf.PdfError:
            raise DocumentUnreadableError(f"the attachment {name!r} can't be unpacked") from None
        max_bytes -= len(data)
        if max_bytes < 0:
            raise TooLargeError("the attachments unpack to more than is allowed")
        shown = specification.get("/UF", specification.get("/F", name))
        found[unused_name(tamed_name(str(shown)), found)] = data
    return found


def make_portfolio(pdf: "pikepdf.Pdf", files: Files, properties: Mapping[str, str] | None) -> None:
    """Make a document (the cover sheet) into a portfolio of `files` and their manifest."""
    pikepdf = library()
    manifest, checked = packed(files, properties, folders=False)
    for file, entry in zip(checked, manifest.files, strict=True):
        attach(pdf, entry, file.data, "Unspecified")
    listing = PackageFile(name=MANIFEST, data=manifest.to_json(), media_type="application/json")
    attach(pdf, listing.entry(), listing.data, "Data")
    fields = {"F": ("Name", "F"), "Desc": ("Description", "Desc"), "Size": ("Size", "Size")}
    schema = pikepdf.Dictionary(Type=pikepdf.Name.CollectionSchema)
    for order, (key, (title, kind)) in enumerate(fields.items()):
        schema["/" + key] = pikepdf.Dictionary(
            Type=pikepdf.Name.CollectionField, Subtype=pikepdf.Name("/" + kind), N=pikepdf.String(title), O=order
        )
    pdf.Root.Collection = pdf.make_indirect(
        pikepdf.Dictionary(Type=pikepdf.Name.Collection, Schema=schema, D=pikepdf.String(checked[0].name), View=pikepdf.Name.D)
    )
    pdf.Root.PageMode = pikepdf.Name.UseAttachments


def read_portfolio(source: bytes, *, password: str | None = None, max_bytes: int = 1 << 30) -> Package:
    """The files of a portfolio with a manifest, checked. Raises `ManifestError` where they are not what it lists,
    `DocumentUnreadableError`, `DocumentPasswordError` and `TooLargeError`."""
    files = read_attachments(source, password=password, max_bytes=max_bytes)
    if MANIFEST not in files:
        raise ManifestError(f"the document has no attachment {MANIFEST!r}")
    manifest = Manifest.from_json(files.pop(MANIFEST))
    manifest.verify(files)
    return Package(manifest, files)
