"""Finds texts on pages by what is read there, however the content stream cuts and orders its letters."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

import attrs

from brickwork.documents.packaging.frames import Box
from brickwork.documents.packaging.redaction.ink import Glyph

Pattern = re.Pattern[str]


def as_pattern(target: "str | Pattern") -> Pattern:
    """A text as a pattern: any white space for white space, in any case."""
    if isinstance(target, re.Pattern):
        return target
    words = unicodedata.normalize("NFKC", target).split()
    return re.compile(r"\s+".join(map(re.escape, words)), re.IGNORECASE)


@attrs.define
class _Text:
    """Letters in an order of reading; `owners` are the glyphs that each character came from (None for what was put between)."""

    text: str = ""
    owners: list[Glyph | None] = attrs.field(factory=list)

    def add(self, text: str, owner: Glyph | None) -> None:
        """Put letters at the end."""
        self.text += text
        self.owners += [owner] * len(text)

    def found(self, pattern: Pattern) -> Iterable[list[Glyph]]:
        """The glyphs of each match."""
        for match in pattern.finditer(self.text):
            glyphs = [glyph for glyph in self.owners[match.start() : match.end()] if glyph is not None]
            if glyphs:
                yield list(dict.fromkeys(glyphs))


def find(glyphs: Sequence[Glyph], patterns: Iterable[Pattern]) -> dict[Pattern, list[Box]]:
    """The boxes of what matches: one a line for each match. Letters are read by where they lie, and also in the order of the
    content stream: columns need the one, letters put anywhere the other."""
    lines = _lines(glyphs)
    texts = [_joined(lines), _streamed(glyphs)]
    found: dict[Pattern, list[Box]] = {}
    for pattern in patterns:
        boxes = [box for text in texts for match in text.found(pattern) for box in _boxes(match)]
        found[pattern] = list(dict.fromkeys(boxes))
    return found


def _place(glyph: Glyph) -> tuple[float, float]:
    """How far along its direction a glyph stands, and how far across."""
    dx, dy = glyph.along
    return glyph.x * dx + glyph.y * dy, glyph.y * dx - glyph.x * dy


def _lines(glyphs: Sequence[Glyph]) -> list[list[Glyph]]:
    """Glyphs of one direction and baseline, from left to right; lines from top to bottom."""
    directions: dict[tuple[int, int], list[Glyph]] = {}
    for glyph in glyphs:
        directions.setdefault((round(glyph.along[0] * 50), round(glyph.along[1] * 50)), []).append(glyph)
    lines: list[list[Glyph]] = []
    for group in directions.values():
        group.sort(key=lambda glyph: -_place(glyph)[1])
        line: list[Glyph] = []
        for glyph in group:
            if line and _place(line[0])[1] - _place(glyph)[1] > 0.35 * max(line[0].size, glyph.size):
                lines.append(line)
                line = []
            line.append(glyph)
        lines.append(line)
    for line in lines:
        line.sort(key=lambda glyph: _place(glyph)[0])
    return lines


def _joined(lines: Iterable[Sequence[Glyph]]) -> _Text:
    out = _Text()
    for line in lines:
        before: Glyph | None = None
        for glyph in line:
            if before is not None and _apart(before, glyph):
                out.add(" ", None)
            out.add(unicodedata.normalize("NFKC", glyph.text), glyph)
            before = glyph
        out.add("\n", None)
    return out


def _streamed(glyphs: Sequence[Glyph]) -> _Text:
    out = _Text()
    before: Glyph | None = None
    for glyph in glyphs:
        if before is not None:
            if abs(_place(before)[1] - _place(glyph)[1]) > 0.35 * before.size:
                out.add("\n", None)
            elif _apart(before, glyph):
                out.add(" ", None)
        out.add(unicodedata.normalize("NFKC", glyph.text), glyph)
        before = glyph
    return out


def _apart(before: Glyph, glyph: Glyph) -> bool:
    """Whether there is room for a space between two glyphs of a line."""
    if before.text.isspace() or glyph.text.isspace():
        return False
    dx, dy = before.along
    width = (before.box[2] - before.box[0]) * abs(dx) + (before.box[3] - before.box[1]) * abs(dy)
    gap = _place(glyph)[0] - _place(before)[0] - width
    return gap > 0.18 * before.size or gap < -2 * before.size


def _boxes(glyphs: Sequence[Glyph]) -> Iterable[Box]:
    """The box around the glyphs of a match, for each of its lines."""
    for line in _lines(glyphs):
        boxes = [glyph.box for glyph in line]
        yield (min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes))
