"""From the elements of a document to what flows over its pages."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
from reportlab.lib.utils import ImageReader
from reportlab.platypus import Flowable, KeepTogether, PageBreak, Spacer

from brickwork.documents.backends.reportlab import figures
from brickwork.documents.backends.reportlab.inline import Inline, Style
from brickwork.documents.backends.reportlab.lists import Indent, marker
from brickwork.documents.backends.reportlab.table import Cell, Row, Shape, Table
from brickwork.documents.backends.reportlab.text import Label, Text, measure
from brickwork.documents.errors import RenderError
from brickwork.documents.markup.elements import INLINE, Share
from brickwork.documents.markup.nodes import Element

#: Indent of lists, in multiples of the size of text.
_INDENT = 1.8


@attrs.frozen
class Entry:
    """A heading as the outline and a table of contents show it."""

    title: str
    key: str
    level: int


class Heading(Text):
    """A heading: a place that the outline leads to."""

    entry: Entry | None = None
    keepWithNext = 1

    def draw(self) -> None:
        if self.entry is not None:
            self.canv.bw_arrived(self.entry, self.canv.absolutePosition(0, self.height)[1])
        super().draw()


class Rule(Flowable):  # type: ignore[misc]
    """A line across."""

    def __init__(self, color: Any, thickness: float, after: float) -> None:
        super().__init__()
        self._color, self._thickness, self._after = color, thickness, after

    def getSpaceAfter(self) -> float:
        return self._after

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        self.width, self.height = width if width < 1e8 else 0.0, self._thickness
        return self.width, self.height

    def draw(self) -> None:
        self.canv.setStrokeColorRGB(*self._color)
        self.canv.setLineWidth(self._thickness)
        self.canv.line(0, self._thickness / 2, self.width, self._thickness / 2)


class Place(Flowable):  # type: ignore[misc]
    """A place that links lead to by its name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self.width = self.height = 0.0

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        return 0.0, 0.0

    def draw(self) -> None:
        self.canv.bookmarkHorizontal(self._name, 0, 0)


