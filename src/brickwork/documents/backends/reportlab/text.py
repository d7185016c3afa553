"""Text: runs of one look, broken into lines, in either direction."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import attrs
from reportlab.lib.colors import Color
from reportlab.platypus import Flowable

from brickwork.documents.backends.reportlab.fonts import Font, width_of

RGB = tuple[float, float, float]
#: Scripts that are written from right to left (Unicode blocks Hebrew to Arabic Extended-A, and presentation forms).
_RTL = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
#: Characters between which a line may end: ideographs, kana, Hangul syllables and full-width forms.
_CJK = re.compile("[\u1100-\u11ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef]")
#: What doesn't begin a line, and what doesn't end one (JIS X 4051, in part).
_NO_BEGIN = frozenset("、。，．,.!?！？：；:;)]}）］｝」』】〉》〕ー々ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ％%")
_NO_END = frozenset("([{（［｛「『【〈《〔")
#: What a string of a PDF marks with a backslash (ISO 32000-1, 7.3.4.2).
_ESCAPED = str.maketrans({"(": r"\(", ")": r"\)", "\\": r"\\"})
_MIRRORED = str.maketrans("()[]{}<>«»", ")(][}{><»«")
_TOKENS = re.compile(r"[ \t\n\r]+|[^ \t\n\r]+")


@attrs.frozen(slots=True)
class Look:
    """How a piece of text is drawn. `rise` is in points above the line."""

    font: Font
    size: float
    color: RGB
    underline: bool = False
    strike: bool = False
    rise: float = 0.0
    link: str | None = None


@attrs.frozen(slots=True)
class Run:
    """Text of one look; "\n" ends a line."""

    text: str
    look: Look


@attrs.define(slots=True)
class Word:
    """What a line doesn't break: pieces of text, how wide they are, and the space that goes before them within a line."""

    pieces: list[tuple[str, Look]]
    width: float
    space: float = 0.0
    ends_line: bool = False
    rtl: bool = False


@attrs.frozen(slots=True)
class Line:
    """Words side by side."""

    words: Sequence[Word]
    width: float
    #: Whether the paragraph, or what of it stands before a line break, ends here.
    last: bool


def words_of(runs: Sequence[Run]) -> list[Word]:
    """The words of some runs, in the order in which they are read."""
    words: list[Word] = []
    space, glued = 0.0, False
    for run in runs:
        look = run.look
        for token in _TOKENS.findall(run.text):
            if token[0] in " \t\n\r":
                if "\n" in token and words:
                    words[-1].ends_line = True
                elif "\n" in token:
                    words.append(Word([], 0.0, ends_line=True))
                space, glued = width_of(" ", look.font.name, look.size), False
                continue
            for part in _parts(token):
                width = measure(part, look)
                if glued and words and not words[-1].ends_line and not _may_break(words[-1], part):
                    words[-1].pieces.append((part, look))
                    words[-1].width += width
                    words[-1].rtl = words[-1].rtl or bool(_RTL.search(part))
                else:
                    words.append(Word([(part, look)], width, space, rtl=not part.isascii() and bool(_RTL.search(part))))
                space, glued = 0.0, True
    return words


def _parts(token: str) -> Sequence[str]:
    """A token, taken apart where it may be broken: at soft hyphens it is not, which are left out; between ideographs it is."""
    if token.isascii():
        return (token,)
    token = token.replace("\u00ad", "")
    if not _CJK.search(token):
        return (token,) if token else ()
    return re.findall(f"{_CJK.pattern}|[^{_CJK.pattern[1:-1]}]+", token)


def _may_break(before: Word, part: str) -> bool:
    """Whether a line may end between two parts that no space divides."""
    last = before.pieces[-1][0] if before.pieces else ""
    if not last or not (_CJK.match(part) or _CJK.match(last[-1])):
        return False
    return part[0] not in _NO_BEGIN and last[-1] not in _NO_END


def break_lines(words: Sequence[Word], width: float) -> list[Line]:
    """The words in lines no wider than `width`; a word that is wider is cut."""
    lines: list[Line] = []
    line: list[Word] = []
    used = 0.0
    for word in _cut(words, width):
        if line and used + word.space + word.width > width + 0.01:
            lines.append(Line(line, used, False))
            line, used = [], 0.0
        used += word.width + (word.space if line else 0.0)
        line.append(word)
        if word.ends_line:
            lines.append(Line(line, used, True))
            line, used = [], 0.0
    if line:
        lines.append(Line(line, used, True))
    return lines


def _cut(words: Sequence[Word], width: float) -> Iterator[Word]:
    for word in words:
        if word.width <= width + 0.01 or width <= 0:
            yield word
            continue
        space = word.space
        for text, look in word.pieces:
            begin = 0
            while begin < len(text):
                end = _fitting(text, begin, look, width)
                piece = text[begin:end]
                yield Word([(piece, look)], measure(piece, look), space, rtl=word.rtl)
                begin, space = end, 0.0


