"""Items of lists: content that stands to the right of its marker."""

from typing import Any

from reportlab.platypus import Flowable

from brickwork.documents.backends.reportlab.text import Text

_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"), (10, "x"), (9, "ix"),
          (5, "v"), (4, "iv"), (1, "i"))  # fmt: skip


class Indent(Flowable):  # type: ignore[misc]
    """A flowable that is moved in, with a marker before it."""

    def __init__(self, inner: Flowable, left: float, mark: Text | None, *, rtl: bool) -> None:
        super().__init__()
        self._inner, self._left, self._mark, self._rtl = inner, left, mark, rtl

    def getSpaceAfter(self) -> float:
        return float(max(self._inner.getSpaceAfter(), 2.0))

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        _, self.height = self._inner.wrap(width - self._left, height)
        self.width = width
        return width, self.height

    def split(self, width: float, height: float) -> list[Flowable]:
        parts = self._inner.split(width - self._left, height)
        if len(parts) < 2:
            return []
        marks: list[Any] = [self._mark, *(None for _ in parts[1:])]
        return [Indent(part, self._left, mark, rtl=self._rtl) for part, mark in zip(parts, marks, strict=True)]

    def draw(self) -> None:
        if self._mark is not None:
            gap = self._left * 0.25
            wide = max(self._mark.lines(1e9)[0].width, 1.0)
            left = self.width - self._left + gap if self._rtl else self._left - gap - wide
            self._mark.paint(self.canv, left, self.height, wide)
        self._inner.drawOn(self.canv, 0.0 if self._rtl else self._left, 0.0)


def marker(number: int, kind: str) -> str:
    """The marker of an item: "3.", "c.", "iii."."""
    if kind in "aA" and number > 0:
        text = ""
        while number:
            number, rest = divmod(number - 1, 26)
            text = chr(97 + rest) + text
    elif kind in "iI" and 0 < number < 4000:
        text = ""
        for value, sign in _ROMAN:
            times, number = divmod(number, value)
            text += sign * times
    else:
        return f"{number}."
    return f"{text.upper() if kind in 'AI' else text}."
