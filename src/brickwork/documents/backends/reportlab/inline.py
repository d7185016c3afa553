"""From elements within a paragraph to runs of text, and the looks that the theme gives them."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import attrs

from brickwork.documents.backends.reportlab.fonts import FontBook
from brickwork.documents.backends.reportlab.text import Label, Look, Run, Text, Word, words_of
from brickwork.documents.errors import RenderError
from brickwork.documents.markup.nodes import Element
from brickwork.documents.theme import Theme

_SPACES = re.compile(r"[ \t\r\n]+")
#: Placeholders for numbers of pages within headers and footers.
PAGE, PAGES = "\ue000", "\ue001"


@attrs.frozen
class Style:
    """What a run inherits from the elements around it."""

    family: str
    size: float
    color: tuple[float, float, float]
    bold: bool = False
    italic: bool = False
    underline: bool = False
    strike: bool = False
    rise: float = 0.0
    link: str | None = None
    align: str = "left"
    rtl: bool | None = None


class Inline:
    """Makes runs and paragraphs of elements, for one document."""

    def __init__(self, theme: Theme, fonts: FontBook, rtl: bool | None) -> None:
        self.theme = theme
        self._fonts = fonts
        self.base = Style(theme.body, theme.size, theme.color("text"), rtl=rtl)
        self._look = lru_cache(maxsize=4096)(self._make_look)
        #: What `<page/>` and `<pages/>` stand for where the page is known.
        self.numbers: tuple[str, str] | None = None

    def style(self, element: Element, outer: Style) -> Style:
        """The style within an element."""
        changes: dict[str, Any] = dict(_CHANGES.get(element.tag, {}))
        if element.tag == "a":
            changes |= {"link": element.get("href"), "color": self.theme.color("accent")}
        elif element.tag == "code":
            changes["family"] = self.theme.code
        elif element.tag in ("sub", "sup", "small"):
            changes["size"] = outer.size * (0.7 if element.tag != "small" else 0.85)
            changes["rise"] = outer.rise + outer.size * {"sub": -0.15, "sup": 0.35}.get(element.tag, 0.0)
        if not element.attributes:
            return attrs.evolve(outer, **changes) if changes else outer
        return self._styled(element, attrs.evolve(outer, **changes), outer)

    def text(self, element: Element, style: Style, *, leading: float | None = None, after: float = 0.0) -> Text:
        """A paragraph of what is in an element."""
        words = self.words(element, style)
        rtl = style.rtl if style.rtl is not None else any(word.rtl for word in words[:1])
        align = {"left": "right"}.get(style.align, style.align) if rtl and element.get("align") is None else style.align
        line = (leading or self.theme.leading) * style.size
        return Text(words, style.size, line, align=align, rtl=bool(rtl), after=after)

    def label(self, text: str, style: Style) -> Label | None:
        """A text as a line of one look; None where it needs more than that."""
        if not text.isascii() or style.rtl:
            return None
        shown = " ".join(text.split())
        return Label(shown, self._look(style), style.size * self.theme.leading, style.align) if shown else None

    def words(self, element: Element, style: Style) -> list[Word]:
        """The words of an element's text."""
        return words_of(list(self._runs(element, style)))

    def plain(self, text: str, style: Style) -> list[Word]:
        """The words of a text."""
        return words_of(list(self._pieces(text, style)))

    def color(self, value: str, element: Element) -> tuple[float, float, float]:
        """A colour that an element names; raises `RenderError`."""
        try:
            return self.theme.color(value)
        except ValueError as error:
            raise RenderError(f"line {element.line}: {error}", field=f"line {element.line}") from None

    def _styled(self, element: Element, style: Style, outer: Style) -> Style:
        changes: dict[str, Any] = {}
        known = self.theme.classes.get(element.get("class", ""))
        if element.get("class") is not None and known is None and element.get("class") not in ("muted", "accent"):
            raise RenderError(
                f"line {element.line}: the theme has no class {element.get('class')!r}", field=f"line {element.line}"
            )
        if element.get("class") in ("muted", "accent"):
            changes["color"] = self.theme.color(element.get("class"))
        for name, value in (known or {}).items():
            if name == "color":
                changes["color"] = self.color(value, element)
            elif name == "size":
                changes["size"] = outer.size * float(value)
            elif name in ("bold", "italic", "align"):
                changes[name] = value
        if element.get("color") is not None:
            changes["color"] = self.color(element.get("color"), element)
        if element.get("size") is not None and element.tag not in ("qr",):
            changes["size"] = element.get("size") or outer.size
        if element.get("font") is not None:
            changes["family"] = self._family(element)
        if element.get("align") is not None:
            changes["align"] = element.get("align")
        if element.get("dir") is not None:
            changes["rtl"] = element.get("dir") == "rtl"
        return attrs.evolve(style, **changes) if changes else style

    def _family(self, element: Element) -> str:
        family: str = element.get("font")
        if family not in self.theme.fonts and family not in (self.theme.body, self.theme.heading, self.theme.code):
            raise RenderError(f"line {element.line}: the theme has no font {family!r}", field=f"line {element.line}")
        return family

    def _runs(self, element: Element, style: Style) -> Iterator[Run]:
        for child in element.children:
            if isinstance(child, str):
                yield from self._pieces(_SPACES.sub(" ", child), style)
            elif child.tag == "br":
                yield Run("\n", self._look(style))
            elif child.tag in ("page", "pages"):
                shown = self.numbers[child.tag == "pages"] if self.numbers else (PAGES if child.tag == "pages" else PAGE)
                yield Run(shown, self._look(style))
            else:
                yield from self._runs(child, self.style(child, style))

    def _pieces(self, text: str, style: Style) -> Iterator[Run]:
        look = self._look(style)
        if text.isascii():
            yield Run(text, look)
            return
        for piece, font in self._fonts.split(text, look.font, style.bold, style.italic):
            yield Run(piece, look if font is look.font else attrs.evolve(look, font=font))

    def _make_look(self, style: Style) -> Look:
        font = self._fonts.font(style.family, style.bold, style.italic)
        return Look(font, style.size, style.color, style.underline, style.strike, style.rise, style.link)


_CHANGES: dict[str, dict[str, Any]] = {
    "b": {"bold": True},
    "i": {"italic": True},
    "u": {"underline": True},
    "s": {"strike": True},
    "th": {"bold": True},
}