def _fitting(text: str, begin: int, look: Look, width: float) -> int:
    """Where a piece that begins at `begin` and fits must end; one character always fits."""
    low, high = begin + 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if measure(text[begin:middle], look) <= width:
            low = middle
        else:
            high = middle - 1
    return low


def visual(words: Sequence[Word], rtl: bool) -> list[Word]:
    """The words as they stand from left to right: those of the other direction keep theirs among themselves (the Unicode
    Bidirectional Algorithm, UAX 9, for whole words)."""
    if not rtl and not any(word.rtl for word in words):
        return list(words)
    groups: list[list[Word]] = []
    for word in words:
        if groups and groups[-1][-1].rtl == word.rtl:
            groups[-1].append(word)
        else:
            groups.append([word])
    ordered = [group[::-1] if group[0].rtl else group for group in groups]
    return [word for group in (reversed(ordered) if rtl else ordered) for word in group]


@lru_cache(maxsize=10_000)
def shaped(text: str) -> str:
    """Text of a script from right to left, in the forms and order in which it is drawn."""
    from arabic_reshaper import ArabicReshaper
    from bidi import get_display

    formed = ArabicReshaper({"support_ligatures": True}).reshape(text)
    drawn: str = get_display(formed, base_dir="R")
    return drawn


def _drawn(text: str) -> str:
    """A piece of a word that is read from right to left; marks that stand by themselves are mirrored."""
    return shaped(text) if _RTL.search(text) else text.translate(_MIRRORED)


def measure(text: str, look: Look) -> float:
    """How wide text is when it is drawn."""
    return width_of(text if text.isascii() or not _RTL.search(text) else shaped(text), look.font.name, look.size)


