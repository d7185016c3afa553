"""Destinations and outlines of a file that is about to be copied: names made unique, what leads nowhere cut, circles opened.

All is changed in the source, which is ours and in memory; copying then takes it along as it is.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import attrs

from brickwork.documents.packaging.library import library

if TYPE_CHECKING:
    import pikepdf

#: Levels of an outline that are kept.
_DEPTH = 32

#: A named destination: ("string", "intro") of the name tree, or ("name", "/intro") of the older dictionary.
Named = tuple[str, str]


def named_destinations(pdf: "pikepdf.Pdf") -> dict[Named, "pikepdf.Object"]:
    """Every named destination of a file."""
    pikepdf = library()
    found: dict[Named, Any] = {}
    names = pdf.Root.get("/Names")
    tree = names.get("/Dests") if isinstance(names, pikepdf.Dictionary) else None
    if isinstance(tree, pikepdf.Dictionary):
        found |= {("string", str(name)): value for name, value in pikepdf.NameTree(tree).items()}
    old = pdf.Root.get("/Dests")
    if isinstance(old, pikepdf.Dictionary):
        found |= {("name", str(name)): value for name, value in old.items()}
    return found


def target_page(value: Any) -> "pikepdf.Object | None":
    """The page object that a destination (array, or dictionary with /D) leads to."""
    pikepdf = library()
    array = value.get("/D") if isinstance(value, pikepdf.Dictionary) else value
    if isinstance(array, pikepdf.Array) and len(array) and isinstance(array[0], pikepdf.Dictionary):
        return array[0]  # type: ignore[no-any-return]
    return None


@attrs.frozen
class Bookmark:
    """An entry of the outline: how deep it lies (from 0), its title, and its page (from 0), if it leads to one."""

    level: int
    title: str
    page: int | None


def bookmarks(pdf: "pikepdf.Pdf") -> list[Bookmark]:
    """The outline, in reading order."""
    pikepdf = library()
    root = pdf.Root.get("/Outlines")
    if not isinstance(root, pikepdf.Dictionary) or not root.is_indirect:
        return []
    names = named_destinations(pdf)
    pages = {page.obj.objgen: n for n, page in enumerate(pdf.pages)}
    walk = References(pdf, names, {})
    return list(walk.entries(root, pages, 0))


@attrs.define
class References:
    """Goes through what refers to pages. `keep` are the pages that stay (None: all), `rename` the names that were taken."""

    pdf: "pikepdf.Pdf"
    names: dict[Named, "pikepdf.Object"]
    rename: dict[Named, str]
    keep: set[tuple[int, int]] | None = None
    _seen: set[tuple[int, int]] = attrs.field(factory=set, init=False)
    #: Whether a circle was found, or what is no entry: from then on every level is linked anew.
    _cut: bool = attrs.field(default=False, init=False)

    def mend_links(self, pages: "Iterable[pikepdf.Page]") -> int:
        """Rename in the annotations of `pages`, and remove links to pages that go; their number."""
        removed = 0
        for page in pages:
            annotations = page.obj.get("/Annots")
            if not isinstance(annotations, library().Array):
                continue
            dead = [n for n, annotation in enumerate(annotations) if not self._holds(annotation)]
            for n in reversed(dead):
                del annotations[n]
            removed += len(dead)
        return removed

    def mend_outline(self) -> int:
        """Prepare the outline for copying whole: the entries that it then shows."""
        pikepdf = library()
        root = self.pdf.Root.get("/Outlines")
        if not isinstance(root, pikepdf.Dictionary) or not root.is_indirect:
            return 0
        self._seen = {root.objgen}
        return self._level(root, 0)

    def _level(self, parent: Any, depth: int) -> int:
        """Keep those children of `parent` that lead to a page that stays; how many entries show when it is open."""
        items = list(self._children(parent)) if depth < _DEPTH else []
        kept, shown = [], 0
        for item in items:
            below = self._level(item, depth + 1) if "/First" in item else 0
            if "/SE" in item:
                del item["/SE"]
            if self._touches and not self._holds(item):
                if not below:
                    continue
                for key in ("/Dest", "/A"):
                    if key in item:
                        del item[key]
            open_now = below and not _closed(item)
            if self._touches and below:
                item.Count = below if open_now else -below
            kept.append(item)
            shown += 1 + (below if open_now else 0)
        if self._cut or len(kept) < len(items) or depth == _DEPTH:
            link(parent, kept)
        return shown

    def entries(self, parent: Any, pages: dict[tuple[int, int], int], level: int) -> Iterator[Bookmark]:
        """The entries below `parent`; `pages` are the numbers of the page objects."""
        pikepdf = library()
        for item in self._children(parent):
            action = item.get("/A")
            value = item.get("/Dest", action.get("/D") if isinstance(action, pikepdf.Dictionary) else None)
            if isinstance(value, pikepdf.String | pikepdf.Name):
                value = self.names.get(("string" if isinstance(value, pikepdf.String) else "name", str(value)))
            page = target_page(value)
            number = pages.get(page.objgen) if page is not None else None
            yield Bookmark(level, " ".join(str(item.get("/Title", "")).split()), number)
            if level < _DEPTH:
                yield from self.entries(item, pages, level + 1)

    @property
    def _touches(self) -> bool:
        return self.keep is not None or bool(self.rename)

    def _children(self, parent: Any) -> Iterator[Any]:
        pikepdf = library()
        item = parent.get("/First")
        while isinstance(item, pikepdf.Dictionary) and item.is_indirect:
            if (identity := item.objgen) in self._seen:
                self._cut = True
                return
            self._seen.add(identity)
            yield item
            item = item.get("/Next")
        self._cut = self._cut or item is not None

    def _holds(self, holder: Any) -> bool:
        """Rename the destination of an annotation or outline entry; whether it leads to a page that stays, or elsewhere."""
        pikepdf = library()
        if not isinstance(holder, pikepdf.Dictionary):
            return False
        owner, key = holder, "/Dest"
        if key not in holder:
            action = holder.get("/A")
            if not isinstance(action, pikepdf.Dictionary) or action.get("/S") != "/GoTo":
                return True
            owner, key = action, "/D"
            if "/SD" in action:
                del action["/SD"]
        return self._destination(owner, key)

    def _destination(self, owner: Any, key: str) -> bool:
        pikepdf = library()
        value = owner.get(key)
        if isinstance(value, pikepdf.String | pikepdf.Name):
            kind, text = ("string" if isinstance(value, pikepdf.String) else "name"), str(value)
            if new := self.rename.get((kind, text)):
                owner[key] = pikepdf.String(new) if kind == "string" else pikepdf.Name(new)
            if (kind, text) not in self.names:
                return True  # leads nowhere in the file as it was
            value = self.names[(kind, text)]
        if self.keep is None:
            return True
        page = target_page(value)
        return page is None or page.objgen in self.keep


def _closed(item: Any) -> bool:
    count = item.get("/Count")
    return isinstance(count, int) and count < 0


def link(parent: Any, items: list[Any]) -> None:
    """Make `items` the children of an outline entry, or of the outline."""
    for key in ("/First", "/Last"):
        if key in parent:
            del parent[key]
    if not items:
        return
    parent.First, parent.Last = items[0], items[-1]
    for item, before, after in zip(items, [None, *items], [*items[1:], None], strict=False):
        item.Parent = parent
        for key, other in (("/Prev", before), ("/Next", after)):
            if other is not None:
                item[key] = other
            elif key in item:
                del item[key]
