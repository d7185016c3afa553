"""The registration of the documents component."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from brickwork.documents.settings import DocumentsSettings
from brickwork.kernel.component import Backend, Component
from brickwork.kernel.hookspecs import hookimpl

if TYPE_CHECKING:
    from brickwork.documents.service import Documents
    from brickwork.kernel.platform import Platform


def build(platform: "Platform", settings: DocumentsSettings) -> "Documents":
    from brickwork.documents.service import Documents

    return Documents(platform, settings)


def reportlab(platform: "Platform", settings: Any) -> Any:
    """The renderer for "pdf"."""
    from brickwork.documents.backends.reportlab import ReportlabRenderer

    return ReportlabRenderer()


def html(platform: "Platform", settings: Any) -> Any:
    """The renderer for "html"."""
    from brickwork.documents.backends.html import HtmlRenderer

    return HtmlRenderer()


def text(platform: "Platform", settings: Any) -> Any:
    """The renderer for "text"."""
    from brickwork.documents.backends.text import TextRenderer

    return TextRenderer()


@hookimpl
def brickwork_components() -> Sequence[Component]:
    return [
        Component(
            name="documents",
            summary="Templates, and the files that are made of them",
            build="brickwork.documents.component:build",
            requires=("database", "cache"),
            settings=DocumentsSettings,
            service="brickwork.documents.service:Documents",
            models="brickwork.documents.models",
            migrations="brickwork.documents.migrations",
            routes="brickwork.documents.api:endpoints",
        )
    ]


@hookimpl
def brickwork_backends() -> Sequence[Backend]:
    from brickwork.documents.signing.backends.file import FileSignerSettings
    from brickwork.documents.signing.backends.pkcs11 import Pkcs11SignerSettings
    from brickwork.documents.signing.backends.remote import RemoteSignerSettings

    return [
        Backend(
            port="documents",
            name="pdf",
            factory="brickwork.documents.component:reportlab",
            summary="PDF by reportlab",
            capabilities=frozenset({"archive", "attachments", "forms", "charts", "barcodes", "contents", "page_numbers"}),
        ),
        Backend(port="documents", name="html", factory="brickwork.documents.component:html", summary="One HTML file"),
        Backend(port="documents", name="text", factory="brickwork.documents.component:text", summary="Plain text"),
        Backend(
            port="signer",
            name="file",
            factory="brickwork.documents.signing.backends.file:make",
            summary="A key in a file: PKCS #12 or PEM",
            settings=FileSignerSettings,
        ),
        Backend(
            port="signer",
            name="remote",
            factory="brickwork.documents.signing.backends.remote:make",
            summary="A key of a service, over HTTP",
            settings=RemoteSignerSettings,
        ),
        Backend(
            port="signer",
            name="pkcs11",
            factory="brickwork.documents.signing.backends.pkcs11:make",
            summary="A key in a device, through PKCS #11",
            settings=Pkcs11SignerSettings,
        ),
    ]