class Blocks:
    """Makes flowables, for one document."""

    def __init__(self, inline: Inline, assets: Mapping[str, bytes], width: float, entries: Mapping[int, Entry]) -> None:
        self._inline = inline
        self._theme = inline.theme
        self._assets = assets
        self._width = width
        self._entries = entries
        self._readers: dict[str, ImageReader] = {}
        make = {"ul": self._list, "ol": self._list, "table": self._table, "img": self._img, "chart": self._chart,
                "barcode": self._barcode, "qr": self._qr, "columns": self._columns, "box": self._box, "spacer": self._spacer,
                "pagebreak": lambda e, s: [PageBreak()], "hr": self._hr, "toc": self._toc, "field": self._field, "p": self._p,
                **dict.fromkeys(("h1", "h2", "h3", "h4"), self._heading)}  # fmt: skip
        self._make = make

    def of(self, element: Element, style: Style) -> Iterator[Flowable]:
        """What is in an element, block by block; text between blocks is a paragraph of its own."""
        loose: list[Element | str] = []
        for child in element.children:
            if isinstance(child, str) or child.tag in INLINE:
                loose.append(child)
                continue
            yield from self._loose(element, loose, style)
            loose = []
            if child.tag in self._make:
                yield from self._block(child, style)
        yield from self._loose(element, loose, style)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _block(self, element: Element, style: Style) -> Iterator[Flowable]:
        if element.get("id") is not None:
            yield Place(element.get("id"))
        made = self._make[element.tag](element, style)
        if element.get("keep") == "together":
            yield KeepTogether(list(made))
        elif element.get("keep") == "next":
            for one in made:
                one.keepWithNext = 1
                yield one
        else:
            yield from made

    def _loose(self, element: Element, children: Sequence[Element | str], style: Style) -> Iterator[Flowable]:
        if any(not isinstance(child, str) or not child.isspace() for child in children):
            yield self._inline.text(Element("p", {}, tuple(children), element.line), style)

    def _p(self, element: Element, style: Style) -> list[Flowable]:
        return [self._inline.text(element, self._inline.style(element, style), after=self._theme.space)]

    def _heading(self, element: Element, style: Style) -> list[Flowable]:
        size = self._theme.size * self._theme.headings[int(element.tag[1]) - 1]
        outer = attrs.evolve(style, family=self._theme.heading, size=size, bold=True)
        text = self._inline.text(element, self._inline.style(element, outer), leading=1.2)
        heading = Heading(text.words, text.size, text.leading, align=text.align, rtl=text.rtl, after=self._theme.space,
                          before=size * 0.6)  # fmt: skip
        heading.entry = self._entries.get(id(element))
        return [heading]

    def _list(self, element: Element, style: Style) -> list[Flowable]:
        style = self._inline.style(element, style)
        left = style.size * _INDENT
        made: list[Flowable] = []
        for number, item in enumerate(element.elements("li"), start=element.get("start", 1)):
            shown = marker(number, element.get("type", "1")) if element.tag == "ol" else "•"
            mark: Text | None = Text(self._inline.plain(shown, style), style.size, style.size * self._theme.leading)
            for one in self.of(item, self._inline.style(item, style)):
                made.append(Indent(one, left, mark, rtl=bool(style.rtl)))
                mark = None
        if made:
            made.append(Spacer(0, max(self._theme.space - 2, 0)))
        return made

    def _img(self, element: Element, style: Style) -> list[Flowable]:
        return [figures.picture(element, self._assets, self._theme.space, self._readers)]

    def _chart(self, element: Element, style: Style) -> list[Flowable]:
        return [figures.chart(element, self._inline, self._width, self._theme.space)]

    def _barcode(self, element: Element, style: Style) -> list[Flowable]:
        return [figures.barcode(element, self._theme.space)]

    def _qr(self, element: Element, style: Style) -> list[Flowable]:
        return [figures.qr(element, self._theme.space)]

    def _spacer(self, element: Element, style: Style) -> list[Flowable]:
        return [Spacer(0, element.get("height"))]

    def _hr(self, element: Element, style: Style) -> list[Flowable]:
        color = self._inline.color(element.get("color") or "line", element)
        return [Rule(color, element.get("thickness") or 0.5, self._theme.space)]

    def _field(self, element: Element, style: Style) -> list[Flowable]:
        kind = element.get("type")
        height = element.get("height") or {"text": 18.0, "checkbox": 12.0, "signature": 60.0}[kind]
        wide = element.get("width")
        default = {"text": 200.0, "checkbox": 12.0, "signature": 200.0}[kind]
        width = self._width * (wide.percent / 100 or 1.0) if isinstance(wide, Share) else wide or default
        return [figures.Field(element, width, height, self._theme.color("muted"), self._theme.space)]

    def _toc(self, element: Element, style: Style) -> list[Flowable]:
        from brickwork.documents.backends.reportlab.contents import Contents

        depth = element.get("depth", 3)
        entries = [entry for entry in self._entries.values() if entry.level < depth]
        return [Contents(entries, self._inline, style, self._theme.space)] if entries else []

    def _columns(self, element: Element, style: Style) -> list[Flowable]:
        columns = list(element.elements("column"))
        if not columns:
            return []
        gap = element.get("gap") or 18.0
        widths = element.get("widths") or tuple(Share(parts=1) for _ in columns)
        if len(widths) != len(columns):
            raise RenderError(
                f"line {element.line}: {len(columns)} columns have {len(widths)} widths", field=f"line {element.line}"
            )
        cells = [Cell(list(self.of(column, style)), at) for at, column in enumerate(columns)]
        shape = Shape(widths, None, (0.0, gap / 2), "none", None, self._theme.color("line"), (), (), bleed=gap / 2)
        return [Table(shape, [Row(cells)], after=self._theme.space)]

    def _box(self, element: Element, style: Style) -> list[Flowable]:
        color = self._inline.color(element.get("border") or "line", element)
        padding = element.get("padding") or 8.0
        background = self._inline.color(element.get("background"), element) if element.get("background") else None
        border = "outer" if element.get("border") or background is None else "none"
        shape = Shape((Share(parts=1),), None, (padding, padding), border, None, color, (), ())
        row = Row([Cell(list(self.of(element, self._inline.style(element, style))), 0)], background)
        return [Table(shape, [row], after=self._theme.space)]

    # -- tables --------------------------------------------------------------------------------------------------------

    def _table(self, element: Element, style: Style) -> list[Flowable]:
        style = self._inline.style(attrs.evolve(element, attributes=_without(element, "align")), style)
        top, middle, bottom = (
            [row for part in element.elements(tag) for row in part.elements("tr")] for tag in ("thead", "tbody", "tfoot")
        )
        body = [*middle, *element.elements("tr")]
        aligns = element.get("aligns", ())
        count = max((_width(rows) for rows in (top, body, bottom) if rows), default=0)
        if count == 0:
            return []
        widths = element.get("widths") or (None,) * count
        if len(widths) != count:
            where = f"line {element.line}"
            raise RenderError(f"{where}: the table has {count} columns and {len(widths)} widths", field=where)
        head = self._rows(top, style, aligns, self._theme.color("table_head"), bold=True)
        foot = self._rows(bottom, style, aligns, None, bold=True)
        rows = self._rows(body, style, aligns, None)
        zebra = self._theme.color("zebra") if element.get("zebra") else None
        pad = element.get("padding")
        padding = (pad, pad * 1.3) if pad is not None else self._theme.padding
        shape = Shape(widths, element.get("width") or (Share(percent=100) if _flexible(widths) else None), padding,
                      element.get("border", "rows"), zebra, self._theme.color("line"), head, foot,
                      element.get("align", "left"), carry=self._carry(element, style, count))  # fmt: skip
        _line_up([*head, *rows, *foot])
        return [Table(shape, rows, after=self._theme.space)]

    def _rows(
        self, elements: Sequence[Element], style: Style, aligns: Sequence[str], background: Any, *, bold: bool = False
    ) -> list[Row]:
        rows: list[Row] = []
        reaching: dict[int, int] = {}
        styles = _Styles(style)
        for element in elements:
            cells: list[Cell] = []
            column, covered = 0, any(left > 0 for left in reaching.values())
            for one in element.elements("td", "th"):
                while reaching.get(column, 0) > 0:
                    column += 1
                align = aligns[column] if column < len(aligns) else "left"
                cell = self._cell(one, styles.of(align, bold or one.tag == "th"), column)
                cells.append(cell)
                for at in range(column, column + cell.colspan):
                    reaching[at] = max(reaching.get(at, 0), cell.rowspan)
                column += cell.colspan
            reaching = {at: left - 1 for at, left in reaching.items() if left > 1}
            own = element.get("background")
            color = self._inline.color(own, element) if own else background
            rows.append(Row(cells, color, element.get("keep") == "next", covered=covered))
        return rows

    def _cell(self, element: Element, style: Style, column: int) -> Cell:
        children = element.children
        outer = self._inline.style(element, style) if element.attributes else style
        if len(children) == 1 and isinstance(children[0], str):
            label = self._inline.label(children[0], outer)
            if label is not None:
                if not element.attributes:
                    return Cell((label,), column)
                return self._spanning(element, (label,), column)
        if all(isinstance(child, str) or child.tag in INLINE for child in children):
            content: list[Flowable] = [self._inline.text(element, outer)] if children else []
        else:
            content = list(self.of(element, outer))
        return self._spanning(element, content, column)

    def _spanning(self, element: Element, content: Sequence[Flowable], column: int) -> Cell:
        get = element.attributes.get
        color = get("background")
        return Cell(content, column, get("colspan", 1), get("rowspan", 1), get("valign", "top"),
                    self._inline.color(color, element) if color else None, get("value"))  # fmt: skip

    def _carry(self, element: Element, style: Style, count: int) -> Any:
        """Makes the row of the sum so far: the table's `carry` is its text, in which "{}" is the number."""
        text = element.get("carry")
        if text is None:
            return None
        if text.count("{}") != 1:
            raise RenderError(f'line {element.line}: carry is a text with one "{{}}" for the sum', field=f"line {element.line}")
        own = attrs.evolve(style, italic=True, align="right", color=self._theme.color("muted"))

        def row(total: float) -> Row:
            shown = text.replace("{}", f"{total:,.2f}")
            words = self._inline.plain(shown, own)
            return Row([Cell([Text(words, own.size, own.size * self._theme.leading, align="right")], 0, count)])

        return row


