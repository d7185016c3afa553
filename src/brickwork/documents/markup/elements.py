"""What elements there are, what may stand in them, and what their attributes take. docs/reference/markup.md says it in words."""

import re
from collections.abc import Callable
from typing import Any

import attrs

Read = Callable[[str], Any]
#: Points in a unit of length.
UNITS = {"pt": 1.0, "mm": 72 / 25.4, "cm": 720 / 25.4, "in": 72.0, "px": 0.75}
_LENGTH = re.compile(r"(\d{1,5}(?:\.\d{1,4})?)(pt|mm|cm|in|px)?\Z")
_COLOUR = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})\Z")
_NAME = re.compile(r"[A-Za-z][\w.-]{0,99}\Z")


@attrs.frozen
class Share:
    """A width that depends on the space there is: `percent` of it, or `parts` of what the others leave."""

    percent: float = 0.0
    parts: float = 0.0


@attrs.frozen
class Kind:
    """An element: its attributes, those that it must have, and what may stand in it."""

    attributes: dict[str, Read]
    inside: frozenset[str]
    needs: tuple[str, ...] = ()
    text: bool = False


def length(value: str) -> float:
    """ "12", "12pt", "20mm", "1.5cm", "1in" or "16px", in points (at most 14,400, the largest page that PDF knows)."""
    found = _LENGTH.match(value.strip())
    points = float(found[1]) * UNITS[found[2] or "pt"] if found else -1
    if not 0 <= points <= 14_400:
        raise ValueError("a length such as 12pt, 20mm or 1.5cm")
    return points


def width(value: str) -> "float | Share":
    """A length, a percentage, "*" or "2*"."""
    value = value.strip()
    if value.endswith("*"):
        return Share(parts=_number(value[:-1] or "1", 0.01, 1000))
    if value.endswith("%"):
        return Share(percent=_number(value[:-1], 0.01, 100))
    return length(value)


def widths(value: str) -> "tuple[float | Share, ...]":
    """Widths of columns, separated by spaces."""
    found = tuple(width(one) for one in value.split())
    if not 0 < len(found) <= 100:
        raise ValueError("1 to 100 widths such as 20mm, 30% or *")
    return found


def lengths(value: str) -> tuple[float, float, float, float]:
    """One, two or four lengths: all sides; top and bottom, left and right; top, right, bottom, left."""
    found = [length(one) for one in value.split()]
    if len(found) == 1:
        found *= 4
    elif len(found) == 2:
        found *= 2
    if len(found) != 4:
        raise ValueError("one, two or four lengths")
    return found[0], found[1], found[2], found[3]


def colour(value: str) -> str:
    """A colour as "#1a2b3c", or the name of one in the theme."""
    if not (_COLOUR.match(value) or _NAME.match(value)):
        raise ValueError("a colour such as #7a3b12, or the name of one in the theme")
    return value


def name(value: str) -> str:
    """A name of letters, digits, dots, underscores and hyphens."""
    if not _NAME.match(value):
        raise ValueError("a name of up to 100 letters, digits, dots, underscores and hyphens that begins with a letter")
    return value


def any_text(value: str) -> str:
    """Text of up to 2,000 characters."""
    if len(value) > 2000:
        raise ValueError("up to 2,000 characters")
    return value


def number(least: float, most: float) -> Read:
    """A number between two."""
    return lambda value: _number(value, least, most)


def whole(least: int, most: int) -> Read:
    """A whole number between two."""

    def read(value: str) -> int:
        if not re.fullmatch(r"\d{1,6}", value) or not least <= int(value) <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return int(value)

    return read


def one_of(*words: str) -> Read:
    """One of some words."""

    def read(value: str) -> str:
        if value not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return value

    return read


def yes(value: str) -> bool:
    """ "true" or "false"."""
    if value not in ("true", "false"):
        raise ValueError("true or false")
    return value == "true"


def link(value: str) -> str:
    """A URL that a click may open, or "#name" of a place in the document."""
    if not re.match(r"(?:https?://|mailto:|tel:|#)[^\s]{1,2000}\Z", value):
        raise ValueError("an address that begins with https://, http://, mailto:, tel: or #")
    return value


def numbers(value: str) -> tuple[float, ...]:
    """Numbers, separated by spaces or commas."""
    found = tuple(_number(one, -1e15, 1e15) for one in re.split(r"[\s,]+", value.strip()))
    if len(found) > 1000:
        raise ValueError("up to 1,000 numbers")
    return found


def labels(value: str) -> tuple[str, ...]:
    """Texts, separated by "|"."""
    found = tuple(one.strip() for one in value.split("|"))
    if len(found) > 1000:
        raise ValueError("up to 1,000 labels")
    return found


def _number(value: str, least: float, most: float) -> float:
    try:
        found = float(value)
    except ValueError:
        found = float("nan")
    if not least <= found <= most:
        raise ValueError(f"a number from {least:g} to {most:g}")
    return found


def aligns(value: str) -> tuple[str, ...]:
    """The alignment of each column, separated by spaces."""
    return tuple(_ALIGN(one) for one in value.split())


_ALIGN = one_of("left", "right", "center", "justify", "decimal")
_VALIGN = one_of("top", "middle", "bottom")
_KEEP = one_of("together", "next")
_COMMON: dict[str, Read] = {"class": name}
_BLOCK: dict[str, Read] = {**_COMMON, "id": name, "keep": _KEEP}
_STYLED: dict[str, Read] = {**_BLOCK, "align": _ALIGN, "color": colour, "size": length, "dir": one_of("ltr", "rtl")}

