"""When to train: pure functions from facts and settings to a reading with its reason.

A new trigger is one function ``(Facts, SchedulerConfig) -> Reading`` and one line in ``TRIGGERS``.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from .approval import LEAST_BEFORE, fall_evidence
from .config import SchedulerConfig
from .expression import Node
from .facts import Facts, Reading, told
from .wall_times import last_moment, next_moment

Trigger = Callable[[Facts, SchedulerConfig], Reading]

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


def interval(facts: Facts, config: SchedulerConfig) -> Reading:
    """Fire when the interval has passed since the last run ended.

    Where the last run lies in the future, the clock was set back: within the interval that is waited out, for the run
    took place; further off, it fires, for waiting for that moment could take for ever.

    Example:
        >>> from datetime import UTC
        >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
        >>> interval(Facts(noon, last_run_at=noon - timedelta(hours=2)), SchedulerConfig()).reason
        'the last run ended 2.0 h ago, 6 h are required'
    """
    return _since_last_run("interval", facts, config.training_interval_hours)


def rested(facts: Facts, config: SchedulerConfig) -> Reading:
    """Fire when the least pause has passed since the last run, so that rows alone cannot start one after another."""
    return _since_last_run("rested", facts, config.min_pause_hours)


def enough_rows(facts: Facts, config: SchedulerConfig) -> Reading:
    """Fire when there are enough new rows; never where nothing counts them.

    Example:
        >>> from datetime import UTC
        >>> enough_rows(Facts(datetime(2026, 1, 1, tzinfo=UTC), rows=12), SchedulerConfig()).reason
        '12 new rows, 50 are required'
    """
    required = config.min_samples_for_training
    if facts.rows is None:
        return told("rows", False, "rows_uncounted", limits=(None, required, "rows"))
    limits = (facts.rows, required, "rows")
    return told("rows", facts.rows >= required, "rows", limits=limits, rows=facts.rows, required=required)


def corrections(facts: Facts, config: SchedulerConfig) -> Reading:
    """Fire when people corrected enough answers since the last good run."""
    required = config.min_new_corrections
    if facts.corrections is None:
        return told("corrections", False, "corrections_uncounted", limits=(None, required, "corrections"))
    count, limits = facts.corrections, (facts.corrections, required, "corrections")
    return told("corrections", count >= required, "corrections", limits=limits, count=count, required=required)


def approval(facts: Facts, config: SchedulerConfig) -> Reading:
    """Fire when there is evidence that people like the answers less than before the last run; see ``approval.py``."""
    votes, required = facts.votes, 2 / config.approval_false_alarm_frac
    if votes is None:
        return told("approval", False, "votes_uncounted", limits=(None, required, "evidence"))
    if votes.before < LEAST_BEFORE:
        limits = (None, required, "evidence")
        return told("approval", False, "votes_too_few", limits=limits, before=votes.before, required=LEAST_BEFORE)
    alpha, fall = config.approval_false_alarm_frac, config.approval_fall_frac
    evidence = fall_evidence(votes.before_up, votes.before, votes.since, alpha=alpha, fall=fall)
    return told(
        "approval", evidence >= required, "approval", limits=(evidence, required, "evidence"),
        up=sum(votes.since), since=len(votes.since), before_up=votes.before_up, before=votes.before,
        evidence=evidence, required=required,
    )  # fmt: skip


def drift(facts: Facts, config: SchedulerConfig) -> Reading:
    """Fire when people talk of other things than in the last dataset; see ``drift.py``."""
    found = facts.drift
    if found is None:
        return told("drift", False, "drift_unknown", limits=(None, config.drift_false_alarm_frac, "p"))
    limits = (found.p_value, found.level, "p")
    return told("drift", found.p_value <= found.level, "drift", limits=limits, **dict(found))


def cron(facts: Facts, config: SchedulerConfig) -> Reading:
    """Fire from a moment of the cron expression on, until a run begins or the moment is let go (``lets_go``).

    Several that were missed, because the machine slept or another run took long, are made up for once.
    """
    if not config.cron:
        return told("cron", False, "no_cron")
    zone, after = config.time_zone, facts.cron_from or facts.now
    shown = ZoneInfo(zone)
    due = last_moment(config.cron, zone, after, facts.now)
    if due is not None:
        return told("cron", True, "cron_due", cron=config.cron, at=f"{due.astimezone(shown):%Y-%m-%d %H:%M}", zone=zone)
    coming = next_moment(config.cron, zone, max(after, facts.now))
    if coming is None:
        return told("cron", False, "cron_never", cron=config.cron)
    at = f"{coming.astimezone(shown):%Y-%m-%d %H:%M}"
    return told("cron", False, "cron_wait", changes_at=coming, cron=config.cron, at=at, zone=zone)


def stale(facts: Facts, config: SchedulerConfig) -> Reading:
    """Fire when the last good run is long ago, or there was none."""
    required = config.stale_after_days
    if facts.learnt_at is None:
        return told("stale", True, "never_learnt", limits=(None, required, "days"))
    days, at = (facts.now - facts.learnt_at) / _DAY, facts.learnt_at + timedelta(days=required)
    fires = days >= required or days < -required  # so far ahead, the clock was wrong then
    return told(
        "stale", fires, "stale", limits=(days, required, "days"), changes_at=None if fires else at,
        days=days, required=required,
    )  # fmt: skip


def manual(facts: Facts, config: SchedulerConfig) -> Reading:
    """Fire when somebody asked."""
    if not facts.asked:
        return told("manual", False, "nobody")
    return told("manual", True, "asked", names=", ".join(facts.asked))


def owed(facts: Facts, config: SchedulerConfig) -> Reading:
    """Fire when the live adapter learnt from somebody who was forgotten since, however few rows are new."""
    return Reading("owed", facts.owed is not None, facts.owed or "nothing is owed a rebuild")


def busy(facts: Facts, config: SchedulerConfig) -> Reading:
    """Fire while a run is under way, or waits to be tried again."""
    if facts.running is not None:
        return told("busy", True, "training", name=facts.running)
    if facts.retrying is not None:
        return told("busy", True, "retrying", name=facts.retrying)
    return told("busy", False, "idle")


def enabled(facts: Facts, config: SchedulerConfig) -> Reading:
    """Fire when runs may start by themselves at all."""
    on = config.enable_auto_scheduling
    return told("enabled", on, "on" if on else "off")


TRIGGERS: dict[str, Trigger] = {
    "interval": interval,
    "rows": enough_rows,
    "corrections": corrections,
    "approval": approval,
    "drift": drift,
    "cron": cron,
    "stale": stale,
    "rested": rested,
}
"""What an expression may name."""

DEAR = ("rows", "corrections", "approval", "drift")
"""Triggers whose facts cost a look at the store, or a collecting; the dearest last."""


def all_of(*triggers: Trigger) -> Trigger:
    """Return a trigger that fires when every one does; its reason names those that do not.

    Example:
        >>> from datetime import UTC
        >>> all_of(interval, enough_rows)(Facts(datetime(2026, 1, 1, tzinfo=UTC), rows=3), SchedulerConfig()).reason
        '3 new rows, 50 are required'
    """
    return lambda facts, config: _combined("all", [trigger(facts, config) for trigger in triggers], all)


def any_of(*triggers: Trigger) -> Trigger:
    """Return a trigger that fires when at least one does; its reason names those that do, else all."""
    return lambda facts, config: _combined("any", [trigger(facts, config) for trigger in triggers], any)


def not_(trigger: Trigger) -> Trigger:
    """Return a trigger that fires when the given one does not."""

    def turned(facts: Facts, config: SchedulerConfig) -> Reading:
        part = trigger(facts, config)
        return Reading(f"not {part.trigger}", not part.fires, part.reason, (part,), changes_at=part.changes_at)

    return turned


def trigger_of(node: Node) -> Trigger:
    """Return the trigger that an expression says."""
    if node.kind == "name":
        return TRIGGERS[node.name]
    parts = [trigger_of(part) for part in node.parts]
    return not_(parts[0]) if node.kind == "not" else all_of(*parts) if node.kind == "all" else any_of(*parts)


def undecided(facts: Facts, config: SchedulerConfig, unknown: Iterable[str]) -> bool:
    """Return whether the expression still hangs on the triggers whose facts are not known."""
    node = config.expression
    names, open_ = node.names(), sorted(node.names() & set(unknown))
    fires = {name: TRIGGERS[name](facts, config).fires for name in names if name not in open_}
    answers = {
        node.holds(fires | dict(zip(open_, chosen, strict=True)))
        for chosen in itertools.product((False, True), repeat=len(open_))
    }
    return len(answers) == 2


def next_time(last_run_at: datetime | None, config: SchedulerConfig) -> datetime | None:
    """Return the earliest time of the next automatic run by interval; ``None`` before the first run or when off."""
    if last_run_at is None or not config.enable_auto_scheduling:
        return None
    named = config.expression.names()
    hours = config.training_interval_hours if "interval" in named or "rested" not in named else config.min_pause_hours
    return last_run_at + timedelta(hours=hours)


def since_last_run(facts: Facts) -> timedelta | None:
    """Return how long ago the last run ended, by the clock that cannot be set where it is known."""
    if facts.last_run_at is None:
        return None
    return facts.now - facts.last_run_at if facts.passed_s is None else timedelta(seconds=facts.passed_s)


def _since_last_run(name: str, facts: Facts, hours: float) -> Reading:
    passed, required = since_last_run(facts), timedelta(hours=hours)
    if passed is None or facts.last_run_at is None:
        return told(name, True, "first", limits=(None, hours, "h"))
    limits = (passed / _HOUR, hours, "h")
    fires = passed >= required or passed < -required
    changes_at = None if fires else facts.now + (required - passed)
    if passed < timedelta(0):
        at = f"{facts.last_run_at:%Y-%m-%d %H:%M}"
        code = "future" if fires else "set_back"
        return told(name, fires, code, limits=limits, changes_at=changes_at, at=at, hours=hours)
    return told(name, fires, "ago", limits=limits, changes_at=changes_at, passed=passed / _HOUR, hours=hours)


def _combined(name: str, parts: list[Reading], rule: Callable[[Iterable[bool]], bool]) -> Reading:
    fires = rule(part.fires for part in parts)
    deciding = [part for part in parts if part.fires is fires] or parts
    changes = [part.changes_at for part in parts if part.changes_at is not None]
    reason = "; ".join(part.reason for part in deciding)
    return Reading(name, fires, reason, tuple(parts), changes_at=min(changes, default=None))
