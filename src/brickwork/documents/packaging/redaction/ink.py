"""What was seen on a page: glyphs with their places, and when something counts as lying in an area."""

from collections.abc import Iterable, Sequence

import attrs

from brickwork.documents.packaging.frames import Box

Point = tuple[float, float]

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
    #: The corners of a glyph that leans.
    corners: tuple[Point, ...] = ()


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


def touches(box: Box, areas: Iterable[Box], share: float = _SHARE, corners: Sequence[Point] = ()) -> bool:
    """Whether enough of a box lies in one of the areas. `corners`, in turn, are those of what leans in its box."""
    left, bottom, right, top = box
    for area in areas:
        across = min(right, area[2]) - max(left, area[0])
        up = min(top, area[3]) - max(bottom, area[1])
        if across <= 0 or up <= 0:
            continue
        enough_across = across > share * min(right - left, area[2] - area[0])
        if enough_across and up > share * min(top - bottom, area[3] - area[1]) and _reaches(corners, area, share):
            return True
    return False


def _reaches(corners: Sequence[Point], area: Box, share: float) -> bool:
    """The same for a shape that leans, measured along its own sides."""
    if not corners or _upright(corners):
        return True
    common = _clipped(list(corners), area)
    outline = [(area[0], area[1]), (area[2], area[1]), (area[2], area[3]), (area[0], area[3])]
    first, second, _, fourth = corners
    for end in (second, fourth):
        side = (end[0] - first[0], end[1] - first[1])
        if _extent(common, side) <= share * min(_extent(corners, side), _extent(outline, side)):
            return False
    return True


def _upright(corners: Sequence[Point]) -> bool:
    (x, y), (z, w) = corners[0], corners[1]
    return abs(x - z) < 1e-6 or abs(y - w) < 1e-6


def _extent(points: Sequence[Point], side: Point) -> float:
    along = [x * side[0] + y * side[1] for x, y in points]
    return max(along) - min(along) if along else 0.0


def _clipped(points: list[Point], area: Box) -> list[Point]:
    """What of a convex shape lies in an area (Sutherland and Hodgman: cut at one side after the other)."""
    for axis, limit, sign in ((0, area[0], 1), (0, area[2], -1), (1, area[1], 1), (1, area[3], -1)):
        kept: list[Point] = []
        for before, point in zip([*points[-1:], *points], points, strict=False):
            inside, was = sign * (point[axis] - limit) >= 0, sign * (before[axis] - limit) >= 0
            if inside != was:
                part = (limit - before[axis]) / (point[axis] - before[axis])
                kept.append((before[0] + part * (point[0] - before[0]), before[1] + part * (point[1] - before[1])))
            if inside:
                kept.append(point)
        points = kept
    return points