INLINE = frozenset({"b", "i", "u", "s", "code", "sub", "sup", "small", "br", "a", "span", "page", "pages"})
BLOCKS = frozenset(
    {"h1", "h2", "h3", "h4", "p", "ul", "ol", "table", "img", "chart", "barcode", "qr", "columns", "box", "spacer", "pagebreak",
     "hr", "toc", "field"}
)  # fmt: skip
_ROWS = frozenset({"tr"})
_CELL: dict[str, Read] = {
    **_COMMON, "align": _ALIGN, "valign": _VALIGN, "colspan": whole(1, 100), "rowspan": whole(1, 1000), "background": colour,
    "color": colour, "width": width, "value": number(-1e15, 1e15),
}  # fmt: skip
_inline = Kind(_COMMON, INLINE, text=True)
_heading = Kind({**_STYLED, "bookmark": yes}, INLINE, text=True)

KINDS: dict[str, Kind] = {
    "document": Kind(
        {"title": any_text, "author": any_text, "subject": any_text, "keywords": any_text, "lang": name,
         "page": one_of("A3", "A4", "A5", "letter", "legal"), "orientation": one_of("portrait", "landscape"), "margin": lengths,
         "dir": one_of("ltr", "rtl")},
        BLOCKS | {"header", "footer", "attachment"},
    ),
    "header": Kind({**_COMMON, "height": length, "first": yes}, BLOCKS),
    "footer": Kind({**_COMMON, "height": length, "first": yes}, BLOCKS),
    **dict.fromkeys(("h1", "h2", "h3", "h4"), _heading),
    "p": Kind(_STYLED, INLINE, text=True),
    **dict.fromkeys(("b", "i", "u", "s", "code", "sub", "sup", "small"), _inline),
    "span": Kind({**_COMMON, "color": colour, "size": length, "font": name}, INLINE, text=True),
    "a": Kind({**_COMMON, "href": link}, INLINE, ("href",), text=True),
    **dict.fromkeys(("br", "page", "pages"), Kind({}, frozenset())),
    "ul": Kind(_BLOCK, frozenset({"li"})),
    "ol": Kind({**_BLOCK, "start": whole(0, 99_999), "type": one_of("1", "a", "A", "i", "I")}, frozenset({"li"})),
    "li": Kind(_COMMON, INLINE | BLOCKS, text=True),
    "table": Kind(
        {**_BLOCK, "widths": widths, "width": width, "border": one_of("none", "rows", "all", "outer"), "zebra": yes,
         "size": length,
         "align": one_of("left", "right", "center"), "padding": length, "carry": any_text, "aligns": aligns},
        frozenset({"thead", "tbody", "tfoot", "tr"}),
    ),
    **dict.fromkeys(("thead", "tbody", "tfoot"), Kind(_COMMON, _ROWS)),
    "tr": Kind({**_COMMON, "background": colour, "keep": _KEEP}, frozenset({"td", "th"})),
    **dict.fromkeys(("td", "th"), Kind(_CELL, INLINE | BLOCKS, text=True)),
    "img": Kind({**_BLOCK, "src": lambda value: value, "width": width, "height": length, "alt": any_text,
                 "align": one_of("left", "right", "center")}, frozenset(), ("src",)),
    "chart": Kind({**_BLOCK, "type": one_of("bar", "line", "pie"), "width": width, "height": length, "labels": labels,
                   "title": any_text, "alt": any_text}, frozenset({"series"}), ("type",)),
    "series": Kind({"name": any_text, "values": numbers, "color": colour}, frozenset(), ("values",)),
    "barcode": Kind({**_BLOCK, "type": one_of("code128", "code39", "ean13", "ean8"), "value": any_text, "width": width,
                     "height": length, "text": yes, "align": one_of("left", "right", "center")}, frozenset(), ("value",)),
    "qr": Kind({**_BLOCK, "value": any_text, "size": length, "level": one_of("L", "M", "Q", "H"),
                "align": one_of("left", "right", "center")}, frozenset(), ("value",)),
    "columns": Kind({**_BLOCK, "widths": widths, "gap": length}, frozenset({"column"})),
    "column": Kind(_COMMON, BLOCKS),
    "box": Kind({**_BLOCK, "background": colour, "border": colour, "padding": length}, BLOCKS),
    "spacer": Kind({"height": length}, frozenset(), ("height",)),
    "pagebreak": Kind({}, frozenset()),
    "hr": Kind({**_BLOCK, "color": colour, "thickness": length}, frozenset()),
    "toc": Kind({**_BLOCK, "depth": whole(1, 4)}, frozenset()),
    "field": Kind({**_BLOCK, "name": name, "type": one_of("text", "checkbox", "signature"), "width": width, "height": length,
                   "value": any_text, "multiline": yes, "required": yes, "tooltip": any_text}, frozenset(), ("name", "type")),
    "attachment": Kind({"name": any_text, "src": lambda value: value, "type": any_text, "description": any_text,
                        "relationship": one_of("Source", "Data", "Alternative", "Supplement", "Unspecified")}, frozenset(),
                       ("name", "src")),
}  # fmt: skip