class Text(Flowable):  # type: ignore[misc]
    """A paragraph."""

    def __init__(
        self, words: Sequence[Word], size: float, leading: float, *, align: str = "left", rtl: bool = False, after: float = 0.0,
        before: float = 0.0, lines: list[Line] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.words, self.size, self.leading, self.align, self.rtl = words, size, leading, align, rtl
        self.after, self.before = after, before
        #: Points by which the lines stand left of where `align` would have them.
        self.shift = 0.0
        self._lines, self._broken_at = lines, -1.0

    def lines(self, width: float) -> list[Line]:
        """The lines at a width."""
        if self._lines is None or self._broken_at not in (-1.0, width):
            self._lines = break_lines(self.words, width)
        self._broken_at = width
        return self._lines

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        self.width = width
        self.height = len(self.lines(width)) * self.leading
        return width, self.height

    def split(self, width: float, height: float) -> list[Flowable]:
        lines = self.lines(width)
        fit = int((height + 0.01) // self.leading)
        if fit >= len(lines):
            return [self]
        if fit < 1 or (fit < 2 and len(lines) > 2):
            return []
        if len(lines) - fit < 2 and fit > 2:
            fit -= 1  # no last line stands alone on a page
        return [self._part(lines[:fit], after=0.0), self._part(lines[fit:], after=self.after)]

    def _part(self, lines: list[Line], after: float) -> "Text":
        words = [word for line in lines for word in line.words]
        return Text(words, self.size, self.leading, align=self.align, rtl=self.rtl, after=after, lines=lines)

    def getSpaceAfter(self) -> float:
        return self.after

    def getSpaceBefore(self) -> float:
        return self.before

    def draw(self) -> None:
        self.paint(self.canv, 0.0, self.height, self.width)

    def paint(self, canvas: Any, x: float, top: float, width: float) -> None:
        """Draw with the upper left corner at a place."""
        baseline = top - (self.leading - self.size) / 2 - self.size * 0.8
        for line in self.lines(width):
            self._paint_line(canvas, line, x, baseline, width)
            baseline -= self.leading

    def _paint_line(self, canvas: Any, line: Line, x: float, y: float, width: float) -> None:
        align, gap = self.align, 0.0
        if align == "justify":
            gaps = sum(1 for word in line.words[1:] if word.space)
            align = "right" if self.rtl else "left"
            gap = (width - line.width) / gaps if gaps and not line.last else 0.0
        left = {"right": width - line.width, "center": (width - line.width) / 2}.get(align, 0.0) if not gap else 0.0
        at = x + left - self.shift
        ordered = visual(line.words, self.rtl)
        spaces = [word.space for word in line.words[1:]]
        if ordered is not line.words and any(word.rtl for word in ordered):
            spaces = spaces[::-1] if self.rtl else spaces
        pieces: list[tuple[float, str, Look, float]] = []
        for number, word in enumerate(ordered):
            if number:
                space = spaces[number - 1]
                at += space + (gap if space else 0.0)
            for text, look in reversed(word.pieces) if word.rtl else word.pieces:
                wide = measure(text, look)
                pieces.append((at, _drawn(text) if word.rtl else text, look, wide))
                at += wide
        _paint(canvas, _joined(pieces, gap), y)


def _joined(pieces: list[tuple[float, str, Look, float]], gap: float) -> list[tuple[float, str, Look, float]]:
    """Pieces of one look side by side as one, with the spaces between them; where spaces are stretched each stands by itself."""
    if gap or len(pieces) < 2:
        return pieces
    joined = [pieces[0]]
    for at, text, look, wide in pieces[1:]:
        before_at, before, before_look, before_wide = joined[-1]
        space = at - before_at - before_wide
        one = width_of(" ", look.font.name, look.size)
        if look is before_look and (space < 0.01 or abs(space - one) < 0.01):
            joined[-1] = (before_at, f"{before}{' ' if space >= 0.01 else ''}{text}", look, at - before_at + wide)
        else:
            if space >= 0.01 and not _RTL.search(before):  # nobody sees it, but who copies the text has it
                joined[-1] = (before_at, f"{before} ", before_look, before_wide)
            joined.append((at, text, look, wide))
    return joined


class Label:
    """A short text of one look, as most cells of tables are; where it is wider than its column, it becomes a paragraph."""

    __slots__ = ("_text", "_wide", "align", "height", "leading", "look", "shift", "shown")

    def __init__(self, shown: str, look: Look, leading: float, align: str) -> None:
        self.shown, self.look, self.leading, self.align = shown, look, leading, align
        self.shift = self.height = 0.0
        self._text: Text | None = None
        self._wide = width_of(shown, look.font.name, look.size)

    @property
    def words(self) -> list[Word]:
        """As a paragraph's."""
        return words_of([Run(self.shown, self.look)])

    @property
    def natural(self) -> float:
        """How wide it is in one line."""
        return self._wide

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        """As a flowable's."""
        if self._wide <= width + 0.01:
            self.height = self.leading
        else:
            self._text = self._text or Text(self.words, self.look.size, self.leading, align=self.align)
            self._text.shift = self.shift
            self.height = self._text.wrap(width, height)[1]
        return width, self.height

    def split(self, width: float, height: float) -> list[Flowable]:
        """As a flowable's."""
        return self._text.split(width, height) if self._text is not None and self._wide > width + 0.01 else []

    def getSpaceBefore(self) -> float:
        return 0.0

    def getSpaceAfter(self) -> float:
        return 0.0

    def paint(self, canvas: Any, x: float, top: float, width: float) -> None:
        """As a paragraph's."""
        if self._wide > width + 0.01:
            assert self._text is not None
            self._text.paint(canvas, x, top, width)
            return
        size = self.look.size
        left = {"right": width - self._wide, "center": (width - self._wide) / 2}.get(self.align, 0.0)
        y = top - (self.leading - size) / 2 - size * 0.8
        _paint(canvas, ((x + left - self.shift, self.shown, self.look, self._wide),), y)


def _escaped(text: str) -> str:
    """Text as a string of a PDF in WinAnsiEncoding."""
    if text.isascii():
        return text.translate(_ESCAPED)
    return "".join(chr(one) if one < 128 else f"\\{one:03o}" for one in text.translate(_ESCAPED).encode("cp1252", "replace"))


@lru_cache(maxsize=1024)
def _color(color: RGB) -> Color:
    return Color(*color)


def _paint(canvas: Any, pieces: Sequence[tuple[float, str, Look, float]], y: float) -> None:
    for at, text, look, wide in pieces:
        height = y + look.rise
        color = _color(look.color)
        if canvas._fillColorObj is not color:  # each of these is an operator in the file, and most would say the same again
            canvas.setFillColor(color)
        if canvas._fontname != look.font.name or canvas._fontsize != look.size:
            canvas.setFont(look.font.name, look.size)
        if look.font.plain:
            canvas._code.append(f"BT 1 0 0 1 {at:.2f} {height:.2f} Tm ({_escaped(text)}) Tj ET")
        else:
            line = canvas.beginText(at, height)
            line._textOut(text)
            canvas.drawText(line)
        if look.underline or look.strike:
            canvas.setStrokeColorRGB(*look.color)
            canvas.setLineWidth(look.size / 18)
            level = height + look.size * (0.28 if look.strike else -0.12)
            canvas.line(at, level, at + wide, level)
        if look.link is not None:
            box = (at, height - look.size * 0.25, at + wide, height + look.size * 0.85)
            if look.link.startswith("#"):
                canvas.linkRect("", look.link[1:], box, relative=1, thickness=0)
            else:
                canvas.linkURL(look.link, box, relative=1, thickness=0)
