"""A table of contents, laid out before the numbers of its pages are known: they are drawn when the last page is."""

from collections.abc import Sequence
from typing import Any

import attrs
from reportlab.platypus import Flowable

from brickwork.documents.backends.reportlab.inline import Inline, Style
from brickwork.documents.backends.reportlab.text import Text, measure


class Contents(Flowable):  # type: ignore[misc]
    """A line for each heading, which leads there."""

    def __init__(self, entries: Sequence[Any], inline: Inline, style: Style, after: float) -> None:
        super().__init__()
        self._entries, self._inline, self._style, self._after = entries, inline, style, after
        self._line = style.size * 1.6

    def getSpaceAfter(self) -> float:
        return self._after

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        self.width, self.height = width, self._line * len(self._entries)
        return self.width, self.height

    def split(self, width: float, height: float) -> list[Flowable]:
        fit = int(height // self._line)
        if not 0 < fit < len(self._entries):
            return []
        return [Contents(part, self._inline, self._style, self._after) for part in (self._entries[:fit], self._entries[fit:])]

    def draw(self) -> None:
        canvas, top = self.canv, self.height
        number = measure("0000", self._inline._look(self._style))
        for entry in self._entries:
            left = entry.level * self._style.size * 1.4
            style = attrs.evolve(self._style, bold=entry.level == 0)
            room = self.width - left - number - 8
            text = Text(self._inline.plain(entry.title, style), style.size, self._line)
            line = text.lines(room)[0]
            if len(text.lines(room)) > 1:
                text = Text([*line.words[:-1], *self._inline.plain("…", style)], style.size, self._line)
                line = text.lines(room)[0]
            text.paint(canvas, left, top, room)
            self._dots(canvas, left + line.width + 4, self.width - number - 4, top)
            canvas.linkRect("", entry.key, (0, top - self._line, self.width, top), relative=1, thickness=0)
            canvas.bw_later(self.width - number, top - self._line, number, self._line, self._page_of(entry.key, style))
            top -= self._line

    def _dots(self, canvas: Any, begin: float, end: float, top: float) -> None:
        if end > begin:
            canvas.setStrokeColorRGB(*self._inline.theme.color("line"))
            canvas.setDash(0.6, 3)
            canvas.setLineWidth(0.6)
            y = top - self._line / 2 - self._style.size * 0.3
            canvas.line(begin, y, end, y)
            canvas.setDash()

    def _page_of(self, key: str, style: Style) -> Any:
        def draw(canvas: Any, width: float, height: float) -> None:
            words = self._inline.plain(str(canvas.bw_pages.get(key, "")), style)
            Text(words, style.size, self._line, align="right").paint(canvas, 0, height, width)

        return draw
