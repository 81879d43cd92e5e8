"""Times as people where the bot lives read them from the wall: cron moments, hours of the day, dates. Pure.

Every function takes and gives aware UTC; local time exists only in between, so that a day of 23 or 25 hours is right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim

_HOURS = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")
_STEP, _FAR_DAYS = timedelta(minutes=15), 2


def next_moment(cron: str, zone: str, after: datetime) -> datetime | None:
    """Return the first moment of a cron expression after a time, ``None`` where there is none within 50 years.

    A moment in the hour that a change to summer time leaves out comes right after it; one in the hour that comes twice
    comes once. Expressions that begin with ``*`` or ``*/`` go on by elapsed time instead.

    **Source**: Debian's cron(8), which ``cronsim`` follows.

    Example:
        >>> next_moment("30 2 * * *", "Europe/Berlin", datetime(2026, 3, 29, 0, tzinfo=UTC)).isoformat()
        '2026-03-29T01:00:00+00:00'
    """
    moments = (moment.astimezone(UTC) for moment in CronSim(cron, after.astimezone(ZoneInfo(zone))))
    return next(
        (moment for moment in moments if moment > after), None
    )  # in the hour that comes twice it may lie before


def last_moment(cron: str, zone: str, after: datetime, until: datetime) -> datetime | None:
    """Return the last moment in ``(after, until]``; ``None`` where there is none.

    However many were missed, this is the one that is made up for.
    """
    if after >= until or (first := next_moment(cron, zone, after)) is None or first > until:
        return None
    near, step = first, timedelta(hours=1)
    while step < until - first:  # a late start finds the same last moment as an early one, only sooner
        later = next_moment(cron, zone, until - step)
        if later is not None and later <= until:
            near = later
            break
        step *= 4
    while (following := next_moment(cron, zone, near)) is not None and following <= until:
        near = following
    return near


@lru_cache(maxsize=64)
def hours_of(text: str) -> tuple[time, time]:
    """Return the two times of ``"22:00-07:00"``.

    Raises:
        ValueError: it is not of that form.
    """
    found = _HOURS.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no span of hours; write it as 22:00-07:00")
    begin, end = (time(int(found[n]), int(found[n + 1])) for n in (1, 3))
    if begin == end:
        raise ValueError(
            f"{text!r} begins when it ends; a whole day without runs is what enable_auto_scheduling is for"
        )
    return begin, end


def is_within(hours: str, zone: str, now: datetime) -> bool:
    """Return whether it is between two times of the day; the span may lead over midnight.

    Example:
        >>> is_within("22:00-07:00", "Asia/Seoul", datetime(2026, 1, 1, 14, tzinfo=UTC))
        True
    """
    begin, end = hours_of(hours)
    clock = now.astimezone(ZoneInfo(zone)).time()
    return begin <= clock < end if begin < end else clock >= begin or clock < end


def next_change(holds: Callable[[datetime], bool], now: datetime) -> datetime | None:
    """Return the first second at which something that depends on the time of day is no longer as it is now.

    Looked for every quarter of an hour within two days, then narrowed down.
    """
    is_now, low = holds(now), now
    for _ in range(int(timedelta(days=_FAR_DAYS) / _STEP)):
        high = low + _STEP
        if holds(high) != is_now:
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) / 2
                low, high = (low, middle) if holds(middle) != is_now else (middle, high)
            whole = high.replace(microsecond=0)
            return whole if holds(whole) != is_now else whole + timedelta(seconds=1)
        low = high
    return None


def local_date(now: datetime, zone: str) -> date:
    """Return the date it is there."""
    return now.astimezone(ZoneInfo(zone)).date()


def begin_of(day: date, zone: str) -> datetime:
    """Return when a date begins there, in UTC."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def dates_of(text: str) -> tuple[date, date]:
    """Return the first and last date of ``"2026-12-24"`` or ``"2026-12-24..2027-01-01"``.

    Raises:
        ValueError: it is neither.
    """
    first, _, last = text.partition("..")
    try:
        begin = date.fromisoformat(first.strip())
        end = date.fromisoformat(last.strip()) if last else begin
    except ValueError:
        raise ValueError(f"{text!r} is no date; write 2026-12-24, or 2026-12-24..2027-01-01") from None
    if end < begin:
        raise ValueError(f"{text!r} ends before it begins")
    return begin, end


def day_off(days: Sequence[str], zone: str, now: datetime) -> tuple[str, datetime] | None:
    """Return which entry makes today a day without runs, and when the day after its last begins; ``None`` if none."""
    today = local_date(now, zone)
    for text in days:
        begin, end = dates_of(text)
        if begin <= today <= end:
            return text, begin_of(end + timedelta(days=1), zone)
    return None


def next_day_off(days: Sequence[str], zone: str, now: datetime) -> datetime | None:
    """Return when the next entry that lies ahead begins."""
    today = local_date(now, zone)
    return min((begin_of(begin, zone) for begin, _ in map(dates_of, days) if begin > today), default=None)
