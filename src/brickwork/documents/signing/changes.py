"""What was done to a document after a signature, by kind of object."""

from collections.abc import Iterable, Iterator
from typing import Any

import attrs
from pyhanko.pdf_utils import generic

from brickwork.documents.signing.objects import Objects, annotation_kind, pages_of, shape
from brickwork.documents.signing.opening import entry
from brickwork.documents.signing.report import Change
from brickwork.errors import DocumentUnreadableError

#: What verification and archiving add; every signature allows it.
UPKEEP = frozenset({"validation_data_added", "timestamp_added", "metadata_changed"})
#: What filling in a form is.
FILLING = frozenset({"field_filled", "field_appearance_changed", "signature_added", "signature_field_added"})
ANNOTATING = frozenset({"annotation_added", "annotation_changed", "annotation_removed"})
_CATALOG = {
    "/DSS": "validation_data_added", "/Metadata": "metadata_changed", "/OpenAction": "actions_changed", "/AA": "actions_changed",
    "/AF": "attachments_changed", "/Collection": "attachments_changed", "/OCProperties": "layers_changed",
    "/StructTreeRoot": "structure_changed", "/Outlines": "navigation_changed", "/Dests": "navigation_changed",
    "/PageLabels": "navigation_changed", "/PageMode": "navigation_changed", "/ViewerPreferences": "navigation_changed",
}  # fmt: skip
_NAMES = {"/EmbeddedFiles": "attachments_changed", "/JavaScript": "actions_changed"}
#: Told elsewhere, or of no weight.
_ELSEWHERE = frozenset({"/Pages", "/AcroForm", "/Names", "/Type", "/Version", "/Extensions", "/MarkInfo", "/Perms"})
_CONTENT = ("/Contents", "/Resources", "/MediaBox", "/CropBox", "/Rotate", "/UserUnit", "/Group", "/AA", "/Tabs")
_INHERITED = ("/Resources", "/MediaBox", "/CropBox", "/Rotate")
_APPEARANCE = frozenset({"/AP", "/AS", "/MK", "/DA"})
_DEPTH = 32


def changes_between(old: Any, new: Any, touched: Iterable[Any]) -> list[Change]:
    """What differs between two revisions of a document, as pyHanko's resolvers of them; `touched` are the objects that were
    written since the old one."""
    before, after = Objects(old), Objects(new)
    changed = {
        (ref.idnum, ref.generation)
        for ref in touched
        if not old.is_ref_unassignable(ref) and shape(before.get(ref)) != shape(after.get(ref))
    }
    comparison = _Comparison(before, after, changed)
    found = [*comparison.pages(), *comparison.form(), *comparison.catalog()]
    return list(dict.fromkeys(found))


class _Comparison:
    def __init__(self, before: Objects, after: Objects, changed: set[tuple[int, int]]) -> None:
        self._before, self._after, self._changed = before, after, changed
        self._old_pages, self._new_pages = pages_of(before), pages_of(after)
        before.stops |= {ref for ref, _ in self._old_pages} | before.tree
        after.stops |= {ref for ref, _ in self._new_pages} | after.tree
        self._old_fields, self._new_fields = _fields(before), _fields(after)
        self._widgets = {ref for fields in (self._old_fields, self._new_fields) for one in fields.values() for ref in one.widgets}

    # -- pages ---------------------------------------------------------------------------------------------------------

    def pages(self) -> Iterator[Change]:
        old, new = [ref for ref, _ in self._old_pages], [ref for ref, _ in self._new_pages]
        for number, ref in enumerate(new, 1):
            if ref not in old:
                yield Change("page_added", page=number)
        for number, ref in enumerate(old, 1):
            if ref not in new:
                yield Change("page_removed", page=number)
        if [ref for ref in old if ref in new] != [ref for ref in new if ref in old]:
            yield Change("pages_reordered")
        there = {ref: (number, page) for number, (ref, page) in enumerate(self._new_pages, 1)}
        for ref, page in self._old_pages:
            if ref in there:
                number, after = there[ref]
                yield from self._page(page, after, number)

    def _page(self, old: Any, new: Any, number: int) -> Iterator[Change]:
        values = [(_inherited(old, key), _inherited(new, key)) for key in _CONTENT]
        if any(shape(a) != shape(b) or self._differs(a, b) for a, b in values):
            yield Change("content_changed", page=number)
        yield from self._annotations(old, new, number)

    def _annotations(self, old: Any, new: Any, number: int) -> Iterator[Change]:
        before, after = _annotations(old), _annotations(new)
        for key, one in after.items():
            if key in self._widgets:
                continue
            if key not in before:
                yield Change("annotation_added", annotation_kind(one), number)
            elif shape(before[key]) != shape(one) or self._differs(before[key], one):
                yield Change("annotation_changed", annotation_kind(one), number)
        for key, one in before.items():
            if key not in after and key not in self._widgets:
                yield Change("annotation_removed", annotation_kind(one), number)

    # -- the form ------------------------------------------------------------------------------------------------------

    def form(self) -> Iterator[Change]:
        for name, new in self._new_fields.items():
            old = self._old_fields.get(name)
            if old is None:
                yield from self._new_field(name, new)
            else:
                yield from self._field(name, old, new)
        for name in self._old_fields:
            if name not in self._new_fields:
                yield Change("field_removed", name)
        before, after = (entry(one.root, "/AcroForm", {}) for one in (self._before, self._after))
        if any(shape(_raw(before, key)) != shape(_raw(after, key)) for key in ("/XFA", "/CO", "/NeedAppearances")):
            yield Change("form_changed")

    def _new_field(self, name: str, new: "_Field") -> Iterator[Change]:
        if new.type != "/Sig":
            yield Change("field_added", name)
        elif new.value is None:
            yield Change("signature_field_added", name)
        else:
            yield Change(_signature_kind(new), name)

    def _field(self, name: str, old: "_Field", new: "_Field") -> Iterator[Change]:
        if old.type != new.type:
            yield Change("field_changed", name)
        elif shape(old.value) != shape(new.value) or self._differs(old.value, new.value):
            if new.type != "/Sig":
                yield Change("field_filled", name)
            else:
                yield Change(_signature_kind(new) if old.value is None else "signature_changed", name)
        elif shape(old.rest) != shape(new.rest):
            yield Change("field_changed", name)
        elif shape(old.looks) != shape(new.looks) or self._differs(old.looks, new.looks):
            yield Change("field_appearance_changed", name)

    # -- the catalog ---------------------------------------------------------------------------------------------------

    def catalog(self) -> Iterator[Change]:
        old, new = self._before.root, self._after.root
        for key in sorted({*old, *new} - _ELSEWHERE):
            if self._entry_differs(old, new, key):
                yield Change(_CATALOG.get(key, "catalog_changed"), None if key in _CATALOG else key.lstrip("/"))
        old_names, new_names = entry(old, "/Names", {}), entry(new, "/Names", {})
        for key in sorted({*old_names, *new_names}):
            if self._entry_differs(old_names, new_names, key):
                yield Change(_NAMES.get(key, "navigation_changed"))
        if self._entry_differs(self._before.trailer, self._after.trailer, "/Info"):
            yield Change("metadata_changed")

    def _entry_differs(self, old: Any, new: Any, key: str) -> bool:
        a, b = _raw(old, key), _raw(new, key)
        return shape(a) != shape(b) or self._differs(a, b)

    def _differs(self, old: Any, new: Any) -> bool:
        """Whether anything below the two was written anew with another content."""
        return not self._changed.isdisjoint(self._before.below(old)) or not self._changed.isdisjoint(self._after.below(new))


