"""What can be wrong with a document."""

from brickwork.errors import ValidationError


class RenderError(ValidationError):
    """A document can't be drawn: an image is missing or broken, a font lacks characters, a value makes no barcode."""

    code = "render_failed"


class MissingGlyphError(RenderError):
    """No font of the theme has some characters; `details` has them as `characters`."""

    code = "glyph_missing"
