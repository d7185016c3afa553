"""Vector paths: which of their parts lie in an area and have to go."""

from itertools import pairwise
from typing import Any, ClassVar

import attrs

from brickwork.documents.packaging.frames import Box, Matrix, apply
from brickwork.documents.packaging.library import library

#: Points by which a path may reach out of an area and still lie in it.
_SLACK = 1.0


@attrs.define
class _Part:
    """A subpath: its instructions, its points on the page, and whether it has only upright lines (a rule, a frame)."""

    instructions: list[Any] = attrs.field(factory=list)
    points: list[tuple[float, float]] = attrs.field(factory=list)
    plain: bool = True

    def goes(self, areas: list[Box]) -> bool:
        """Whether it lies in an area, or has a corner or curve there: an outline that crosses the border could tell what it
        was. Rules, frames and backgrounds tell nothing and are only painted over."""
        if not self.points:
            return False
        xs, ys = [x for x, _ in self.points], [y for _, y in self.points]
        for left, bottom, right, top in areas:
            if min(xs) >= left - _SLACK and max(xs) <= right + _SLACK and min(ys) >= bottom - _SLACK and max(ys) <= top + _SLACK:
                return True
            if not self.plain and any(left <= x <= right and bottom <= y <= top for x, y in self.points):
                return True
        return False


@attrs.define
class Path:
    """The path that is being built."""

    OPERATORS: ClassVar[frozenset[str]] = frozenset({"m", "l", "c", "v", "y", "h", "re", "W", "W*"})
    PAINTING: ClassVar[frozenset[str]] = frozenset({"S", "s", "f", "F", "f*", "B", "B*", "b", "b*", "n"})

    parts: list[_Part] = attrs.field(factory=list)
    clip: Any = None

    def add(self, operator: str, operands: Any, instruction: Any, ctm: Matrix) -> None:
        """Take an instruction that builds the path, or makes it the clipping path."""
        if operator in {"W", "W*"}:
            self.clip = instruction
            return
        if operator in {"m", "re"} or not self.parts:
            self.parts.append(_Part())
        part = self.parts[-1]
        part.instructions.append(instruction)
        try:
            values = [float(value) for value in operands]
        except (TypeError, ValueError):
            part.plain = False
            return
        if operator == "re" and len(values) == 4:
            x, y, wide, high = values
            values = [x, y, x + wide, y, x + wide, y + high, x, y + high]
        new = [apply(ctm, x, y) for x, y in zip(values[::2], values[1::2], strict=False)]
        if operator in {"c", "v", "y"} or (operator in {"l", "re"} and not _upright([*part.points[-1:], *new])):
            part.plain = False
        part.points += new

    def painted(self, operator: str, instruction: Any, areas: list[Box], hidden: bool) -> list[Any]:
        """What stays of the path, and how it is painted. A clipping path in an area becomes the rectangle around it."""
        pikepdf = library()
        kept = [part for part in self.parts if not part.goes(areas)]
        out = [instruction for part in kept for instruction in part.instructions]
        if self.clip is not None:
            if len(kept) < len(self.parts):
                return [*_around(self.parts), self.clip, pikepdf.ContentStreamInstruction([], pikepdf.Operator("n"))]
            out.append(self.clip)
        if hidden or not kept:
            return [*(out if self.clip is not None else []), pikepdf.ContentStreamInstruction([], pikepdf.Operator("n"))]
        return [*out, instruction]


def _upright(points: list[tuple[float, float]]) -> bool:
    return all(abs(a[0] - b[0]) < 0.01 or abs(a[1] - b[1]) < 0.01 for a, b in pairwise(points))


def _around(parts: list[_Part]) -> list[Any]:
    """A rectangle in the coordinates that the instructions have."""
    pikepdf = library()
    values: list[tuple[float, float]] = []
    for part in parts:
        for instruction in part.instructions:
            numbers = [float(value) for value in instruction.operands]
            if str(instruction.operator) == "re":
                numbers[2:] = [numbers[0] + numbers[2], numbers[1] + numbers[3]]
            values += zip(numbers[::2], numbers[1::2], strict=False)
    xs, ys = [x for x, _ in values], [y for _, y in values]
    box = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
    return [pikepdf.ContentStreamInstruction([round(value, 3) for value in box], pikepdf.Operator("re"))]
