"""Marks on pages: numbers, stamps, watermarks and other PDFs laid over or under, upright as the page is shown."""

import hashlib
import io
import string
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import attrs

from brickwork.documents.packaging.frames import IDENTITY, Frame, Matrix, moved, own_resources, resource_name, times
from brickwork.documents.packaging.library import library
from brickwork.errors import MissingDependencyError, ValidationError

Position = Literal[
    "top-left",
    "top-center",
    "top-right",
    "center-left",
    "center",
    "center-right",
    "bottom-left",
    "bottom-center",
    "bottom-right",
]
#: What a page number's text may name.
FIELDS = {"page", "pages", "label"}


@attrs.frozen
class Style:
    """How a mark's text looks. `font` is one of the 14 standard fonts, which has Latin letters only and is not embedded, or
    the path of a TrueType font, of which the letters used are embedded. `size` in points; `color` as "#rrggbb"."""

    font: str | Path = "Helvetica"
    size: float = 9
    color: str = "#000000"
    #: Points to the page's edge.
    margin: float = 28
    #: From 0 (unseen) to 1.
    opacity: float = attrs.field(default=1.0)

    @opacity.validator
    def _check(self, _: object, value: float) -> None:
        if not 0 < value <= 1:
            raise ValidationError(f"opacity is above 0 and at most 1, not {value}", field="opacity")

    def use(self, canvas: Any, text: str) -> str:
        """Set font and colour for `text`; the font's name. Raises `ValidationError` for letters that the font lacks."""
        name = font_for(self.font, text)
        try:
            canvas.setFillColor(_colors().HexColor(self.color, hasAlpha=False))
        except ValueError:
            raise ValidationError(f"color {self.color!r} is not one such as #3366cc", field="color") from None
        canvas.setFillAlpha(self.opacity)
        canvas.setFont(name, self.size)
        return name


#: What marks look like unless the caller says.
NUMBER_STYLE, STAMP_STYLE, CONTENTS_STYLE, COVER_STYLE = (
    Style(),
    Style(size=12),
    Style(size=11, margin=64),
    Style(size=12, margin=72),
)


def canvas_module() -> Any:
    """reportlab's canvas; raises `MissingDependencyError`."""
    try:
        from reportlab.pdfgen import canvas
    except ImportError:
        raise MissingDependencyError("reportlab", "pdf") from None
    return canvas


def _colors() -> Any:
    from reportlab.lib import colors

    return colors


def font_for(font: str | Path, text: str) -> str:
    """The name of a font that has all letters of `text`; raises `ValidationError` naming those it lacks."""
    canvas_module()
    from reportlab.pdfbase import pdfmetrics

    if isinstance(font, str) and font in pdfmetrics.standardFonts:
        lacking = sorted({letter for letter in text if not letter.encode("cp1252", "ignore")})
        name = font
    else:
        name = _registered(Path(font))
        known = pdfmetrics.getFont(name).face.charToGlyph
        lacking = sorted({letter for letter in text if ord(letter) not in known})
    if lacking:
        raise ValidationError(f"the font {Path(font).name} lacks {''.join(lacking)!r}; give font= a TrueType font", field="font")
    return name


def _registered(path: Path) -> str:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFError, TTFont

    try:
        name = "bw" + hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(name, str(path)))
    except (TTFError, OSError) as error:
        raise ValidationError(f"{path.name} is no TrueType font that can be used: {error}", field="font") from None
    return name


def check_position(position: str) -> None:
    """Raises `ValidationError`."""
    if position not in get_args(Position):
        raise ValidationError(f"position {position!r} is none of {', '.join(get_args(Position))}", field="position")


def check_template(template: str) -> None:
    """Raises `ValidationError` unless the text names fields of `FIELDS` only."""
    try:
        names = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
        template.format(page=1, pages=1, label="1")
    except (ValueError, KeyError, IndexError, AttributeError) as error:
        raise ValidationError(f"{template!r} is not a page number's text: {error}", field="template") from None
    if not names <= FIELDS:
        raise ValidationError(f"{template!r} names {sorted(names - FIELDS)}; known are page, pages and label", field="template")


