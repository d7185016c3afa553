"""Images, charts, barcodes, form fields and the other things that are not text."""

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from reportlab.lib.colors import Color
from reportlab.lib.utils import ImageReader
from reportlab.platypus import Flowable

from brickwork.documents.assets import MOST_PIXELS, content_of, wrong
from brickwork.documents.backends.reportlab.inline import Inline
from brickwork.documents.markup.elements import Share
from brickwork.documents.markup.nodes import Element


class Figure(Flowable):  # type: ignore[misc]
    """Something of a size, at one side of the space it has."""

    def __init__(self, width: float, height: float, align: str, after: float) -> None:
        super().__init__()
        self.width, self.height, self._align, self._after = width, height, align, after
        self._space = width

    def getSpaceAfter(self) -> float:
        return self._after

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        self._space = width if width < 1e8 else self.width
        self._fit(self._space, height)
        return self.width, self.height

    def left(self) -> float:
        """Where it begins."""
        return {"right": self._space - self.width, "center": (self._space - self.width) / 2}.get(self._align, 0.0)

    def _fit(self, width: float, height: float) -> None:
        """Shrink what is too large for the page."""
        scale = min(1.0, width / self.width if self.width else 1.0)
        self.width, self.height = self.width * scale, self.height * scale


class Picture(Figure):
    """An image."""

    def __init__(
        self, reader: ImageReader, width: float | None, height: float | None, share: float, align: str, after: float
    ) -> None:
        pixels = reader.getSize()
        natural = (pixels[0] * 0.75, pixels[1] * 0.75)
        ratio = pixels[1] / pixels[0]
        if width is None and height is None:
            width, height = natural
        super().__init__(width or (height or 0.0) / ratio, height or (width or 0.0) * ratio, align, after)
        self._reader, self._share, self._ratio = reader, share, ratio

    def _fit(self, width: float, height: float) -> None:
        if self._share:
            self.width, self.height = width * self._share, width * self._share * self._ratio
        super()._fit(width, height)

    def draw(self) -> None:
        self.canv.drawImage(self._reader, self.left(), 0, self.width, self.height, mask="auto")


class Graphic(Figure):
    """A drawing of reportlab's: a chart or a barcode."""

    def __init__(self, drawing: Any, width: float, height: float, align: str, after: float) -> None:
        super().__init__(width, height, align, after)
        self._drawing = drawing

    def draw(self) -> None:
        from reportlab.graphics import renderPDF

        scale = self.width / self._drawing.width
        self.canv.saveState()
        self.canv.translate(self.left(), 0)
        self.canv.scale(scale, scale)
        renderPDF.draw(self._drawing, self.canv, 0, 0)
        self.canv.restoreState()


class Field(Figure):
    """A field of a form. Of one for a signature the box is kept, and becomes a field when somebody is asked to sign."""

    def __init__(self, element: Element, width: float, height: float, color: Any, after: float) -> None:
        super().__init__(width, height, "left", after)
        self._element, self._color = element, color

    def draw(self) -> None:
        element, canvas = self._element, self.canv
        kind, name = element.get("type"), element.get("name")
        x, y = canvas.absolutePosition(0, 0)
        tip = element.get("tooltip") or name
        if kind == "text":
            flags = "multiline" if element.get("multiline") else ""
            flags += " required" if element.get("required") else ""
            canvas.acroForm.textfield(name=name, tooltip=tip, value=element.get("value", ""), x=x, y=y, width=self.width,
                                      height=self.height, fontSize=9, borderWidth=0.5, borderColor=Color(*self._color),
                                      fieldFlags=flags.strip(), forceBorder=True, maxlen=None)  # fmt: skip
        elif kind == "checkbox":
            canvas.acroForm.checkbox(name=name, tooltip=tip, checked=element.get("value") == "true", x=x, y=y, size=self.height,
                                     borderWidth=0.5, borderColor=Color(*self._color), forceBorder=True)  # fmt: skip
        else:
            canvas.setStrokeColorRGB(*self._color)
            canvas.setDash(2, 2)
            canvas.rect(0, 0, self.width, self.height, stroke=1, fill=0)
            canvas.setDash()
            canvas.bw_boxes.append((name, canvas.getPageNumber() - 1, (x, y, x + self.width, y + self.height)))


