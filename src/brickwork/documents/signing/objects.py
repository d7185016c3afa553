"""A revision of a document as a graph of objects: what is below one, what it looks like, which pages there are."""

from typing import Any

from pyhanko.pdf_utils import generic

from brickwork.documents.signing.opening import entry
from brickwork.errors import DocumentUnreadableError

_DEPTH = 64
#: Ways back up, which lead to everything.
_UP = frozenset({"/Parent", "/P", "/StructParent", "/StructParents", "/Popup", "/IRT", "/Dest"})


class Objects:
    """The objects of one revision."""

    def __init__(self, resolver: Any) -> None:
        self._resolver = resolver
        self.root = resolver.root
        self.trailer = resolver.trailer_view
        catalog = resolver.root_ref
        #: Objects that are not looked below: the catalog, pages, and the nodes of their tree.
        self.stops: set[Any] = {(catalog.idnum, catalog.generation)}
        self.tree: set[Any] = set()

    def get(self, ref: Any) -> Any:
        return self._resolver(ref)

    @staticmethod
    def key(value: Any) -> Any:
        """What tells an object in all revisions: its number, or where it has none, what it looks like."""
        return (value.idnum, value.generation) if isinstance(value, generic.IndirectObject) else shape(value)

    def below(self, value: Any) -> set[Any]:
        """The numbers of all objects that a value leads to, without those on the way up or across to pages."""
        found: set[Any] = set()
        left = [value]
        while left:
            one = left.pop()
            if isinstance(one, generic.IndirectObject):
                key = (one.idnum, one.generation)
                if key in found or key in self.stops:
                    continue
                found.add(key)
                one = self._resolver(one.reference)
            if isinstance(one, dict):
                left += [item for name, item in one.items() if name not in _UP]
            elif isinstance(one, list):
                left += list(one)
        return found


def pages_of(objects: Objects) -> list[tuple[Any, Any]]:
    """The pages in their order, each with what tells it and its dictionary."""
    found: list[tuple[Any, Any]] = []
    seen: set[Any] = set()

    def walk(item: Any, depth: int) -> None:
        key = Objects.key(item)
        if key in seen or depth > _DEPTH:
            raise DocumentUnreadableError("the page tree goes round in a circle")
        seen.add(key)
        node = item.get_object() if isinstance(item, generic.IndirectObject) else item
        if "/Kids" in node:
            objects.tree.add(key)
            kids = node["/Kids"]
            for n in range(len(kids)):
                walk(kids.raw_get(n), depth + 1)
        else:
            found.append((key, node))

    walk(objects.root.raw_get("/Pages"), 0)
    return found


def shape(value: Any) -> Any:
    """A value to compare: equal where two objects say the same, references by their numbers."""
    if isinstance(value, generic.IndirectObject):
        return ("ref", value.idnum, value.generation)
    if isinstance(value, generic.StreamObject):
        return ("stream", frozenset((key, shape(one)) for key, one in value.items()), value.encoded_data)
    if isinstance(value, dict):
        return ("dict", frozenset((key, shape(one)) for key, one in value.items()))
    if isinstance(value, list | tuple):
        return ("list", tuple(shape(one) for one in value))
    if isinstance(value, generic.TextStringObject | generic.ByteStringObject):
        return ("string", value.original_bytes)
    return (type(value).__name__, str(value))


def annotation_kind(annotation: Any) -> str:
    return str(entry(annotation, "/Subtype", "/Unknown")).lstrip("/")
