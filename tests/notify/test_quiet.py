"""Times of day in a recipient's own zone."""

from datetime import UTC, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brickwork.errors import ValidationError
from brickwork.notify import QuietHours
from brickwork.notify.quiet import after_quiet, next_time, zone_of

VIENNA, NIGHT = zone_of("Europe/Vienna"), QuietHours(begin=time(22), end=time(7))
ZONES = ["Europe/Vienna", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC", "Pacific/Apia"]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "then"),
    [
        ("2026-01-05T20:59", "2026-01-05T20:59"),  # 21:59 in Vienna
        ("2026-01-05T21:00", "2026-01-06T06:00"),  # 22:00
        ("2026-01-06T02:00", "2026-01-06T06:00"),  # 3:00, of the night that began the day before
        ("2026-01-06T06:00", "2026-01-06T06:00"),  # 7:00
        ("2026-03-28T23:30", "2026-03-29T05:00"),  # the night in which the clocks go forward is an hour shorter
        ("2026-10-24T23:30", "2026-10-25T06:00"),  # and the one in which they go back is an hour longer
    ],
)
def test_the_night_ends_by_the_recipients_clock(now: str, then: str) -> None:
    assert after_quiet(at(now), NIGHT, VIENNA) == at(then)


def test_an_end_that_the_clocks_skip_comes_when_it_would_have() -> None:
    quiet = QuietHours(begin=time(1), end=time(2, 30))
    assert after_quiet(at("2026-03-29T00:30"), quiet, VIENNA) == at("2026-03-29T01:30")  # 3:30, which would have been 2:30


def test_an_end_that_comes_twice_is_the_second() -> None:
    quiet = QuietHours(begin=time(1), end=time(2, 30))
    assert after_quiet(at("2026-10-25T00:10"), quiet, VIENNA) == at("2026-10-25T01:30")


def test_quiet_days_are_those_on_which_it_begins() -> None:
    weekend = QuietHours(begin=time(18), end=time(9), days=frozenset({4, 5}))
    assert after_quiet(at("2026-01-09T20:00"), weekend, zone_of("UTC")) == at("2026-01-10T09:00")  # Friday evening
    assert after_quiet(at("2026-01-11T20:00"), weekend, zone_of("UTC")) == at("2026-01-11T20:00")  # Sunday evening


@given(
    st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),
    st.times(), st.times(), st.sampled_from(ZONES),
)  # fmt: skip
def test_what_is_put_off_is_put_off_by_a_day_at_most(now: datetime, begin: time, end: time, zone: str) -> None:
    begin, end = begin.replace(fold=0), end.replace(fold=0)
    if begin == end:
        return
    quiet = QuietHours(begin=begin, end=end)
    then = after_quiet(now, quiet, zone_of(zone))
    assert now <= then
    local = then.astimezone(zone_of(zone)).time()
    assert then == now or local >= end or zone != "UTC"  # what is put off is put off to the end
    assert (then - now).total_seconds() <= 26 * 3600


@given(st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)), st.times(), st.sampled_from(ZONES))
def test_the_next_time_of_day_comes_within_two_days(now: datetime, of_day: time, zone: str) -> None:
    then = next_time(now, of_day.replace(fold=0), zone_of(zone))
    assert 0 < (then - now).total_seconds() <= 49 * 3600


@pytest.mark.parametrize("name", ["", "Vienna", "../etc/passwd", "Europe/Nowhere", "/etc/localtime", "a\0b"])
def test_a_zone_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="no time zone"):
        zone_of(name)


@pytest.mark.parametrize(
    "wrong",
    [{"begin": "22:00", "end": "22:00"}, {"begin": "22:00", "end": "07:00", "days": [7]}, {"begin": "25:00", "end": "1:00"}],
)
def test_quiet_hours_that_are_none_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="QuietHours"):
        QuietHours.model_validate(wrong)
