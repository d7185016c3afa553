"""Fonts: the theme's families as reportlab knows them, what characters they have, and how wide text is."""

import hashlib
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

import attrs
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont

from brickwork.documents.errors import MissingGlyphError, RenderError
from brickwork.documents.theme import STANDARD, Theme

#: Names of the standard families' fonts: regular, bold, italic, both.
_STANDARD = {
    "Helvetica": ("Helvetica", "Helvetica-Bold", "Helvetica-Oblique", "Helvetica-BoldOblique"),
    "Times": ("Times-Roman", "Times-Bold", "Times-Italic", "Times-BoldItalic"),
    "Courier": ("Courier", "Courier-Bold", "Courier-Oblique", "Courier-BoldOblique"),
}
#: What comes with reportlab and can be embedded, where a file must hold its fonts.
VERA = ("Vera.ttf", "VeraBd.ttf", "VeraIt.ttf", "VeraBI.ttf")
_lock = threading.Lock()


@attrs.frozen
class Font:
    """A font that reportlab knows by `name`; `has` are the characters it can show."""

    name: str
    has: frozenset[int]
    #: Whether its characters are written as they are, where they are of ASCII.
    plain: bool = False


class FontBook:
    """The fonts of one theme."""

    def __init__(self, theme: Theme, *, embedded: bool) -> None:
        self._theme = theme
        self._embedded = embedded
        self._families: dict[str, tuple[Font, ...]] = {}

    def font(self, family: str, bold: bool, italic: bool) -> Font:
        """A family's font of a style."""
        known = self._families.get(family)
        if known is None:
            known = self._families[family] = self._load(family)
        return known[bold + 2 * italic]

    def split(self, text: str, font: Font, bold: bool, italic: bool) -> list[tuple[str, Font]]:
        """`text` in pieces, each with a font that has its characters. Raises `MissingGlyphError`."""
        if text.isascii():
            return [(text, font)]
        pieces: list[tuple[str, Font]] = []
        missing: set[str] = set()
        begin, current = 0, font
        for at, character in enumerate(text):
            code = ord(character)
            if code in current.has or code < 32 or character in _INVISIBLE:
                continue
            wanted = font if code in font.has else self._fallback(code, bold, italic)
            if wanted is None:
                missing.add(character)
                continue
            if at > begin:
                pieces.append((text[begin:at], current))
            begin, current = at, wanted
        if missing:
            shown = " ".join(f"{one} (U+{ord(one):04X})" for one in sorted(missing)[:10])
            raise MissingGlyphError(
                f"no font of the theme has {shown}; name one that does in fonts and fallback", characters="".join(sorted(missing))
            )
        pieces.append((text[begin:], current))
        return pieces

    def _fallback(self, code: int, bold: bool, italic: bool) -> Font | None:
        fonts = (self.font(family, bold, italic) for family in self._theme.fallback)
        return next((font for font in fonts if code in font.has), None)

    def _load(self, family: str) -> tuple[Font, ...]:
        files = self._theme.fonts.get(family)
        if files is not None:
            found = (files.regular, files.bold, files.italic, files.bold_italic)
            return tuple(_registered(path or files.regular, files.index) for path in found)
        if family in STANDARD and not self._embedded:
            return tuple(_standard(name) for name in _STANDARD[family])
        return tuple(_registered(Path(name), 0) for name in VERA)


#: Characters that show nothing and need no glyph: soft hyphen, joiners, marks of direction.
_INVISIBLE = frozenset("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\n\r\t")


@lru_cache(maxsize=64)
def _standard(name: str) -> Font:
    codes = frozenset(ord(bytes([byte]).decode("cp1252", "ignore") or "\0") for byte in range(32, 256))
    return Font(name, codes, plain=True)


@lru_cache(maxsize=256)
def _registered(path: Path, index: int) -> Font:
    """A TrueType font under a name that tells its content's place, read once a process."""
    name = f"bw{hashlib.sha256(f'{path}#{index}'.encode()).hexdigest()[:12]}"
    try:
        made: Any = TTFont(name, str(path), subfontIndex=index, shapable=False)
    except (TTFError, OSError) as error:
        raise RenderError(f"the font {path.name} can't be read: {error}") from None
    with _lock:
        pdfmetrics.registerFont(made)
    return Font(name, frozenset(made.face.charToGlyph))


_widths: dict[tuple[str, str], float] = {}
#: Words of which the width is remembered.
_MOST = 50_000


def width_of(text: str, font: str, size: float) -> float:
    """How wide text is, in points."""
    known = _widths.get((font, text))
    if known is None:
        if len(_widths) > _MOST:
            _widths.clear()
        known = _widths[(font, text)] = pdfmetrics.getFont(font).stringWidth(text, 1000.0)
    return known * size / 1000.0
