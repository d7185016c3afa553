"""What tells a document's text besides its pages: metadata, outline, field values, tags, attachments, layers that are off."""

import re
from collections.abc import Sequence
from typing import Any

from brickwork.documents.packaging.library import library

#: Removed text that is shorter is not looked for elsewhere: it would be found in every word.
_SHORTEST = 5
_BLANK = "█████"


def hidden_layers(pdf: Any) -> set[tuple[int, int]]:
    """The layers that are off when the document is opened (ISO 32000-2, 8.11.4.3)."""
    pikepdf = library()
    properties = pdf.Root.get("/OCProperties")
    default = properties.get("/D") if isinstance(properties, pikepdf.Dictionary) else None
    if not isinstance(default, pikepdf.Dictionary):
        return set()
    every = {group.objgen for group in properties.get("/OCGs", pikepdf.Array())}
    on = {group.objgen for group in default.get("/ON", pikepdf.Array())}
    off = {group.objgen for group in default.get("/OFF", pikepdf.Array())}
    return (every - on) | off if default.get("/BaseState") == "/OFF" else off


def strip(pdf: Any, *, metadata: bool, attachments: bool) -> None:
    """Remove what programs keep beside the pages: private data, thumbnails, indices, tags, and metadata and attachments."""
    pikepdf = library()
    sanitizer = pikepdf.sanitize.Sanitizer().remove_private_app_data().remove_thumbnails().remove_search_index()
    sanitizer.remove_web_capture().remove_javascript()
    if attachments:
        sanitizer.remove_attachments().remove_collection()
    sanitizer.apply(pdf)
    for key in ("/StructTreeRoot", "/MarkInfo", *(("/Metadata",) if metadata else ())):
        if key in pdf.Root:
            del pdf.Root[key]
    if metadata and "/Info" in pdf.trailer:
        del pdf.trailer["/Info"]
    form = pdf.Root.get("/AcroForm")
    if isinstance(form, pikepdf.Dictionary) and "/XFA" in form:
        del form["/XFA"]
    for item in pdf.objects:
        if isinstance(item, pikepdf.Dictionary | pikepdf.Stream):
            for key in ("/StructParents", "/StructParent", *(("/Metadata",) if metadata else ())):
                if key in item:
                    del item[key]


def remove_annotations(pdf: Any, page: Any, going: Sequence[Any]) -> None:
    """Remove annotations of a page: with their pop-ups, and form fields with their values."""
    pikepdf = library()
    identities = {annotation.objgen for annotation in going}
    stay = []
    for annotation in page.obj.Annots:
        parent = annotation.get("/Parent") if annotation.get("/Subtype") == "/Popup" else annotation.get("/IRT")
        if annotation.objgen not in identities and not (isinstance(parent, pikepdf.Dictionary) and parent.objgen in identities):
            stay.append(annotation)
    page.obj.Annots = pdf.make_indirect(pikepdf.Array(stay))
    for annotation in going:
        if annotation.get("/Subtype") == "/Widget":
            _empty_field(pdf, annotation)
        for key in set(annotation.keys()) - {"/Type", "/Subtype", "/Rect", "/Parent", "/Kids", "/T", "/FT"}:
            del annotation[key]  # whatever still refers to it finds nothing


def _empty_field(pdf: Any, widget: Any) -> None:
    """Remove a widget from its field, and the value from that; a field without widgets goes."""
    pikepdf = library()
    node = widget
    for _ in range(32):
        parent = node.get("/Parent")
        for key in ("/V", "/DV", "/RV", "/TU", "/Opt"):
            if key in node:
                del node[key]
        siblings = parent.get("/Kids") if isinstance(parent, pikepdf.Dictionary) else None
        if siblings is None:
            form = pdf.Root.get("/AcroForm", pikepdf.Dictionary())
            _without(form, "/Fields", node)
            return
        _without(parent, "/Kids", node)
        if len(parent.get("/Kids", pikepdf.Array())) and "/FT" not in parent:
            return
        if len(parent.get("/Kids", pikepdf.Array())):
            for key in ("/V", "/DV", "/RV"):
                if key in parent:
                    del parent[key]
            return
        node = parent


def _without(holder: Any, key: str, item: Any) -> None:
    pikepdf = library()
    if isinstance(holder.get(key), pikepdf.Array):
        holder[key] = pikepdf.Array([other for other in holder[key] if other.objgen != item.objgen])


def patterns_of(removed: Sequence[str]) -> list[re.Pattern[str]]:
    """Patterns for texts that were taken off a page, to find them elsewhere."""
    texts = {" ".join(text.split()) for text in removed}
    long = sorted((text for text in texts if len(text) >= _SHORTEST), key=len, reverse=True)
    return [re.compile(r"(?<!\w)" + r"\s+".join(map(re.escape, text.split())) + r"(?!\w)", re.IGNORECASE) for text in long]


def sweep(pdf: Any, patterns: Sequence[re.Pattern[str]]) -> int:
    """Blank what matches in every string of the file: titles of the outline, values of fields, notes; their number."""
    pikepdf = library()
    count = 0
    for item in pdf.objects:
        pending = [item]
        while pending:
            holder = pending.pop()
            for key, value in _entries(holder):
                if isinstance(value, pikepdf.String) and (blanked := _blank(str(value), patterns)) is not None:
                    holder[key] = pikepdf.String(blanked)
                    count += 1
                elif isinstance(value, pikepdf.Dictionary | pikepdf.Array) and not value.is_indirect:
                    pending.append(value)
        if isinstance(item, pikepdf.Stream) and item.get("/Type") == "/Metadata":
            text = _blank(item.read_bytes().decode("utf-8", "replace"), patterns)
            if text is not None:
                item.write(text.encode())
                count += 1
    return count + _sweep_destinations(pdf, patterns)


def _entries(holder: Any) -> list[tuple[Any, Any]]:
    pikepdf = library()
    if isinstance(holder, pikepdf.Dictionary | pikepdf.Stream):
        return list(holder.items())
    return list(enumerate(holder)) if isinstance(holder, pikepdf.Array) else []


def _sweep_destinations(pdf: Any, patterns: Sequence[re.Pattern[str]]) -> int:
    """Named destinations have their names as keys, and those of the older kind as names: what matches leads nowhere then."""
    pikepdf = library()
    count = 0
    old = pdf.Root.get("/Dests")
    for key in list(old.keys()) if isinstance(old, pikepdf.Dictionary) else []:
        if _blank(key, patterns) is not None:
            del old[key]
            count += 1
    for item in pdf.objects:
        for key in ("/Dest", "/D") if isinstance(item, pikepdf.Dictionary) else ():
            if isinstance(value := item.get(key), pikepdf.Name) and _blank(str(value), patterns) is not None:
                del item[key]
                count += 1
    names = pdf.Root.get("/Names")
    for key in ("/Dests", "/EmbeddedFiles") if isinstance(names, pikepdf.Dictionary) else ():
        if isinstance(names.get(key), pikepdf.Dictionary):  # its order may have changed with its names
            entries = dict(pikepdf.NameTree(names[key]).items())
            tree = pikepdf.NameTree.new(pdf)
            for name, value in entries.items():
                tree[name] = value
            names[key] = tree.obj
    return count


def _blank(text: str, patterns: Sequence[re.Pattern[str]]) -> str | None:
    new = text
    for pattern in patterns:
        new = pattern.sub(lambda match: _BLANK if match[0] else "", new)
    return new if new != text else None
