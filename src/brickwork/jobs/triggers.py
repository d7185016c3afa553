"""When a schedule fires: cron, interval or calendar, computed by APScheduler's triggers.

Times of day are those of the zone. A time that a change to summer time skips (2:30 on that night) fires as if the clock had not
been changed, at 3:30 of the new time; one that the change back repeats fires once, the first time.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from brickwork.errors import ValidationError


class Calendar(BaseModel):
    """Every so many years, months, weeks or days, at a time of day."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    years: int = Field(0, ge=0, le=100)
    months: int = Field(0, ge=0, le=1200)
    weeks: int = Field(0, ge=0, le=5000)
    days: int = Field(0, ge=0, le=36_500)
    hour: int = Field(0, ge=0, le=23)
    minute: int = Field(0, ge=0, le=59)

    @model_validator(mode="after")
    def _some(self) -> "Calendar":
        if not (self.years or self.months or self.weeks or self.days):
            raise ValueError("takes years, months, weeks or days above 0")
        return self


class Trigger(BaseModel):
    """One of `cron` (five fields, as crontab has them), `every` (seconds) or `calendar`, in a time zone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cron: str | None = None
    every: float | None = Field(None, ge=1, le=31_536_000)
    calendar: Calendar | None = None
    zone: str = "UTC"
    start: datetime | None = None

    @field_validator("zone")
    @classmethod
    def _known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{value!r} is no IANA time zone, as Europe/Berlin is") from None
        return value

    @model_validator(mode="after")
    def _one(self) -> "Trigger":
        if sum(kind is not None for kind in (self.cron, self.every, self.calendar)) != 1:
            raise ValueError("takes one of cron, every and calendar")
        if self.start is not None and self.start.tzinfo is None:
            raise ValueError("start takes an aware time")
        if self.cron is not None:
            try:
                CronTrigger.from_crontab(self.cron)
            except ValueError as error:
                raise ValueError(f"cron {self.cron!r} can't be read: {error}") from None
        return self

    def after(self, moment: datetime, *, previous: datetime | None = None) -> datetime | None:
        """The first time after `moment`, in UTC; None if there is none. Intervals count from `previous`, if given."""
        zone = ZoneInfo(self.zone)
        since = (moment + timedelta(microseconds=1)).astimezone(zone)
        if self.every is not None and (anchor := previous or self.start) is not None:
            passed = max(0, int((moment - anchor).total_seconds() // self.every) + 1)
            return (anchor + timedelta(seconds=self.every * passed)).astimezone(UTC)
        trigger = self._apscheduler(zone, moment)
        found = trigger.get_next_fire_time(previous.astimezone(zone) if previous and self.calendar else None, since)
        while found is not None and (found <= moment or self._repeated(found, zone)):
            since = (found.astimezone(UTC) + timedelta(microseconds=1)).astimezone(zone)
            found = trigger.get_next_fire_time(found if self.calendar else None, since)
        return None if found is None else found.astimezone(UTC)

    def _repeated(self, found: datetime, zone: ZoneInfo) -> bool:
        """Whether the clock shows this time for the second time, and the hour is a fixed one."""
        fixed = self.cron is not None and "*" not in self.cron.split()[1]
        return fixed and found.astimezone(UTC).astimezone(zone).fold == 1

    def _apscheduler(self, zone: ZoneInfo, moment: datetime) -> BaseTrigger:
        start: Any = self.start.astimezone(zone) if self.start else None
        if self.cron is not None:
            return CronTrigger.from_crontab(self.cron, timezone=zone)
        if self.every is not None:
            return IntervalTrigger(seconds=self.every, timezone=zone, start_date=start or moment.astimezone(zone))
        assert self.calendar is not None
        parts = self.calendar.model_dump()
        return CalendarIntervalTrigger(**parts, timezone=zone, start_date=start or moment.astimezone(zone).date())


Misfire = Literal["once", "skip", "all"]


def parse_trigger(value: Any) -> Trigger:
    """A trigger from a mapping; raises `ValidationError` which says what is wrong."""
    from pydantic import ValidationError as PydanticError

    try:
        return Trigger.model_validate(value)
    except PydanticError as error:
        told = "; ".join(
            f"{'.'.join(map(str, p['loc'])) or 'trigger'}: {p['msg'].removeprefix('Value error, ')}" for p in error.errors()
        )
        raise ValidationError(f"the trigger is not valid: {told}", field="trigger") from None
