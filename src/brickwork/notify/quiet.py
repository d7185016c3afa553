"""Times of day in a recipient's own zone: quiet hours, and when a digest goes out. Pure functions; summer time is their point."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, model_validator

from brickwork.errors import ValidationError

_DAY = timedelta(days=1)


class QuietHours(BaseModel):
    """From when until when nothing that can wait is sent, by the recipient's clock. `begin` after `end` goes over midnight;
    `days` are those on which it begins, 0 for Monday to 6 for Sunday."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    begin: time
    end: time
    days: frozenset[int] = Field(default=frozenset(range(7)))

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.begin.tzinfo is not None or self.end.tzinfo is not None:
            raise ValueError("quiet hours are times of day without a zone; the recipient's is taken")
        if self.begin == self.end:
            raise ValueError("quiet hours begin and end at different times")
        if not self.days <= frozenset(range(7)):
            raise ValueError("days are 0 (Monday) to 6 (Sunday)")
        return self


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo:
    """The IANA zone called `name`; raises `ValidationError`."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValidationError(f"{name[:80]!r} is no time zone; it looks like Europe/Vienna", field="zone") from None


def next_time(now: datetime, at: time, zone: ZoneInfo) -> datetime:
    """The first moment after `now` at which it is `at` in `zone`, in UTC. A time that the clocks skip is taken when it would have
    come, which is later by the clock; one that comes twice, the first time."""
    day = now.astimezone(zone).date()
    for ahead in range(3):
        moment = _moment(day + ahead * _DAY, at, zone)
        if moment > now:
            return moment
    raise AssertionError("a time of day comes within two days")


def after_quiet(now: datetime, quiet: QuietHours | None, zone: ZoneInfo) -> datetime:
    """`now`, or the end of the quiet hours in which it lies, in UTC."""
    if quiet is None:
        return now
    today = now.astimezone(zone).date()
    for day in (today - _DAY, today):
        if day.weekday() in quiet.days:
            begin = _moment(day, quiet.begin, zone)
            end = _last_moment(day if quiet.end > quiet.begin else day + _DAY, quiet.end, zone)
            if begin <= now < end:
                return end
    return now


def _moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, at.replace(fold=0), tzinfo=zone).astimezone(UTC)


def _last_moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    """As `_moment`, but of a time that comes twice the second time: until then it may still be quiet."""
    folds = [datetime.combine(day, at.replace(fold=fold), tzinfo=zone).astimezone(UTC) for fold in (0, 1)]
    return max(folds)
