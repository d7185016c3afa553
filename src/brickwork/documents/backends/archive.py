"""What reportlab doesn't write: embedded files, signature fields, and what PDF/A-3b asks for (ISO 19005-3)."""

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import pikepdf

from brickwork.documents.assets import content_of
from brickwork.documents.markup.nodes import Element
from brickwork.documents.port import Order

_PDFA = "http://www.aiim.org/pdfa/ns/id/"


def finish(content: bytes, document: Element, order: Order, files: Sequence[Element], boxes: Sequence[Any]) -> bytes:
    """The PDF with its attachments and signature fields; an archive file where the order asks for one."""
    with pikepdf.open(io.BytesIO(content)) as pdf:
        for element in files:
            _attach(pdf, element, order.assets, order.moment)
        for name, page, box in boxes:
            _signature_field(pdf, name, page, box)
        if order.archive:
            _make_archive(pdf, document, order)
        target = io.BytesIO()
        pdf.save(target, deterministic_id=True, min_version="1.7" if order.archive else "1.4",
                 object_stream_mode=pikepdf.ObjectStreamMode.disable)  # fmt: skip
        return target.getvalue()


def _attach(pdf: pikepdf.Pdf, element: Element, assets: Mapping[str, bytes], moment: datetime | None) -> None:
    content, name = content_of(element, assets), element.get("name")
    parameters: dict[str, Any] = {"/Size": len(content)}
    if moment is not None:
        parameters["/ModDate"] = _date(moment)
    stream = pikepdf.Stream(pdf, content)
    stream.Type = pikepdf.Name.EmbeddedFile
    stream.Subtype = pikepdf.Name("/" + (element.get("type") or "application/octet-stream"))
    stream.Params = pikepdf.Dictionary(parameters)
    made = pdf.make_indirect(stream)
    spec = pdf.make_indirect(
        pikepdf.Dictionary(
            Type=pikepdf.Name.Filespec, F=name, UF=name, Desc=element.get("description") or name,
            AFRelationship=pikepdf.Name("/" + element.get("relationship", "Unspecified")),
            EF=pikepdf.Dictionary(F=made, UF=made),
        )
    )  # fmt: skip
    if "/Names" not in pdf.Root:
        pdf.Root.Names = pikepdf.Dictionary()
    if "/EmbeddedFiles" not in pdf.Root.Names:
        pdf.Root.Names.EmbeddedFiles = pdf.make_indirect(pikepdf.Dictionary(Names=pikepdf.Array()))
    pdf.Root.Names.EmbeddedFiles.Names.extend([pikepdf.String(name), spec])
    if "/AF" not in pdf.Root:
        pdf.Root.AF = pikepdf.Array()
    pdf.Root.AF.append(spec)


def _signature_field(pdf: pikepdf.Pdf, name: str, page: int, box: Sequence[float]) -> None:
    target = pdf.pages[page].obj
    field = pdf.make_indirect(
        pikepdf.Dictionary(
            Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Widget, FT=pikepdf.Name.Sig, T=name, F=4, P=target,
            Rect=pikepdf.Array([round(value, 3) for value in box]),
        )
    )  # fmt: skip
    if "/AcroForm" not in pdf.Root:
        pdf.Root.AcroForm = pdf.make_indirect(pikepdf.Dictionary(Fields=pikepdf.Array()))
    pdf.Root.AcroForm.Fields.append(field)
    if "/Annots" not in target:
        target.Annots = pikepdf.Array()
    target.Annots.append(field)


def _make_archive(pdf: pikepdf.Pdf, document: Element, order: Order) -> None:
    profile = pikepdf.Stream(pdf, _srgb())
    profile.N = 3
    intent = pikepdf.Dictionary(
        Type=pikepdf.Name.OutputIntent, S=pikepdf.Name("/GTS_PDFA1"), OutputConditionIdentifier="sRGB IEC61966-2.1",
        Info="sRGB IEC61966-2.1", DestOutputProfile=pdf.make_indirect(profile),
    )  # fmt: skip
    pdf.Root.OutputIntents = pikepdf.Array([pdf.make_indirect(intent)])
    moment = order.moment.isoformat() if order.moment is not None else None
    with pdf.open_metadata(set_pikepdf_as_editor=False, update_docinfo=False) as xmp:
        xmp.register_xml_namespace(_PDFA, "pdfaid")
        xmp[f"{{{_PDFA}}}part"], xmp[f"{{{_PDFA}}}conformance"] = "3", "B"
        xmp["pdf:Producer"], xmp["xmp:CreatorTool"] = "brickwork", "brickwork"
        for key, name in (("dc:title", "title"), ("dc:description", "subject")):
            if document.get(name):
                xmp[key] = document.get(name)
        if document.get("author"):
            xmp["dc:creator"] = [document.get("author")]
        if document.get("keywords"):
            xmp["pdf:Keywords"] = document.get("keywords")
        if moment is not None:
            xmp["xmp:CreateDate"] = xmp["xmp:ModifyDate"] = moment
    _agree(pdf, document, order)


def _agree(pdf: pikepdf.Pdf, document: Element, order: Order) -> None:
    """The document information says what the metadata say, and nothing else (ISO 19005-3, 6.6.3)."""
    info = {"/Producer": "brickwork", "/Creator": "brickwork"}
    names = {"/Title": "title", "/Author": "author", "/Subject": "subject", "/Keywords": "keywords"}
    info |= {key: document.get(name) for key, name in names.items() if document.get(name)}
    if order.moment is not None:
        info["/CreationDate"] = info["/ModDate"] = _date(order.moment)
    for key in list(pdf.docinfo.keys()):
        del pdf.docinfo[key]
    for key, value in info.items():
        pdf.docinfo[key] = value


def _date(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("D:%Y%m%d%H%M%S+00'00'")


@lru_cache(maxsize=1)
def _srgb() -> bytes:
    """The profile of sRGB, with its date of making left out, so that it is the same on each day."""
    from PIL import ImageCms

    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    content[24:36] = bytes((7, 208, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0))  # ICC.1, 7.2.10: 1 January 2000
    content[84:100] = bytes(16)  # the profile's id, which the date changes
    return bytes(content)
