"""What a visible signature shows: text, an image, or both, drawn into the field's box."""

import io
import re
from typing import Any

import attrs

from brickwork.documents.packaging.drawing import Style, canvas_module
from brickwork.errors import MissingDependencyError, ValidationError

#: Sizes of letters that are tried until the text fits.
_SIZES = (12, 11, 10, 9, 8, 7, 6, 5, 4)
_PADDING = 3.0
#: Only names: `str.format` would also take attributes of what is filled in, and widths of any size.
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@attrs.frozen
class Appearance:
    """Lines of text and an image (PNG or JPEG, left of the text). `{name}`, `{time}`, `{reason}` and `{location}` are filled in;
    a line that is then empty is left out."""

    text: str = "Signed by {name}\n{time}\n{reason}\n{location}"
    image: bytes | None = attrs.field(default=None, repr=False)
    style: Style = attrs.field(factory=lambda: Style(size=9))
    border: bool = True

    def draw(self, width: float, height: float, values: dict[str, str]) -> bytes:
        """A PDF of one page of this size. Raises `ValidationError` for an image that can't be read, a placeholder that isn't
        known, and letters that the font lacks."""
        lines = self._lines(values)
        buffer = io.BytesIO()
        canvas = canvas_module().Canvas(buffer, pagesize=(width, height), invariant=1)
        if self.border:
            canvas.setLineWidth(0.5)
            canvas.rect(0.25, 0.25, width - 0.5, height - 0.5)
        left = _PADDING
        if self.image is not None:
            share = (width - 2 * _PADDING) * (0.4 if lines else 1.0)
            self._image(canvas, share, height - 2 * _PADDING)
            left += share + _PADDING
        if lines:
            self._text(canvas, lines, left, width - left - _PADDING, height - 2 * _PADDING)
        canvas.showPage()
        canvas.save()
        return buffer.getvalue()

    def _lines(self, values: dict[str, str]) -> list[str]:
        lines = []
        for line in self.text.splitlines():
            if unknown := set(_PLACEHOLDER.findall(line)) - set(values):
                known = ", ".join(f"{{{name}}}" for name in values)
                raise ValidationError(f"{{{min(unknown)[:60]}}} is none of {known}", field="text")
            filled = _PLACEHOLDER.sub(lambda found: values[found[1]], line)
            if filled.strip():
                lines.append(filled)
        return lines

    def _image(self, canvas: Any, width: float, height: float) -> None:
        try:
            from reportlab.lib.utils import ImageReader
        except ImportError:
            raise MissingDependencyError("reportlab", "pdf") from None
        try:
            image = ImageReader(io.BytesIO(self.image or b""))
        except Exception:  # Pillow raises whatever a broken file brings about
            raise ValidationError("the image can't be read; PNG and JPEG are taken", field="image") from None
        canvas.drawImage(image, _PADDING, _PADDING, width, height, mask="auto", preserveAspectRatio=True, anchor="c")

    def _text(self, canvas: Any, lines: list[str], left: float, width: float, height: float) -> None:
        from reportlab.lib.utils import simpleSplit

        wanted = [self.style.size, *(size for size in _SIZES if size < self.style.size)]
        for size in wanted:
            style = attrs.evolve(self.style, size=size)
            name = style.use(canvas, "".join(lines))
            parts = [part for line in lines for part in simpleSplit(line, name, size, max(width, size))]
            if len(parts) * size * 1.2 <= height:
                break
        y = _PADDING + height - size
        for part in parts:
            canvas.drawString(left, y, part)
            y -= size * 1.2
