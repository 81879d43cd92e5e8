"""Local time, with days of 23 and 25 hours."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraloop.schedule.wall_times import (
    day_off,
    hours_of,
    is_within,
    last_moment,
    next_change,
    next_day_off,
    next_moment,
)

BERLIN, SEOUL = "Europe/Berlin", "Asia/Seoul"


def utc(text: str) -> datetime:
    """A time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("zone", [BERLIN, SEOUL, "UTC"])
@pytest.mark.parametrize("cron", ["0 3 * * *", "30 2 * * *", "15 0 * * *"])
def test_a_daily_moment_comes_once_on_each_date_of_a_year(zone: str, cron: str) -> None:
    """Also on the dates on which its hour is left out or comes twice."""
    dates, now = [], utc("2026-01-01T00:00")
    while now < utc("2027-01-01T00:00"):
        following = next_moment(cron, zone, now)
        assert following is not None
        assert following > now
        now = following
        dates.append(now.astimezone(ZoneInfo(zone)).date())
    assert dates == [dates[0] + timedelta(days=n) for n in range(len(dates))]


def test_summer_time_comes_and_goes() -> None:
    """A moment that does not exist comes right after the gap; one that exists twice comes at its first."""
    assert next_moment("30 2 * * *", BERLIN, utc("2026-03-29T00:00")) == utc("2026-03-29T01:00")
    assert next_moment("30 2 * * *", BERLIN, utc("2026-10-25T00:00")) == utc("2026-10-25T00:30")
    for minute in (45, 75, 100):  # before, within and after the second 02:30
        begin = utc("2026-10-25T00:00") + timedelta(minutes=minute)
        assert next_moment("30 2 * * *", BERLIN, begin) == utc("2026-10-26T01:30")


@pytest.mark.slow
@given(
    st.integers(0, 366 * 24 * 60),
    st.integers(1, 20 * 24 * 60),
    st.sampled_from(["0 3 * * *", "*/7 * * * *", "0 6 * * 1"]),
)
def test_of_many_missed_moments_the_last_one_counts(begin: int, minutes: int, cron: str) -> None:
    """It is the one that stepping through all of them ends at, and none where none was missed."""
    after = utc("2026-01-01T00:00") + timedelta(minutes=begin)
    until, expected = after + timedelta(minutes=minutes), None
    step = next_moment(cron, BERLIN, after)
    while step is not None and step <= until:
        expected, step = step, next_moment(cron, BERLIN, step)
    assert last_moment(cron, BERLIN, after, until) == expected


@given(st.integers(0, 366 * 24 * 3600), st.sampled_from(["22:00-07:00", "07:00-22:00", "02:15-02:45", "00:00-00:30"]))
def test_hours_of_the_day_change_when_it_is_said(seconds: int, hours: str) -> None:
    """A second before the change it is as now, at the change it is not; on days of any length."""
    now = utc("2026-01-01T00:00") + timedelta(seconds=seconds)
    change = next_change(lambda moment: is_within(hours, BERLIN, moment), now)
    if change is None:  # a span within the hour that is left out
        return
    assert is_within(hours, BERLIN, change) is not is_within(hours, BERLIN, now)
    assert is_within(hours, BERLIN, change - timedelta(seconds=1)) is is_within(hours, BERLIN, now)


def test_days_off_are_local_dates() -> None:
    """In Seoul a date begins nine hours before it does in UTC; the day after its last is told."""
    entry = "2026-12-24..2027-01-01"
    assert day_off([entry], SEOUL, utc("2026-12-23T14:59")) is None
    assert day_off([entry], SEOUL, utc("2026-12-23T15:00")) == (entry, utc("2027-01-01T15:00"))
    assert next_day_off([entry], SEOUL, utc("2026-12-01T00:00")) == utc("2026-12-23T15:00")
    assert hours_of("9:05-17:00")[0].minute == 5
    assert date(2026, 12, 24).isoformat() in entry
