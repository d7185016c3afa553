"""Packets of documents: PDFs merged, arranged, marked, redacted and encrypted; ZIP packages and portfolios with a manifest."""

from brickwork.documents.packaging.archive import Package, read_zip_package, zip_package
from brickwork.documents.packaging.attachments import read_attachments, read_portfolio
from brickwork.documents.packaging.contents import Cover
from brickwork.documents.packaging.drawing import Style
from brickwork.documents.packaging.manifest import Entry, Manifest, PackageFile
from brickwork.documents.packaging.notes import Note
from brickwork.documents.packaging.pdf import Built, Pdf, merge
from brickwork.documents.packaging.redaction import Area
from brickwork.documents.packaging.saving import Permissions
from brickwork.documents.packaging.sources import Limits

__all__ = [
    "Area",
    "Built",
    "Cover",
    "Entry",
    "Limits",
    "Manifest",
    "Note",
    "Package",
    "PackageFile",
    "Pdf",
    "Permissions",
    "Style",
    "merge",
    "read_attachments",
    "read_portfolio",
    "read_zip_package",
    "zip_package",
]
