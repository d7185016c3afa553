"""Plain text of a document: for mail, terminals and who has it read aloud."""

import textwrap
import unicodedata
from collections.abc import Iterator

from brickwork.documents.markup.elements import INLINE
from brickwork.documents.markup.nodes import Element
from brickwork.documents.port import Order
from brickwork.errors import UnsupportedError

#: Columns of a line.
WIDTH = 76
_MARKED = {"b": "*", "i": "_"}


class TextRenderer:
    """Text in lines of 76 columns, tables in columns. What has no words, such as images, shows what it says of itself."""

    media_type = "text/plain; charset=utf-8"
    capabilities = frozenset({"alternatives"})

    def render(self, document: Element, order: Order) -> bytes:
        """The text. Raises `UnsupportedError` for archives and attachments."""
        if order.archive or document.first("attachment") is not None:
            raise UnsupportedError("text has no archive form and no attachments; make a PDF")
        blocks = [block for block in _blocks(document, WIDTH) if block.strip()]
        return ("\n\n".join(blocks) + "\n").encode()


def _blocks(element: Element, width: int) -> Iterator[str]:
    loose: list[Element | str] = []
    for child in element.children:
        if isinstance(child, str) or child.tag in INLINE:
            loose.append(child)
            continue
        if loose:
            yield _wrapped(_words(loose), width)
            loose = []
        yield from _block(child, width)
    if loose:
        yield _wrapped(_words(loose), width)


def _block(element: Element, width: int) -> Iterator[str]:
    tag = element.tag
    if tag in ("h1", "h2", "h3", "h4"):
        title = _words(element.children).upper() if tag == "h1" else _words(element.children)
        text = _wrapped(title, width)
        yield f"{text}\n{('=' if tag == 'h1' else '-') * min(max(map(_wide, text.splitlines()), default=0), width)}"
    elif tag == "p":
        yield _wrapped(_words(element.children), width)
    elif tag in ("ul", "ol"):
        yield "\n".join(_items(element, width))
    elif tag == "table":
        yield _table(element, width)
    elif tag == "hr":
        yield "-" * width
    elif tag in ("img", "chart"):
        yield f"[{element.get('alt') or element.get('title') or tag}]"
    elif tag in ("barcode", "qr"):
        yield element.get("value")
    elif tag == "field":
        yield f"[{element.get('tooltip') or element.get('name')}: {element.get('value', '')}]"
    elif tag in ("columns", "column", "box"):
        yield from _blocks(element, width)


def _items(element: Element, width: int) -> Iterator[str]:
    for number, item in enumerate(element.elements("li"), start=element.get("start", 1)):
        mark = f"{number}. " if element.tag == "ol" else "- "
        text = "\n".join(_blocks(item, width - len(mark)))
        yield textwrap.indent(text, " " * len(mark)).replace(" " * len(mark), mark, 1)


def _table(element: Element, width: int) -> str:
    groups = [*element.elements("thead"), *element.elements("tbody"), *element.elements("tfoot")]
    heads = [row for group in element.elements("thead") for row in group.elements("tr")]
    rows = [row for group in groups for row in group.elements("tr")] + list(element.elements("tr"))
    cells = [_cells(row) for row in rows]
    count = max(map(len, cells), default=0)
    aligns = element.get("aligns", ())
    wide = [max((_wide(row[at]) for row in cells if at < len(row)), default=0) for at in range(count)]
    while sum(wide) + 2 * (count - 1) > width and max(wide, default=0) > 8:
        wide[wide.index(max(wide))] -= 1
    lines: list[str] = []
    for number, row in enumerate(cells):
        lines += _lines(row, wide, aligns)
        if number == len(heads) - 1:
            lines.append("  ".join("-" * one for one in wide))
    return "\n".join(lines)


def _cells(row: Element) -> list[str]:
    found: list[str] = []
    for cell in row.elements("td", "th"):
        found += [""] * (cell.get("colspan", 1) - 1) + [" ".join(" ".join(_blocks(cell, WIDTH)).split())]
    return found


def _lines(row: list[str], wide: list[int], aligns: tuple[str, ...]) -> Iterator[str]:
    parts = [_wrapped(text, max(wide[at], 1)).splitlines() or [""] for at, text in enumerate(row)]
    for line in range(max(map(len, parts), default=0)):
        shown = []
        for at, part in enumerate(parts):
            text = part[line] if line < len(part) else ""
            gap = " " * (wide[at] - _wide(text))
            right = at < len(aligns) and aligns[at] in ("right", "decimal")
            shown.append(gap + text if right else text + gap)
        yield "  ".join(shown).rstrip()


def _words(children: "tuple[Element | str, ...] | list[Element | str]") -> str:
    """Inline content as text: what is stressed is marked, a link is followed by where it leads."""
    parts: list[str] = []
    for child in children:
        if isinstance(child, str):
            parts.append(child)
        elif child.tag == "br":
            parts.append("\n")
        elif child.tag == "a" and not child.get("href").startswith("#"):
            text, target = _words(child.children), child.get("href").removeprefix("mailto:")
            parts.append(text if text == target else f"{text} ({target})")
        elif child.tag not in ("page", "pages"):
            mark = _MARKED.get(child.tag, "")
            parts.append(f"{mark}{_words(child.children)}{mark}")
    return "".join(parts)


def _wrapped(text: str, width: int) -> str:
    """Lines of a width; ideographs count twice (UAX 11)."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line, used = "", 0
        for word in paragraph.split():
            wide = _wide(word)
            if line and used + 1 + wide > width:
                lines.append(line)
                line, used = "", 0
            line, used = (f"{line} {word}", used + 1 + wide) if line else (word, wide)
        if line or paragraph.strip():
            lines.append(line)
    return "\n".join(lines)


def _wide(text: str) -> int:
    return len(text) if text.isascii() else sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)