def write(canvas: Any, frame: Frame, text: str, position: str, style: Style) -> None:
    """Write lines of text at a position of a page."""
    lines = text.splitlines() or [""]
    name = style.use(canvas, "".join(lines))
    leading = style.size * 1.2
    high = leading * (len(lines) - 1)
    vertical, _, horizontal = position.partition("-")
    top = {
        "top": frame.height - style.margin - style.size * 0.75,
        "bottom": style.margin + high,
        "center": (frame.height + high) / 2 - style.size * 0.35,
    }[vertical]
    for number, line in enumerate(lines):
        wide = canvas.stringWidth(line, name, style.size)
        left = {"left": style.margin, "right": frame.width - style.margin - wide}.get(horizontal, (frame.width - wide) / 2)
        canvas.drawString(left, top - number * leading, line)


def write_across(canvas: Any, frame: Frame, text: str, angle: float, style: Style) -> None:
    """Write one line through the middle of a page, as large as fits."""
    name = style.use(canvas, text)
    room = 0.8 * min(frame.width, frame.height)
    size = min(style.size, style.size * room / max(canvas.stringWidth(text, name, style.size), 1))
    canvas.saveState()
    canvas.translate(frame.width / 2, frame.height / 2)
    canvas.rotate(angle)
    canvas.setFont(name, size)
    canvas.drawCentredString(0, -size * 0.35, text)
    canvas.restoreState()


def mark(pdf: Any, pages: Sequence[int], draw: Callable[[Any, Frame, int], None], *, same: bool, under: bool = False) -> None:
    """Draw on each of `pages`; `draw` gets a canvas, the page's frame and which of the pages it is. With `same`, pages of one
    size share what was drawn."""
    pikepdf = library()
    frames = [Frame.of(pdf.pages[n]) for n in pages]
    keys = [(frame.width, frame.height, None if same else n) for n, frame in enumerate(frames)]
    firsts = {key: n for n, key in reversed(list(enumerate(keys)))}
    buffer = io.BytesIO()
    canvas = canvas_module().Canvas(buffer, invariant=1)
    for n in sorted(firsts.values()):
        canvas.setPageSize((frames[n].width, frames[n].height))
        draw(canvas, frames[n], n)
        canvas.showPage()
    canvas.save()
    drawn = pikepdf.open(buffer)
    forms = {
        keys[n]: pdf.copy_foreign(drawn.make_indirect(page.as_form_xobject()))
        for n, page in zip(sorted(firsts.values()), drawn.pages, strict=True)
    }
    for n, key, frame in zip(pages, keys, frames, strict=True):
        place(pdf, pdf.pages[n], forms[key], frame, under=under)


def place(pdf: Any, page: Any, form: Any, frame: Frame, *, under: bool) -> None:
    """Put a form XObject as large as the page over or under what is there."""
    matrix = form.get("/Matrix")
    turned: Matrix = tuple(float(v) for v in matrix.as_list()) if matrix is not None else IDENTITY  # type: ignore[assignment]
    left, bottom, right, top = moved(turned, tuple(float(value) for value in form.BBox.as_list()))  # type: ignore[arg-type]
    scale = min(frame.width / (right - left), frame.height / (top - bottom))
    middle = ((frame.width - scale * (right - left)) / 2, (frame.height - scale * (top - bottom)) / 2)
    fit = times((1, 0, 0, 1, -left, -bottom), (scale, 0, 0, scale, *middle))
    name = resource_name(own_resources(page), "/XObject", "BwMark", form)
    numbers = " ".join(f"{value:.6g}" for value in times(fit, frame.matrix))
    drawing = f"q {numbers} cm {name} Do Q\n".encode()
    page.contents_add(pdf.make_stream((drawing if under else b"") + b"q\n"), prepend=True)
    page.contents_add(pdf.make_stream(b"\nQ\n" + (b"" if under else drawing)))