@attrs.frozen
class _Field:
    type: str
    value: Any
    rest: Any
    looks: Any
    widgets: tuple[Any, ...]


def _fields(objects: Objects) -> dict[str, _Field]:
    """The fields of the form by their full names."""
    found: dict[str, _Field] = {}
    seen: set[Any] = set()

    def walk(items: Any, prefix: str, kind: str, depth: int) -> None:
        if depth > _DEPTH:
            raise DocumentUnreadableError("the form's fields lie too deep in each other")
        for item in items:
            key, field = objects.key(item), item.get_object() if hasattr(item, "get_object") else item
            if not isinstance(field, generic.DictionaryObject) or key in seen:
                continue
            seen.add(key)
            name = ".".join(part for part in (prefix, str(entry(field, "/T", ""))) if part)
            own = str(entry(field, "/FT", kind))
            kids = entry(field, "/Kids", ())
            named = [kid for kid in kids if "/T" in kid.get_object()]
            if named:
                walk(named, name, own, depth + 1)
            else:
                found[name] = _one(objects, field, key, own, kids)

    walk(entry(entry(objects.root, "/AcroForm", {}), "/Fields", ()), "", "", 0)
    return found


def _one(objects: Objects, field: Any, key: Any, kind: str, kids: Any) -> _Field:
    widgets = [field, *(kid.get_object() for kid in kids)]
    skipped = _APPEARANCE | {"/V", "/M", "/Kids", "/P", "/Parent"}
    rest = [{name: value for name, value in one.items() if name not in skipped} for one in widgets]
    looks = [{name: value for name, value in one.items() if name in _APPEARANCE} for one in widgets]
    return _Field(kind, _raw(field, "/V"), rest, looks, (key, *(objects.key(kid) for kid in _items(kids))))


def _items(array: Any) -> list[Any]:
    return [array.raw_get(n) for n in range(len(array))] if isinstance(array, generic.ArrayObject) else list(array)


def _raw(dictionary: Any, key: str) -> Any:
    if key not in dictionary:
        return None
    return dictionary.raw_get(key) if hasattr(dictionary, "raw_get") else dictionary[key]


def _inherited(page: Any, key: str) -> Any:
    node, depth = page, 0
    while key in _INHERITED and key not in node and "/Parent" in node and depth < _DEPTH:
        node, depth = node["/Parent"], depth + 1
    return _raw(node, key)


def _annotations(page: Any) -> dict[Any, Any]:
    """The annotations of a page by their reference, or by what they are where they have none."""
    found = {}
    for item in _items(entry(page, "/Annots", ())):
        value = item.get_object() if isinstance(item, generic.IndirectObject) else item
        if isinstance(value, generic.DictionaryObject):
            found[Objects.key(item)] = value
    return found


def _signature_kind(field: _Field) -> str:
    value = field.value.get_object() if hasattr(field.value, "get_object") else field.value
    return "timestamp_added" if entry(value, "/Type") == "/DocTimeStamp" else "signature_added"
