"""What holds an automatic run back although its triggers fire: hours, dates, pauses, budgets, a busy machine. Pure.

A limit reads as a trigger that fires while it lets a run start. One that is not set says nothing. Runs that somebody
asked for by hand are held back by none.
"""

from __future__ import annotations

from datetime import date, timedelta
from zoneinfo import ZoneInfo

from .config import SchedulerConfig
from .facts import Facts, Machine, Reading, told
from .triggers import Trigger, all_of, any_of, busy, enabled, not_, owed, rested, since_last_run, trigger_of, undecided
from .wall_times import begin_of, day_off, is_within, local_date, next_change, next_day_off

_HOUR = timedelta(hours=1)


def cooled(facts: Facts, config: SchedulerConfig) -> Reading:
    """Let a run start when the cooldown since the last one is over."""
    passed, hours = since_last_run(facts), config.cooldown_hours
    if passed is None:
        return told("cooldown", True, "first")
    required = timedelta(hours=hours)
    fires = passed >= required or passed < -required
    changes_at = None if fires else facts.now + (required - passed)
    limits = (passed / _HOUR, hours, "h")
    return told("cooldown", fires, "cooled", limits=limits, changes_at=changes_at, passed=passed / _HOUR, hours=hours)


def loud(facts: Facts, config: SchedulerConfig) -> Reading:
    """Let a run start outside the quiet hours."""
    hours, zone = config.quiet_hours, config.time_zone
    quiet = is_within(hours, zone, facts.now)
    at = f"{facts.now.astimezone(ZoneInfo(zone)):%H:%M}"
    changes_at = next_change(lambda moment: is_within(hours, zone, moment), facts.now)
    code = "quiet" if quiet else "loud"
    return told("quiet_hours", not quiet, code, changes_at=changes_at, at=at, zone=zone, hours=hours)


def working_day(facts: Facts, config: SchedulerConfig) -> Reading:
    """Let a run start on dates that are not among the days off."""
    zone, today = config.time_zone, local_date(facts.now, config.time_zone).isoformat()
    found = day_off(config.days_off, zone, facts.now)
    if found is not None:
        return told("days_off", False, "day_off", changes_at=found[1], date=today, entry=found[0])
    return told("days_off", True, "day_on", changes_at=next_day_off(config.days_off, zone, facts.now), date=today)


def runs_today(facts: Facts, config: SchedulerConfig) -> Reading:
    """Let a run start while fewer than the most runs began on this date."""
    zone, most = config.time_zone, config.max_runs_per_day
    today = local_date(facts.now, zone)
    runs = sum(local_date(run.began_at, zone) == today for run in facts.runs)
    changes_at = begin_of(today + timedelta(days=1), zone) if runs >= most else None
    limits, shown = (runs, most, "runs"), today.isoformat()
    return told(
        "runs_today", runs < most, "today", limits=limits, changes_at=changes_at, runs=runs, most=most, date=shown
    )


def within_budget(facts: Facts, config: SchedulerConfig) -> Reading:
    """Let a run start while runs took less than the month's budget."""
    zone, budget = config.time_zone, config.monthly_budget_hours
    today = local_date(facts.now, zone)
    took = sum(run.seconds for run in facts.runs if _month(local_date(run.began_at, zone)) == _month(today)) / 3600
    fires, month = took < budget, f"{today:%Y-%m}"
    changes_at = None if fires else begin_of((today.replace(day=1) + timedelta(days=32)).replace(day=1), zone)
    limits = (took, budget, "h")
    return told("budget", fires, "budget", limits=limits, changes_at=changes_at, hours=took, budget=budget, month=month)


def machine_free(facts: Facts, config: SchedulerConfig) -> Reading:
    """Let a run start while load, memory, GPU memory and requests in flight are within what is set.

    What cannot be measured here holds nothing back, and its reading says so.
    """
    seen = facts.machine or Machine()
    parts = (
        _at_most("load", seen.load_per_core, config.max_load_per_core or None),
        _at_least("memory", seen.free_memory_mb, config.min_free_memory_mb or None),
        _at_least("gpu_memory", seen.free_gpu_memory_mb, config.min_free_gpu_memory_mb or None),
        _at_most("requests", seen.requests, config.max_requests_in_flight),
    )
    return all_of(*(_said(part) for part in parts if part is not None))(facts, config)


def limits(config: SchedulerConfig) -> tuple[Trigger, ...]:
    """Return the limits that are set."""
    machine = (config.max_load_per_core, config.min_free_memory_mb, config.min_free_gpu_memory_mb)
    chosen: tuple[tuple[bool, Trigger], ...] = (
        (bool(config.cooldown_hours), cooled),
        (bool(config.quiet_hours), loud),
        (bool(config.days_off), working_day),
        (bool(config.max_runs_per_day), runs_today),
        (bool(config.monthly_budget_hours), within_budget),
        (any(machine) or config.max_requests_in_flight is not None, machine_free),
    )
    return tuple(limit for is_set, limit in chosen if is_set)


def may_start(facts: Facts, config: SchedulerConfig) -> Reading:
    """Read everything but the expression: on, nothing under way, and no limit in the way."""
    return all_of(enabled, not_(busy), *limits(config))(facts, config)


def may_retry(facts: Facts, config: SchedulerConfig) -> Reading:
    """Read the limits that also hold back an automatic run which is tried again: all but pause and number of runs."""
    again = [limit for limit in limits(config) if limit not in (cooled, runs_today)]
    return all_of(enabled, *again)(facts, config)


def automatic(facts: Facts, config: SchedulerConfig) -> Reading:
    """Read the whole: it fires when an automatic run should start now."""
    named = trigger_of(config.expression)
    if facts.owed is not None:
        named = any_of(all_of(rested, owed), named)
    return all_of(enabled, not_(busy), *limits(config), named)(facts, config)


def matters(facts: Facts, config: SchedulerConfig, unknown: tuple[str, ...]) -> bool:
    """Return whether the facts of these triggers could still make an automatic run start; to get them may be dear."""
    return undecided(facts, config, unknown) and may_start(facts, config).fires


def lets_go(facts: Facts, config: SchedulerConfig) -> bool:
    """Return whether the cron moment that is due is past for good: the rest of the expression did not hold at it.

    A limit or another run only puts it off: then it is kept until a run may start.
    """
    if "cron" not in config.expression.names() or not may_start(facts, config).fires:
        return False
    named = trigger_of(config.expression)(facts, config)
    return not named.fires and any(part.trigger == "cron" and part.fires for part in named.flat())


def _month(day: date) -> tuple[int, int]:
    return day.year, day.month


def _said(reading: Reading) -> Trigger:
    return lambda facts, config: reading


def _at_most(what: str, observed: float | None, most: float | None) -> Reading | None:
    return None if most is None else _measured(what, observed, most, observed is None or observed <= most)


def _at_least(what: str, observed: float | None, least: float | None) -> Reading | None:
    return None if least is None else _measured(what, observed, least, observed is None or observed >= least)


def _measured(what: str, observed: float | None, required: float, fires: bool) -> Reading:
    unit = "MB" if "memory" in what else ""
    if observed is None:
        return told(what, True, "unmeasured", limits=(None, required, unit), what=what)
    return told(what, fires, what, limits=(observed, required, unit), observed=observed, required=required)
