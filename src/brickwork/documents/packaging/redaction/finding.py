"""Finds texts on pages by what is read there, however the content stream cuts and orders its letters."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import pairwise

import attrs

from brickwork.documents.packaging.frames import Box
from brickwork.documents.packaging.redaction.ink import Glyph

Pattern = re.Pattern[str]

#: The room between two glyphs, in ems, that a reader takes for a space.
_SPACE = 0.18


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
        room = _word_space(line)
        for before, glyph in zip([None, *line], line, strict=False):
            if before is not None and _apart(before, glyph, room):
                out.add(" ", None)
            out.add(unicodedata.normalize("NFKC", glyph.text), glyph)
        out.add("\n", None)
    return out


def _streamed(glyphs: Sequence[Glyph]) -> _Text:
    out = _Text()
    for before, glyph in zip([None, *glyphs], glyphs, strict=False):
        if before is not None:
            if abs(_place(before)[1] - _place(glyph)[1]) > 0.35 * before.size:
                out.add("\n", None)
            elif _apart(before, glyph, _SPACE):
                out.add(" ", None)
        out.add(unicodedata.normalize("NFKC", glyph.text), glyph)
    return out


def _gap(before: Glyph, glyph: Glyph) -> float:
    """The room between two glyphs, in ems."""
    return (_place(glyph)[0] - _place(before)[0] - before.advance) / max(before.size, 1e-6)


def _word_space(line: Sequence[Glyph]) -> float:
    """The room, in ems, that counts as a space; more in a line whose letters are all set apart."""
    gaps = sorted(_gap(before, glyph) for before, glyph in pairwise(line))
    usual = gaps[len(gaps) // 2] if len(gaps) > 3 else 0.0
    return max(_SPACE, usual * 1.6)


def _apart(before: Glyph, glyph: Glyph, room: float) -> bool:
    """Whether there is room for a space between two glyphs of a line."""
    if before.text.isspace() or glyph.text.isspace():
        return False
    gap = _gap(before, glyph)
    return gap > room or gap < -2


def _boxes(glyphs: Sequence[Glyph]) -> Iterable[Box]:
    """The box around the glyphs of a match, for each of its lines."""
    for line in _lines(glyphs):
        boxes = [glyph.box for glyph in line]
        yield (min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes))
