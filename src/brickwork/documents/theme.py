"""How documents look: fonts, sizes, colours and spaces, as data."""

from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from brickwork.documents.markup.elements import length

#: Points (width, height) of pages, portrait.
PAGES = {
    "A3": (841.89, 1190.55),
    "A4": (595.28, 841.89),
    "A5": (419.53, 595.28),
    "letter": (612.0, 792.0),
    "legal": (612.0, 1008.0),
}
#: The families that every PDF reader has; they hold the characters of Western European languages (Windows-1252).
STANDARD = frozenset({"Helvetica", "Times", "Courier"})


class FontFiles(BaseModel):
    """The TrueType files of a family; where a style has no file of its own the regular one stands in. `index` chooses among the
    fonts of a collection (.ttc)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    regular: Path
    bold: Path | None = None
    italic: Path | None = None
    bold_italic: Path | None = None
    index: int = Field(default=0, ge=0)


class Theme(BaseModel):
    """The look of documents. Lengths are in points, or texts such as "20mm"; colours are "#rrggbb"."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    page: str = Field(default="A4", pattern=f"^({'|'.join(PAGES)})$")
    #: Top, right, bottom, left.
    margin: tuple[float, float, float, float] = (56.7, 56.7, 62.4, 56.7)
    #: Families by name; those that readers have ("Helvetica", "Times", "Courier") need no files.
    fonts: dict[str, FontFiles] = {}
    body: str = "Helvetica"
    heading: str = "Helvetica"
    code: str = "Courier"
    #: Families that are looked through for characters which the one in use lacks.
    fallback: tuple[str, ...] = ()
    size: float = Field(default=9.5, gt=0, le=200)
    #: Distance of lines, as a multiple of the size.
    leading: float = Field(default=1.35, ge=0.8, le=4)
    #: Sizes of h1 to h4, as multiples of the body's.
    headings: tuple[float, float, float, float] = (1.9, 1.45, 1.2, 1.05)
    #: Space after a block.
    space: float = Field(default=6.0, ge=0, le=200)
    text: str = "#1d1d1f"
    accent: str = "#7a3b12"
    muted: str = "#6e6e73"
    line: str = "#d2d2d7"
    table_head: str = "#f3ece6"
    zebra: str = "#f9f7f5"
    #: Space around the text of a table's cell, above and below it and beside it.
    padding: tuple[float, float] = (3.0, 4.0)
    #: Colours by name for `color`, `background` and charts.
    colors: dict[str, str] = {}
    #: Colours of a chart's series, in order.
    series: tuple[str, ...] = ("#7a3b12", "#c08457", "#4d6a6d", "#9fb8ad", "#3c3c43", "#e0b084")
    #: Looks of classes: what `class="note"` changes of text: color, size (a multiple), bold, italic, align, background.
    classes: dict[str, dict[str, Any]] = {}

    @field_validator("margin", mode="before")
    @classmethod
    def _lengths(cls, given: Any) -> Any:
        return tuple(length(one) if isinstance(one, str) else one for one in given) if isinstance(given, (list, tuple)) else given

    @field_validator("text", "accent", "muted", "line", "table_head", "zebra")
    @classmethod
    def _hex(cls, value: str) -> str:
        rgb(value)
        return value

    @model_validator(mode="after")
    def _known(self) -> Self:
        for name in (self.body, self.heading, self.code, *self.fallback):
            if name not in STANDARD and name not in self.fonts:
                raise ValueError(f"there is no font {name!r}; give its files in fonts, or take {', '.join(sorted(STANDARD))}")
        for value in (*self.colors.values(), *self.series):
            rgb(value)
        return self

    def color(self, value: str) -> tuple[float, float, float]:
        """Red, green and blue (0 to 1) of "#rrggbb" or of a name that the theme has; raises `ValueError`."""
        if value.startswith("#"):
            return rgb(value)
        known = self.colors.get(value) or (getattr(self, value) if value in COLOURS else None)
        if known is None:
            raise ValueError(f"the theme has no colour {value!r}; it has {', '.join(sorted([*COLOURS, *self.colors]))}")
        return rgb(known)


#: The theme's own names of colours.
COLOURS = ("text", "accent", "muted", "line", "table_head", "zebra")


def rgb(value: str) -> tuple[float, float, float]:
    """Red, green and blue of "#rgb" or "#rrggbb"; raises `ValueError`."""
    digits = value.removeprefix("#")
    if len(digits) == 3:
        digits = "".join(2 * digit for digit in digits)
    if len(digits) != 6 or not value.startswith("#"):
        raise ValueError(f"{value[:30]!r} is no colour; it looks like #7a3b12")
    return int(digits[0:2], 16) / 255, int(digits[2:4], 16) / 255, int(digits[4:6], 16) / 255