def picture(element: Element, assets: Mapping[str, bytes], after: float, readers: dict[str, ImageReader]) -> Picture:
    """The image that an `<img>` names. Raises `RenderError`."""
    source = element.get("src")
    reader = readers.get(source)
    if reader is None:
        reader = readers[source] = _reader(content_of(element, assets), element)
    width = element.get("width")
    share = width.percent / 100 or 1.0 if isinstance(width, Share) else 0.0
    fixed = width if isinstance(width, float) else None
    return Picture(reader, fixed, element.get("height"), share, element.get("align", "left"), after)


def _reader(content: bytes, element: Element) -> ImageReader:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content)) as image:
                if image.width * image.height > MOST_PIXELS:
                    raise wrong(element, f"the image has {image.width} x {image.height} pixels; up to {MOST_PIXELS:,} are taken")
                image.load()
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise wrong(element, "it is no image that can be read") from None
    return ImageReader(io.BytesIO(content))


def chart(element: Element, inline: Inline, width: float, after: float) -> Graphic:
    """A chart of an element's series. Raises `RenderError`."""
    from reportlab.graphics.shapes import Drawing, String

    wide = element.get("width")
    wide = wide if isinstance(wide, float) else width * (wide.percent / 100 or 1.0) if isinstance(wide, Share) else width
    high = element.get("height") or wide * 0.5
    series = list(element.elements("series"))
    if not series or any(len(one.get("values")) != len(series[0].get("values")) for one in series):
        raise wrong(element, "a chart needs series with as many values each")
    if element.get("labels") and len(element.get("labels")) != len(series[0].get("values")):
        raise wrong(element, "a chart needs as many labels as values")
    theme = inline.theme
    names = theme.series
    colors = [Color(*inline.color(one.get("color") or names[at % len(names)], one)) for at, one in enumerate(series)]
    drawing = Drawing(wide, high)
    font = inline._look(inline.base).font.name
    title = element.get("title")
    top = high - (theme.size * 1.6 if title else 0)
    if title:
        drawing.add(String(wide / 2, high - theme.size, title, fontName=font, fontSize=theme.size, textAnchor="middle"))
    pie = element.get("type") == "pie"
    legend = len(series) > 1 or pie
    if pie:
        drawing.add(_pie(element, series, names, inline, wide, top))
    else:
        drawing.add(_axes(element, series, colors, font, wide, top, legend))
    if legend:
        drawing.add(_legend(element, series, colors, inline, font, wide, top))
    return Graphic(drawing, wide, high, "left", after)


def _axes(element: Element, series: Any, colors: Any, font: str, wide: float, top: float, legend: bool) -> Any:
    from reportlab.graphics.charts.barcharts import VerticalBarChart
    from reportlab.graphics.charts.linecharts import HorizontalLineChart

    plot: Any = VerticalBarChart() if element.get("type") == "bar" else HorizontalLineChart()
    plot.x, plot.y, plot.width, plot.height = 36, 22, wide - (130 if legend else 46), top - 30
    plot.data = [tuple(one.get("values")) for one in series]
    plot.categoryAxis.categoryNames = list(element.get("labels") or [str(n + 1) for n in range(len(plot.data[0]))])
    values = [value for row in plot.data for value in row]
    if min(values) >= 0:
        plot.valueAxis.valueMin = 0
    for axis in (plot.categoryAxis, plot.valueAxis):
        axis.labels.fontName, axis.labels.fontSize = font, 7
        axis.strokeWidth = 0.5
    plot.valueAxis.visibleGrid, plot.valueAxis.gridStrokeWidth = 1, 0.25
    plot.valueAxis.gridStrokeColor = Color(0.82, 0.82, 0.85)
    marks = plot.bars if element.get("type") == "bar" else plot.lines
    for at, color in enumerate(colors):
        if element.get("type") == "bar":
            marks[at].fillColor, marks[at].strokeColor = color, None
        else:
            marks[at].strokeColor, marks[at].strokeWidth = color, 1.5
    return plot


def _pie(element: Element, series: Any, names: Any, inline: Inline, wide: float, top: float) -> Any:
    from reportlab.graphics.charts.piecharts import Pie

    values = series[0].get("values")
    if min(values) < 0 or not sum(values):
        raise wrong(element, "a pie needs values from 0 that are not all 0")
    plot = Pie()
    plot.width = plot.height = min(top - 16, wide * 0.5)
    plot.x, plot.y = 10, (top - plot.height) / 2
    plot.data, plot.labels = list(values), None
    for at in range(len(values)):
        plot.slices[at].fillColor = Color(*inline.theme.color(names[at % len(names)]))
        plot.slices[at].strokeColor, plot.slices[at].strokeWidth = Color(1, 1, 1), 0.75
    return plot


