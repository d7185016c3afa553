"""Fonts as a redaction needs them: which codes a string has, how wide each is, and which text it stands for.

Where that isn't certain the font is "unsure", and whoever asks must assume the worst.
"""

import re
from typing import Any

import attrs

from brickwork.documents.packaging.drawing import canvas_module
from brickwork.documents.packaging.library import library

#: Names under which the standard fonts go as well, without their styles.
_ALIASES = {"Arial": "Helvetica", "CourierNew": "Courier", "TimesNewRoman": "Times", "TimesNewRomanPS": "Times"}
_BFCHAR = re.compile(rb"beginbfchar(.*?)endbfchar", re.DOTALL)
_BFRANGE = re.compile(rb"beginbfrange(.*?)endbfrange", re.DOTALL)
_PAIR = re.compile(rb"<\s*([0-9A-Fa-f\s]+)>\s*<\s*([0-9A-Fa-f\s]*)>")
_RANGE = re.compile(rb"<\s*([0-9A-Fa-f\s]+)>\s*<\s*([0-9A-Fa-f\s]+)>\s*(?:<\s*([0-9A-Fa-f\s]*)>|\[(.*?)\])", re.DOTALL)
_HEX = re.compile(rb"<\s*([0-9A-Fa-f\s]*)>")
#: Codes that one range of a character map may have; more is no honest map.
_LONGEST_RANGE = 1 << 16


@attrs.frozen
class Code:
    """One code of a string: its bytes, its advance in ems, its text ("" if not known), and whether word spacing is added."""

    raw: bytes
    width: float
    text: str
    space: bool = False


@attrs.define
class Font:
    """A font of a content stream. Heights above and below the baseline are in ems."""

    code_length: int
    widths: dict[int, float]
    default: float | None
    texts: dict[int, str]
    ascent: float = 0.9
    descent: float = -0.25
    sure: bool = True
    _codes: dict[bytes, Code | None] = attrs.field(factory=dict, init=False)

    def decode(self, data: bytes) -> list[Code] | None:
        """The codes of a string; None where they, or their widths, aren't known."""
        if not self.sure or len(data) % self.code_length:
            return None
        codes = [self._code(data[at : at + self.code_length]) for at in range(0, len(data), self.code_length)]
        return None if None in codes else codes  # type: ignore[return-value]

    def _code(self, raw: bytes) -> Code | None:
        if raw not in self._codes:
            number = int.from_bytes(raw, "big")
            width = self.widths.get(number, self.default)
            space = self.code_length == 1 and number == 32
            self._codes[raw] = None if width is None else Code(raw, width, self.texts.get(number, ""), space)
        return self._codes[raw]


UNSURE = Font(1, {}, None, {}, sure=False)


def load_font(dictionary: Any) -> Font:
    """Read a font dictionary; one that breaks the standard is unsure."""
    pikepdf = library()
    try:
        return _composite(dictionary) if dictionary.get("/Subtype") == "/Type0" else _simple(dictionary)
    except (pikepdf.PdfError, ValueError, TypeError, AttributeError, KeyError, IndexError, ArithmeticError):
        return UNSURE


def _simple(dictionary: Any) -> Font:
    descriptor = dictionary.get("/FontDescriptor", library().Dictionary())
    scale, ascent, descent = 0.001, *_heights(descriptor)
    if dictionary.get("/Subtype") == "/Type3":
        matrix = [float(value) for value in dictionary.FontMatrix.as_list()]
        if matrix[1] or matrix[2]:
            return UNSURE
        scale, box = matrix[0], [float(value) for value in dictionary.FontBBox.as_list()]
        ascent, descent = (box[3] * matrix[3], box[1] * matrix[3]) if box[3] > box[1] else (1.5, -0.5)
    encoding = _encoding(dictionary)
    names = {code: name for code, name in enumerate(encoding) if name}
    texts = _to_unicode(dictionary) or {code: text for code, name in names.items() if (text := _text_of(name))}
    if "/Widths" in dictionary:
        first = int(dictionary.get("/FirstChar", 0))
        widths = {first + n: float(width) * scale for n, width in enumerate(dictionary.Widths.as_list())}
        missing = descriptor.get("/MissingWidth", 0 if "/FontDescriptor" in dictionary else None)
        return Font(1, widths, None if missing is None else float(missing) * scale, texts, ascent, descent)
    known = _standard_widths(str(dictionary.get("/BaseFont", "")))
    if known is None:
        return UNSURE
    return Font(1, {code: known.get(name, 0) / 1000 for code, name in names.items()}, 0, texts, ascent, descent)


