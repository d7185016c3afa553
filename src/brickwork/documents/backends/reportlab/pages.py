"""Pages: their frames, heads and feet, the outline, and what can be drawn only when the last page is known."""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from reportlab import rl_config
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, PageTemplate

_saving = threading.Lock()
Later = Callable[[Any, float, float], None]


class Sheet(Canvas):  # type: ignore[misc]
    """A canvas that remembers what is to be drawn later, and where headings came to stand."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: Form fields for signatures: name, page from 0, box.
        self.bw_boxes: list[tuple[str, int, tuple[float, float, float, float]]] = []
        self.bw_pages: dict[str, int] = {}
        self._later: list[tuple[str, float, float, Later]] = []
        self._level = -1

    def bw_arrived(self, entry: Any, y: float) -> None:
        """A heading stands on this page."""
        self.bw_pages[entry.key] = self.getPageNumber()
        self.bookmarkPage(entry.key, fit="XYZ", left=0, top=y + 10)
        self._level = min(entry.level, self._level + 1)  # a level can't be left out
        self.addOutlineEntry(entry.title, entry.key, self._level, closed=self._level > 0)

    def bw_later(self, x: float, y: float, width: float, height: float, draw: Later) -> None:
        """Leave room for what `draw(canvas, width, height)` draws when all pages are known."""
        name = f"later{len(self._later)}"
        self._later.append((name, width, height, draw))
        self.saveState()
        self.translate(x, y)
        self.doForm(name)
        self.restoreState()

    def bw_finish(self) -> None:
        """Draw what was left for later."""
        for name, width, height, draw in self._later:
            self.beginForm(name, 0, 0, width, height)
            draw(self, width, height)
            self.endForm()


class Story(list[Any]):
    """What flows over the pages, made as it is needed: reportlab takes its list from the front."""

    #: How much it looks ahead, for what is to stay with what follows.
    AHEAD = 16

    def __init__(self, source: Iterator[Flowable]) -> None:
        super().__init__()
        self._source = source

    def __len__(self) -> int:
        for one in islice(self._source, max(self.AHEAD - super().__len__(), 0)):
            self.append(one)
        return super().__len__()


class Book(BaseDocTemplate):  # type: ignore[misc]
    """A document of one kind of page."""

    def __init__(self, target: Any, size: tuple[float, float], margin: Sequence[float], furnish: Callable[[Any, int], None],
                 **options: Any) -> None:  # fmt: skip
        top, right, bottom, left = margin
        super().__init__(target, pagesize=size, topMargin=top, rightMargin=right, bottomMargin=bottom, leftMargin=left,
                         allowSplitting=1, **options)  # fmt: skip
        frame = Frame(left, bottom, size[0] - left - right, size[1] - top - bottom, 0, 0, 0, 0, id="body")
        self.addPageTemplates(PageTemplate("page", [frame], onPage=lambda canvas, _: furnish(canvas, canvas.getPageNumber())))

    def _endBuild(self) -> None:
        self._doSave = 0
        super()._endBuild()
        self.canv.bw_finish()
        with _saving:  # ASCII-85 would make files a quarter larger, and says so only here
            before, rl_config.useA85 = rl_config.useA85, 0
            try:
                self.canv.save()
            finally:
                rl_config.useA85 = before


def draw_column(canvas: Any, flowables: Sequence[Flowable], x: float, top: float, width: float) -> None:
    """Draw one below the other."""
    for one in flowables:
        _, height = one.wrap(width, 1e9)
        one.drawOn(canvas, x, top - height)
        top -= height + one.getSpaceAfter()


def height_of(flowables: Sequence[Flowable], width: float) -> float:
    """How high they are, one below the other."""
    heights = [one.wrap(width, 1e9)[1] + one.getSpaceAfter() for one in flowables]
    return float(sum(heights) - (flowables[-1].getSpaceAfter() if flowables else 0.0))


def set_moment(canvas: Any, moment: datetime) -> None:
    """Let the file say that it was made at a moment (in invariant mode reportlab says 1 January 2000)."""
    stamp = canvas._doc._timeStamp
    stamp.t, stamp.YMDhms, stamp.dhh, stamp.dmm = moment.timestamp(), tuple(moment.utctimetuple())[:6], 0, 0