def _legend(element: Element, series: Any, colors: Any, inline: Inline, font: str, wide: float, top: float) -> Any:
    from reportlab.graphics.charts.legends import Legend

    legend = Legend()
    legend.x, legend.y, legend.alignment, legend.columnMaximum = wide - 86, top - 8, "right", 20
    if element.get("type") == "pie":
        legend.x = min(top - 16, wide * 0.5) + 30
        labels = element.get("labels") or [str(n + 1) for n in range(len(series[0].get("values")))]
        names = inline.theme.series
        colors = [Color(*inline.theme.color(names[at % len(names)])) for at in range(len(labels))]
    else:
        labels = [one.get("name") or f"Series {n + 1}" for n, one in enumerate(series)]
    legend.colorNamePairs = list(zip(colors, labels, strict=False))
    legend.fontName, legend.fontSize, legend.dx, legend.dy, legend.strokeWidth = font, 7, 6, 6, 0
    legend.deltay, legend.dxTextSpace = 10, 4
    return legend


def barcode(element: Element, after: float) -> Graphic:
    """A barcode (ISO/IEC 15417 Code 128, 16388 Code 39, 15420 EAN). Raises `RenderError`."""
    from reportlab.graphics.barcode import createBarcodeDrawing

    kind = {"code128": "Code128", "code39": "Standard39", "ean13": "EAN13", "ean8": "EAN8"}[element.get("type", "code128")]
    value = element.get("value")
    if kind.startswith("EAN") and not _ean(value, int(kind[3:])):
        raise wrong(element, f"{value!r} is no {kind}: it has {kind[3:]} digits of which the last is a check digit")
    if not value or not value.isascii() or (kind == "Standard39" and not set(value) <= set(_CODE39)):
        raise wrong(element, f"{value[:40]!r} holds characters that {kind} can't show")
    high = element.get("height") or 36.0
    options = {} if kind.startswith("EAN") else {"checksum": 0} if kind == "Standard39" else {}
    drawing = createBarcodeDrawing(kind, value=value, barHeight=high, humanReadable=element.get("text", True), **options)
    wide = element.get("width")
    width = wide if isinstance(wide, float) else drawing.width
    return Graphic(drawing, width, drawing.height * width / drawing.width, element.get("align", "left"), after)


_CODE39 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-. $/+%"


def _ean(value: str, digits: int) -> bool:
    if len(value) != digits or not (value.isascii() and value.isdigit()):
        return False
    weights = [3 if (digits - 1 - at) % 2 else 1 for at in range(digits)]
    return sum(int(digit) * weight for digit, weight in zip(value, weights, strict=True)) % 10 == 0


class Qr(Figure):
    """A QR code, drawn as one path."""

    def __init__(self, rows: Sequence[bytes], size: float, align: str, after: float) -> None:
        super().__init__(size, size, align, after)
        self._rows = rows

    def draw(self) -> None:
        quiet = 2
        step = self.width / (len(self._rows) + 2 * quiet)
        path, left, top = self.canv.beginPath(), self.left() + quiet * step, self.height - quiet * step
        for down, row in enumerate(self._rows):
            at = 0
            while (at := row.find(1, at)) >= 0:
                end = row.find(0, at)
                end = len(row) if end < 0 else end
                path.rect(left + at * step, top - (down + 1) * step, (end - at) * step, step)
                at = end
        self.canv.setFillColorRGB(0, 0, 0)
        self.canv.drawPath(path, stroke=0, fill=1)


def qr(element: Element, after: float) -> Qr:
    """A QR code (ISO/IEC 18004). Raises `RenderError`."""
    import segno

    value, size = element.get("value"), element.get("size") or 72.0
    if not value:
        raise wrong(element, "a QR code needs a value")
    try:
        code = segno.make_qr(value, error=element.get("level", "M"), boost_error=False)
    except segno.DataOverflowError:
        raise wrong(element, f"{len(value)} characters are more than a QR code of this level holds") from None
    return Qr([bytes(row) for row in code.matrix], size, element.get("align", "left"), after)