def _composite(dictionary: Any) -> Font:
    if dictionary.get("/Encoding") != "/Identity-H":
        return UNSURE
    descendant = dictionary.DescendantFonts[0]
    widths: dict[int, float] = {}
    pending: list[Any] = []
    for item in descendant.get("/W", library().Array()):
        pending.append(item)
        if len(pending) == 2 and isinstance(item, library().Array):
            widths |= {int(pending[0]) + n: float(width) / 1000 for n, width in enumerate(item)}
            pending = []
        elif len(pending) == 3:
            first, last = int(pending[0]), min(int(pending[1]), int(pending[0]) + _LONGEST_RANGE)
            widths |= dict.fromkeys(range(first, last + 1), float(pending[2]) / 1000)
            pending = []
    default = float(descendant.get("/DW", 1000)) / 1000
    return Font(2, widths, default, _to_unicode(dictionary), *_heights(descendant.get("/FontDescriptor", library().Dictionary())))


def _heights(descriptor: Any) -> tuple[float, float]:
    """Ascent and descent in ems; where a font tells none that can be, those of most."""
    ascent, descent = (float(descriptor.get(key, 0)) / 1000 for key in ("/Ascent", "/Descent"))
    return (ascent if 0.3 < ascent < 2 else 0.9), (-abs(descent) if 0.05 < abs(descent) < 1 else -0.25)


def _encoding(dictionary: Any) -> list[str | None]:
    """The glyph name of each code."""
    canvas_module()
    from reportlab.pdfbase import _fontdata

    pikepdf = library()
    encoding = dictionary.get("/Encoding")
    base = encoding.get("/BaseEncoding") if isinstance(encoding, pikepdf.Dictionary) else encoding
    flags = int(dictionary.get("/FontDescriptor", pikepdf.Dictionary()).get("/Flags", 0))
    standard = {"/Symbol": "SymbolEncoding", "/ZapfDingbats": "ZapfDingbatsEncoding"}.get(str(dictionary.get("/BaseFont")))
    if isinstance(base, pikepdf.Name) and str(base)[1:] in _fontdata.encodings:
        names = list(_fontdata.encodings[str(base)[1:]])
    elif standard or not flags & 4:
        names = list(_fontdata.encodings[standard or "StandardEncoding"])
    else:  # a symbolic font has an encoding of its own
        names = [None] * 256
    code = 0
    for item in encoding.get("/Differences", pikepdf.Array()) if isinstance(encoding, pikepdf.Dictionary) else ():
        if isinstance(item, pikepdf.Name):
            if code < 256:
                names[code] = str(item)[1:]
            code += 1
        else:
            code = int(item)
    return names


def _text_of(name: str) -> str:
    from reportlab.pdfbase._glyphlist import _glyphname2unicode

    value = _glyphname2unicode.get(name)
    if value is not None:
        return "".join(map(chr, value)) if isinstance(value, tuple | list) else chr(value)
    if match := re.fullmatch(r"uni([0-9A-F]{4})|u([0-9A-F]{4,6})", name):
        return chr(int(match[1] or match[2], 16))
    return ""


def _standard_widths(base_font: str) -> dict[str, int] | None:
    """The widths of one of the 14 standard fonts, by glyph name."""
    from reportlab.pdfbase import _fontdata

    name = base_font.lstrip("/").rpartition("+")[2].replace(",", "-")
    family, _, style = name.partition("-")
    family = _ALIASES.get(family.removesuffix("MT"), family)
    bold, slanted = "Bold" in style, "Italic" in style or "Oblique" in style
    if family == "Times":
        style = ("Bold" if bold else "") + ("Italic" if slanted else "") or "Roman"
    elif family in {"Helvetica", "Courier"}:
        style = ("Bold" if bold else "") + ("Oblique" if slanted else "")
    else:
        style = ""
    return _fontdata.widthsByFontGlyph.get(f"{family}-{style}" if style else family)  # type: ignore[no-any-return]


def _to_unicode(dictionary: Any) -> dict[int, str]:
    """The text of each code, as /ToUnicode has it (ISO 32000-2, 9.10.3)."""
    pikepdf = library()
    stream = dictionary.get("/ToUnicode")
    if not isinstance(stream, pikepdf.Stream):
        return {}
    data = stream.read_bytes()
    texts: dict[int, str] = {}
    for block in _BFCHAR.findall(data):
        texts |= {_number(source): _utf16(target) for source, target in _PAIR.findall(block)}
    for block in _BFRANGE.findall(data):
        for first, last, start, listed in _RANGE.findall(block):
            begin, end = _number(first), min(_number(last), _number(first) + _LONGEST_RANGE)
            if listed:
                texts |= dict(zip(range(begin, end + 1), map(_utf16, _HEX.findall(listed)), strict=False))
            elif text := _utf16(start):
                head, tail = text[:-1], ord(text[-1])
                texts |= {begin + n: head + chr(min(tail + n, 0x10FFFF)) for n in range(end - begin + 1)}
    return texts


def _number(text: bytes) -> int:
    return int(b"".join(text.split()), 16)


def _utf16(text: bytes) -> str:
    digits = b"".join(text.split()).decode()
    return bytes.fromhex(digits if len(digits) % 2 == 0 else digits + "0").decode("utf-16-be", "ignore")
