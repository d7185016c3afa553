"""Charts, barcodes and QR codes as SVG, for renderers that don't draw them themselves."""

import re
from functools import lru_cache

from brickwork.documents.assets import wrong
from brickwork.documents.markup.nodes import Element
from brickwork.documents.theme import STANDARD, Theme

#: What reportlab's SVG says of itself, and the clip of its whole area, whose names would clash within a page.
_CHATTER = re.compile(r"\s*<(title|desc|clipPath)\b.*?</\1>| id=\"group\"| style=\"clip-path: url\(#clip\)\"", re.DOTALL)
_FAMILY = re.compile(r"font-family: ([\w-]+)")


def svg_of(element: Element, theme: Theme, width: float) -> str:
    """A `<chart>`, `<barcode>` or `<qr>`; a share of a width is one of `width` points. Raises `RenderError`, and
    `ModuleNotFoundError` where the extra "pdf" is not installed."""
    return _qr(element) if element.tag == "qr" else _drawing(element, theme, width)


def _drawing(element: Element, theme: Theme, width: float) -> str:
    from reportlab.graphics import renderSVG

    from brickwork.documents.backends.reportlab import figures
    from brickwork.documents.backends.reportlab.fonts import FontBook
    from brickwork.documents.backends.reportlab.inline import Inline

    if element.tag == "chart":
        graphic = figures.chart(element, Inline(theme, FontBook(theme, embedded=False), None), width, 0.0)
    else:
        graphic = figures.barcode(element, 0.0)
    drawing = graphic._drawing
    text = renderSVG.drawToString(drawing)
    text = _CHATTER.sub("", text[text.index("<svg") :])
    size = f'<svg width="{graphic.width:g}pt" height="{graphic.height:g}pt" viewBox="0 0 {drawing.width:g} {drawing.height:g}"'
    text = re.sub(r"<svg width=\S+ height=\S+ preserveAspectRatio=\"[^\"]*\" viewBox=\"[^\"]*\"", size, text, count=1)
    return _FAMILY.sub(lambda found: f"font-family: {_family(found[1], theme)}", text)


def _family(name: str, theme: Theme) -> str:
    """The family of a font as CSS names it; reportlab knows files by names of its own."""
    if not name.startswith("bw"):
        return name.partition("-")[0]
    return f"'{theme.body}'" if theme.body not in STANDARD else theme.body


def _qr(element: Element) -> str:
    rows = _matrix(element.get("value"), element.get("level", "M"))
    if rows is None:
        long = len(element.get("value"))
        raise wrong(
            element, f"{long} characters are more than a QR code of this level holds" if long else "a QR code needs a value"
        )
    size, count = element.get("size") or 72.0, len(rows) + 4
    path = []
    for down, row in enumerate(rows):
        path += [f"M{found.start() + 2} {down + 2}h{len(found[0])}v1h-{len(found[0])}z" for found in re.finditer(b"\x01+", row)]
    return (
        f'<svg width="{size:g}pt" height="{size:g}pt" viewBox="0 0 {count} {count}" xmlns="http://www.w3.org/2000/svg">'
        f'<path d="{"".join(path)}"/></svg>'
    )


@lru_cache(maxsize=256)
def _matrix(value: str, level: str) -> tuple[bytes, ...] | None:
    """The rows of a code, a byte a module; None where there is none."""
    import segno

    try:
        return tuple(bytes(row) for row in segno.make_qr(value, error=level, boost_error=False).matrix) if value else None
    except segno.DataOverflowError:
        return None
