"""The tree of a document."""

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

Node = "Element | str"


@attrs.frozen(slots=True)
class Element:
    """An element with its attributes as values of their types, and what is in it: text and further elements."""

    tag: str
    attributes: Mapping[str, Any]
    children: "tuple[Element | str, ...]"
    #: Where it begins in the source, counted from 1.
    line: int = 0

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute's value."""
        return self.attributes.get(name, default)

    def elements(self, *tags: str) -> "Iterator[Element]":
        """The elements directly in it, those called one of `tags` or all."""
        for child in self.children:
            if isinstance(child, Element) and (not tags or child.tag in tags):
                yield child

    def first(self, tag: str) -> "Element | None":
        """The first element of that name directly in it."""
        return next(self.elements(tag), None)

    def walk(self) -> "Iterator[Element]":
        """It and all elements in it, in the order of the source."""
        yield self
        for child in self.children:
            if isinstance(child, Element):
                yield from child.walk()

    def text(self) -> str:
        """All text in it."""
        return "".join(
            child if isinstance(child, str) else "\n" if child.tag == "br" else child.text() for child in self.children
        )