class _Styles:
    """The few styles that the cells of a table have."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self._made: dict[tuple[str, bool], Style] = {}

    def of(self, align: str, bold: bool) -> Style:
        made = self._made.get((align, bold))
        if made is None:
            made = self._made[(align, bold)] = attrs.evolve(self._style, align=align, bold=bold or self._style.bold)
        return made


def _width(rows: Sequence[Element]) -> int:
    """The columns of a group of rows."""
    most, reaching = 0, dict[int, int]()
    for row in rows:
        column = 0
        for cell in row.elements("td", "th"):
            while reaching.get(column, 0) > 0:
                column += 1
            for at in range(column, column + cell.get("colspan", 1)):
                reaching[at] = max(reaching.get(at, 0), cell.get("rowspan", 1))
            column += cell.get("colspan", 1)
        most = max(most, column, *(at + 1 for at, left in reaching.items() if left > 0)) if reaching else max(most, column)
        reaching = {at: left - 1 for at, left in reaching.items() if left > 1}
    return most


def _flexible(widths: Sequence[Any]) -> bool:
    return any(isinstance(one, Share) for one in widths)


def _without(element: Element, name: str) -> dict[str, Any]:
    return {key: value for key, value in element.attributes.items() if key != name}


def _line_up(rows: Sequence[Row]) -> None:
    """Move the numbers of columns that are aligned at the decimal point so that their points stand below one another."""
    columns: dict[int, list[tuple[Text | Label, float]]] = {}
    for row in rows:
        for cell in row.cells:
            one = cell.content[0] if len(cell.content) == 1 else None
            if isinstance(one, (Text, Label)) and one.align == "decimal" and one.words and one.words[-1].pieces:
                text, look = one.words[-1].pieces[-1]
                at = max(text.rfind("."), text.rfind(","))
                columns.setdefault(cell.column, []).append((one, measure(text[at:], look) if at >= 0 else 0.0))
    for several in columns.values():
        most = max(width for _, width in several)
        for one, width in several:
            one.align, one.shift = "right", most - width
