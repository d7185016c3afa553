"""The windows in which quotas count: days and months of the calendar."""

from datetime import datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import attrs


@attrs.frozen
class Window:
    """A day ("2026-11-25") or month ("2026-11"), from `begins` on and before `ends`."""

    label: str
    begins: datetime
    ends: datetime

    @property
    def seconds(self) -> int:
        """How long it is; a day on which the clocks are changed is shorter or longer than others."""
        return round((self.ends - self.begins).total_seconds())


class Calendar:
    """Tells the present window; made anew only when the last one is over."""

    def __init__(self, every: Literal["day", "month"], zone: str) -> None:
        self._every = every
        self._zone = ZoneInfo(zone)
        self._last: Window | None = None

    def window(self, now: datetime) -> Window:
        """The window in which `now` is."""
        last = self._last
        if last is None or not last.begins <= now < last.ends:
            last = self._last = self._made(now)
        return last

    def _made(self, now: datetime) -> Window:
        today = now.astimezone(self._zone).date()
        if self._every == "day":
            first, label = today, f"{today:%Y-%m-%d}"
            following = today + timedelta(days=1)
        else:
            first, label = today.replace(day=1), f"{today:%Y-%m}"
            following = (first + timedelta(days=32)).replace(day=1)
        begins, ends = (datetime.combine(day, time(), self._zone).astimezone(now.tzinfo) for day in (first, following))
        return Window(label, begins, ends)
