"""When schedules fire, above all on the nights when the clock changes. Expected times by the zone's own rules."""

from datetime import UTC, datetime

import pytest

from brickwork.errors import ValidationError
from brickwork.jobs.scheduler import missed
from brickwork.jobs.triggers import Trigger, parse_trigger


def at(text):
    return datetime.fromisoformat(text).astimezone(UTC)


def times(trigger, start, count):
    found, moment = [], at(start)
    for _ in range(count):
        moment = trigger.after(moment, previous=found[-1] if found else None)
        found.append(moment)
    return found


def test_cron_counts_in_its_zone():
    daily = Trigger(cron="0 3 * * *", zone="Europe/Berlin")
    assert times(daily, "2026-03-27T12:00:00+01:00", 3) == [
        at("2026-03-28T03:00:00+01:00"),
        at("2026-03-29T03:00:00+02:00"),  # the clock went forward an hour before
        at("2026-03-30T03:00:00+02:00"),
    ]


def test_a_time_that_the_change_to_summer_skips_fires_an_hour_later_by_the_clock():
    half_past_two = Trigger(cron="30 2 * * *", zone="Europe/Berlin")
    assert times(half_past_two, "2026-03-28T12:00:00+01:00", 2) == [
        at("2026-03-29T03:30:00+02:00"),
        at("2026-03-30T02:30:00+02:00"),
    ]


def test_a_time_that_the_change_back_repeats_fires_once():
    half_past_two = Trigger(cron="30 2 * * *", zone="Europe/Berlin")
    assert times(half_past_two, "2026-10-24T12:00:00+02:00", 2) == [
        at("2026-10-25T02:30:00+02:00"),
        at("2026-10-26T02:30:00+01:00"),
    ]


def test_every_half_hour_goes_on_every_half_hour_through_the_change_back():
    trigger = Trigger(cron="0,30 * * * *", zone="Europe/Berlin")
    assert times(trigger, "2026-10-25T02:00:00+02:00", 4) == [
        at("2026-10-25T02:30:00+02:00"),
        at("2026-10-25T02:00:00+01:00"),
        at("2026-10-25T02:30:00+01:00"),
        at("2026-10-25T03:00:00+01:00"),
    ]


def test_intervals_keep_their_beat_across_a_change():
    hourly = Trigger(every=3600)
    assert times(hourly, "2026-03-29T00:30:00+00:00", 3) == [at(f"2026-03-29T0{n}:30:00+00:00") for n in (1, 2, 3)]


def test_an_interval_counts_from_its_start():
    trigger = Trigger(every=600, start=at("2026-01-01T00:05:00+00:00"))
    assert trigger.after(at("2026-01-01T01:00:00+00:00")) == at("2026-01-01T01:05:00+00:00")


def test_a_calendar_counts_months():
    monthly = Trigger(calendar={"months": 1, "hour": 9}, zone="Asia/Tokyo", start=at("2026-01-31T00:00:00+09:00"))
    assert times(monthly, "2026-01-30T00:00:00+09:00", 2) == [at("2026-01-31T09:00:00+09:00"), at("2026-03-31T09:00:00+09:00")]


@pytest.mark.parametrize(
    "wrong, told",
    [
        ({}, "takes one of cron, every and calendar"),
        ({"cron": "0 3 * * *", "every": 5}, "takes one of"),
        ({"cron": "0 3 * *"}, "can't be read"),
        ({"cron": "61 3 * * *"}, "can't be read"),
        ({"every": 0}, "greater than or equal to 1"),
        ({"cron": "0 3 * * *", "zone": "Mars/Olympus"}, "no IANA time zone"),
        ({"calendar": {"hour": 3}}, "above 0"),
        ({"every": 5, "start": "2026-01-01T00:00:00"}, "aware"),
        ({"every": 5, "colour": "red"}, "Extra inputs"),
    ],
)
def test_a_wrong_trigger_is_refused(wrong, told):
    with pytest.raises(ValidationError, match=told):
        parse_trigger(wrong)


def test_what_was_missed_is_bounded_after_a_long_outage():
    trigger = Trigger(every=1)
    found, following = missed(trigger, at("2020-01-01T00:00:00+00:00"), at("2026-01-01T00:00:00+00:00"))
    assert len(found) == 100
    assert found[-1] == at("2026-01-01T00:00:00+00:00")
    assert following == at("2026-01-01T00:00:01+00:00")
