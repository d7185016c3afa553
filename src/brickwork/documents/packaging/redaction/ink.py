"""What was seen on a page: glyphs with their places, and when something counts as lying in an area."""

from collections.abc import Iterable

import attrs

from brickwork.documents.packaging.frames import Box

#: The share of a glyph (or of the area, if that is smaller) that has to lie in an area for the glyph to go.
_SHARE = 0.2


@attrs.frozen
class Glyph:
    """A glyph that is shown: its text ("" if unknown), its box, its baseline's start and direction, in page coordinates."""

    text: str
    box: Box
    x: float
    y: float
    along: tuple[float, float]
    size: float
    #: How far the next glyph is set, with the spacing that the text has throughout.
    advance: float


@attrs.define
class Ink:
    """What was seen on a page and taken off it."""

    glyphs: list[Glyph] = attrs.field(factory=list)
    #: Texts that were removed, one for each run of glyphs.
    removed: list[str] = attrs.field(factory=list)
    #: Whether there is text whose places, or whose letters, aren't known.
    unsure: bool = False
    instructions: int = 0
    streams: int = 0


def touches(box: Box, areas: Iterable[Box], share: float = _SHARE) -> bool:
    """Whether enough of a box lies in one of the areas."""
    left, bottom, right, top = box
    for area in areas:
        across = min(right, area[2]) - max(left, area[0])
        up = min(top, area[3]) - max(bottom, area[1])
        if across <= 0 or up <= 0:
            continue
        if across > share * min(right - left, area[2] - area[0]) and up > share * min(top - bottom, area[3] - area[1]):
            return True
    return False
