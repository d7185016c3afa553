"""Tables that go on over pages: heads come again, totals stand at the end, and a row that is taller than a page is divided."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import attrs
from reportlab.platypus import Flowable

from brickwork.documents.backends.reportlab.text import RGB, Label, Text, break_lines
from brickwork.documents.markup.elements import Share

#: Rows that widths of columns are found by, where the table doesn't name them.
SAMPLE = 200


@attrs.define(slots=True)
class Cell:
    """What stands in one or several columns of a row."""

    content: Sequence[Flowable]
    column: int
    colspan: int = 1
    rowspan: int = 1
    valign: str = "top"
    background: RGB | None = None
    #: For running sums.
    value: float | None = None
    #: The height of the content, once it is known.
    height: float = 0.0


@attrs.define(slots=True)
class Row:
    """A row; `height` is known once it is laid out."""

    cells: list[Cell]
    background: RGB | None = None
    keep_next: bool = False
    height: float = 0.0
    #: Whether a row before reaches into it.
    covered: bool = False


@attrs.frozen
class Shape:
    """What the parts of a table on different pages have in common."""

    widths: tuple[float | Share | None, ...]
    total: float | Share | None
    padding: tuple[float, float]
    border: str
    zebra: RGB | None
    line: RGB
    head: Sequence[Row]
    foot: Sequence[Row]
    align: str = "left"
    #: How far it reaches out of the space it has, on either side.
    bleed: float = 0.0
    #: Makes the row that tells the sum so far, at the end of a page and the beginning of the next.
    carry: Any = None


class Table(Flowable):  # type: ignore[misc]
    """The rows of a table from one on, and the head before them."""

    def __init__(self, shape: Shape, rows: Sequence[Row], *, begin: int = 0, end: int | None = None, columns: Any = None,
                 after: float = 0.0, sums: float = 0.0, last: bool = True) -> None:  # fmt: skip
        super().__init__()
        self._shape, self._rows, self._begin = shape, rows, begin
        self._end = len(rows) if end is None else end
        self._columns: tuple[float, ...] | None = columns
        self._after, self._sums, self._last = after, sums, last
        self._shown: list[Row] = []

    def getSpaceAfter(self) -> float:
        return self._after

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        bleed = self._shape.bleed
        self._columns = self._columns or _columns(self._shape, self._rows, width + 2 * bleed)
        self.width = sum(self._columns)
        self._x = {"right": width - self.width, "center": (width - self.width) / 2}.get(self._shape.align, -bleed)
        head = self._laid(self._head())
        used = sum(row.height for row in head)
        body: list[Row] = []
        at = self._begin
        while at < self._end and used <= height + 0.01:
            row = self._lay(self._rows[at])
            body.append(row)
            used += row.height
            at += 1
        foot = self._laid(self._shape.foot) if self._last else []
        carry = self._laid([self._shape.carry(self._sum(self._end))]) if self._shape.carry and not self._last else []
        whole = at == self._end
        self._shown = [*head, *body, *foot, *carry]
        if whole:
            self._spread(self._shown)
        self.height = sum(row.height for row in self._shown) if whole else height + 1.0
        return width, self.height

    def split(self, width: float, height: float) -> list[Flowable]:
        if self._columns is None:
            self.wrap(width, height)
        head = self._laid(self._head())
        carry = self._laid([self._shape.carry(0.0)])[0].height if self._shape.carry else 0.0
        room = height - sum(row.height for row in head) - carry
        cut = self._fitting(room)
        if cut > self._begin:
            if cut == self._end:  # only the totals don't fit: they take the last row with them
                cut = self._end - 1
            return (
                [self._part(self._begin, cut, last=False, after=0.0), *self._rest(cut)] if cut > self._begin else self._tall(room)
            )
        return self._tall(room)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _head(self) -> list[Row]:
        brought = [self._shape.carry(self._sums)] if self._shape.carry and self._begin else []
        return [*self._shape.head, *brought]

    def _fitting(self, room: float) -> int:
        """The row before which the page ends: no row that others reach into is torn from them."""
        used, at, good = 0.0, self._begin, self._begin
        while at < self._end:
            row = self._lay(self._rows[at])
            used += row.height
            if used > room + 0.01:
                break
            at += 1
            torn = at < self._end and self._rows[at].covered
            if not torn and not row.keep_next:
                good = at
        return good if good > self._begin or at == self._begin else at

    def _tall(self, room: float) -> list[Flowable]:
        """Divide the first row, where it is taller than what a page has; else it begins on the next."""
        row = self._rows[self._begin]
        if room < 36 or row.height <= self._next_page() - sum(one.height for one in self._head()):
            return []
        upper, lower = _divided(row, self._columns or (), self._shape.padding, room)
        if upper is None or lower is None:
            return []
        rows = [upper, lower, *self._rows[self._begin + 1 :]]
        table = Table(self._shape, rows, columns=self._columns, after=self._after, sums=self._sums, last=self._last)
        return [table._part(0, 1, last=False, after=0.0), *table._rest(1)]

    def _next_page(self) -> float:
        """The height that there would be on another page; none where this is the best there is."""
        frame = getattr(self, "_frame", None)
        return 0.0 if frame is None or frame._atTop else float(frame._height)

    def _part(self, begin: int, end: int, *, last: bool, after: float) -> "Table":
        return Table(
            self._shape, self._rows, begin=begin, end=end, columns=self._columns, after=after, sums=self._sums, last=last
        )

    def _rest(self, begin: int) -> list[Flowable]:
        return [Table(self._shape, self._rows, begin=begin, end=self._end, columns=self._columns, after=self._after,
                      sums=self._sum(begin), last=self._last)]  # fmt: skip

    def _sum(self, end: int) -> float:
        return self._sums + sum(cell.value or 0.0 for row in self._rows[self._begin : end] for cell in row.cells)

    def _laid(self, rows: Sequence[Row]) -> list[Row]:
        return [self._lay(row) for row in rows]

    def _lay(self, row: Row) -> Row:
        """A row with its height, that of the tallest of its cells that end in it."""
        if row.height:
            return row
        assert self._columns is not None
        vertical, horizontal = self._shape.padding
        tallest = 0.0
        for cell in row.cells:
            width = sum(self._columns[cell.column : cell.column + cell.colspan]) - 2 * horizontal
            cell.height = sum(one.wrap(max(width, 1.0), 1e9)[1] for one in cell.content) + _gaps(cell.content)
            if cell.rowspan == 1:
                tallest = max(tallest, cell.height)
        row.height = tallest + 2 * vertical
        return row

    def _spread(self, rows: Sequence[Row]) -> None:
        """Give the last row under a cell of several rows what the cell needs besides."""
        for at, row in enumerate(rows):
            for cell in row.cells:
                if cell.rowspan > 1:
                    under = rows[at : at + cell.rowspan]
                    lacking = cell.height + 2 * self._shape.padding[0] - sum(one.height for one in under)
                    if lacking > 0:
                        under[-1].height += lacking

    def draw(self) -> None:
        canvas, shape = self.canv, self._shape
        assert self._columns is not None
        lefts = [self._x]
        for width in self._columns:
            lefts.append(lefts[-1] + width)
        tops = [self.height]
        for row in self._shown:
            tops.append(tops[-1] - row.height)
        heads = len(self._head())
        self._paint_backgrounds(canvas, lefts, tops, heads)
        for at, row in enumerate(self._shown):
            for cell in row.cells:
                bottom = tops[min(at + cell.rowspan, len(self._shown))]
                self._paint_cell(canvas, cell, lefts, tops[at], bottom)
        if shape.border != "none":
            self._paint_lines(canvas, lefts, tops)

    def _paint_backgrounds(self, canvas: Any, lefts: Sequence[float], tops: Sequence[float], heads: int) -> None:
        zebra = self._shape.zebra
        for at, row in enumerate(self._shown):
            stripe = zebra if zebra and at >= heads and (self._begin + at - heads) % 2 else None
            background = row.background or stripe
            if background:
                canvas.setFillColorRGB(*background)
                canvas.rect(lefts[0], tops[at + 1], lefts[-1] - lefts[0], row.height, stroke=0, fill=1)
            for cell in row.cells:
                if cell.background:
                    bottom = tops[min(at + cell.rowspan, len(self._shown))]
                    canvas.setFillColorRGB(*cell.background)
                    left, right = lefts[cell.column], lefts[cell.column + cell.colspan]
                    canvas.rect(left, bottom, right - left, tops[at] - bottom, stroke=0, fill=1)

    def _paint_cell(self, canvas: Any, cell: Cell, lefts: Sequence[float], top: float, bottom: float) -> None:
        vertical, horizontal = self._shape.padding
        left = lefts[cell.column] + horizontal
        width = lefts[cell.column + cell.colspan] - horizontal - left
        room = top - bottom - 2 * vertical
        y = top - vertical - {"middle": (room - cell.height) / 2, "bottom": room - cell.height}.get(cell.valign, 0.0)
        for number, one in enumerate(cell.content):
            if number:
                y -= max(one.getSpaceBefore(), cell.content[number - 1].getSpaceAfter())
            height = one.wrap(width, 1e9)[1]
            if isinstance(one, (Text, Label)):
                one.paint(canvas, left, y, width)
            else:
                one.drawOn(canvas, left, y - height)
            y -= height

    def _paint_lines(self, canvas: Any, lefts: Sequence[float], tops: Sequence[float]) -> None:
        canvas.setStrokeColorRGB(*self._shape.line)
        canvas.setLineWidth(0.5)
        border = self._shape.border
        if border in ("rows", "all"):
            open_below = [any(cell.rowspan > 1 for cell in row.cells) for row in self._shown]
            levels = [y for at, y in enumerate(tops) if at in (0, len(tops) - 1) or not open_below[at - 1]]
            canvas.lines([(lefts[0], y, lefts[-1], y) for y in levels])
        if border == "all":
            for at, row in enumerate(self._shown):
                edges = {cell.column for cell in row.cells} | {cell.column + cell.colspan for cell in row.cells}
                canvas.lines([(lefts[edge], tops[at], lefts[edge], tops[at + 1]) for edge in sorted(edges)])
        elif border == "outer":
            canvas.rect(lefts[0], tops[-1], lefts[-1] - lefts[0], tops[0] - tops[-1], stroke=1, fill=0)


def _gaps(content: Sequence[Flowable]) -> float:
    return float(sum(max(one.getSpaceBefore(), before.getSpaceAfter()) for before, one in pairwise(content)))


def _divided(row: Row, columns: Sequence[float], padding: tuple[float, float], room: float) -> tuple[Row | None, Row | None]:
    """A row in two, of which the first fits into `room`."""
    vertical, horizontal = padding
    inner = room - 2 * vertical
    upper, lower = list[Cell](), list[Cell]()
    for cell in row.cells:
        width = max(sum(columns[cell.column : cell.column + cell.colspan]) - 2 * horizontal, 1.0)
        first, rest = _divided_content(list(cell.content), width, inner)
        upper.append(attrs.evolve(cell, content=first, rowspan=1))
        lower.append(attrs.evolve(cell, content=rest, rowspan=1, value=None))
    if not any(cell.content for cell in lower) or not any(cell.content for cell in upper):
        return None, None
    return attrs.evolve(row, cells=upper, height=0.0), attrs.evolve(row, cells=lower, height=0.0)


def _divided_content(content: list[Flowable], width: float, room: float) -> tuple[list[Flowable], list[Flowable]]:
    first: list[Flowable] = []
    while content:
        one = content[0]
        if first:
            room -= max(one.getSpaceBefore(), first[-1].getSpaceAfter())
        height = one.wrap(width, 1e9)[1]
        if height <= room + 0.01:
            first.append(content.pop(0))
            room -= height
            continue
        parts = one.split(width, room)
        if len(parts) == 2:
            first.append(parts[0])
            content[0] = parts[1]
        break
    return first, content


def _columns(shape: Shape, rows: Sequence[Row], width: float) -> tuple[float, ...]:
    """The widths of the columns, in points: those that are named, then shares of the rest, then what the content wants."""
    total = _resolve(shape.total, width) if shape.total is not None else None
    space = total if total is not None else width
    fixed = [one if isinstance(one, float) else one.percent * space / 100 if isinstance(one, Share) and one.percent else None
             for one in shape.widths]  # fmt: skip
    rest = max(space - sum(one for one in fixed if one is not None), 0.0)
    parts = {at: one.parts for at, one in enumerate(shape.widths) if isinstance(one, Share) and one.parts}
    open_ones = [at for at, one in enumerate(fixed) if one is None and at not in parts]
    wanted = _natural(shape, rows, open_ones)
    if open_ones:
        most = rest if not parts else rest * 0.7
        scale = min(1.0, most / (sum(wanted.values()) or 1.0)) if parts or total is None else most / (sum(wanted.values()) or 1.0)
        for at in open_ones:
            fixed[at] = wanted[at] * scale
        rest -= sum(wanted[at] * scale for at in open_ones)
    every = sum(parts.values())
    for at, share in parts.items():
        fixed[at] = max(rest * share / every, 1.0)
    return tuple(max(one or 1.0, 1.0) for one in fixed)


def _natural(shape: Shape, rows: Sequence[Row], columns: Sequence[int]) -> dict[int, float]:
    """How wide the content of some columns is where nothing is broken."""
    wanted = dict.fromkeys(columns, 12.0)
    for row in [*shape.head, *rows[:SAMPLE], *shape.foot]:
        for cell in row.cells:
            if cell.column in wanted and cell.colspan == 1:
                needed = max((_natural_width(one) for one in cell.content), default=0.0) + 2 * shape.padding[1] + 0.1
                wanted[cell.column] = max(wanted[cell.column], needed)
    return wanted


def _natural_width(one: Flowable) -> float:
    if isinstance(one, Label):
        return one.natural
    if isinstance(one, Text):
        return max((line.width for line in break_lines(one.words, 1e9)), default=0.0)
    width: float = one.wrap(1e9, 1e9)[0]
    return width if width < 1e8 else 0.0


def _resolve(value: float | Share, width: float) -> float:
    return value if isinstance(value, float) else width * value.percent / 100 if value.percent else width
