"""Triggers: pure functions of (now, history, counts, settings) that say whether to run, and why, in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..types import Record
from .config import SchedulerConfig


@dataclass(frozen=True, slots=True)
class Situation:
    """What triggers look at.

    Attributes:
        last_started_at: when the last turn began; ``None`` before the first.
        new_rows: conversations that no turn has seen yet; ``None`` where nobody counts them.
        failures: failed tries since the last good turn; last_failed_at: when the last of them ended.
    """

    now: datetime
    last_started_at: datetime | None = None
    new_rows: int | None = None
    failures: int = 0
    last_failed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reading(Record):
    """What a trigger says: its name, whether it fires, and why or why not."""

    trigger: str
    fires: bool
    reason: str


Trigger = Callable[[Situation, SchedulerConfig], Reading]


def interval(situation: Situation, config: SchedulerConfig) -> Reading:
    """Fire when the last turn began long enough ago; a clock set back does not hold the loop up for ever."""
    last = situation.last_started_at
    if last is None:
        return Reading("interval", True, "no turn was ever run")
    passed = situation.now - last
    wanted = timedelta(hours=config.training_interval_hours)
    if passed < timedelta(0):
        return Reading("interval", True, "the last turn lies in the future; the clock was set back")
    hours = passed.total_seconds() / 3600
    said = f"{hours:.1f} of {config.training_interval_hours:g} hours since the last turn"
    return Reading("interval", passed >= wanted, said)


def enough_rows(situation: Situation, config: SchedulerConfig) -> Reading:
    """Fire when enough new conversations came."""
    if situation.new_rows is None:
        return Reading("new rows", True, "nobody counts new conversations; the turn itself will see")
    said = f"{situation.new_rows} of {config.min_samples_for_training} new conversations"
    return Reading("new rows", situation.new_rows >= config.min_samples_for_training, said)


def enabled(situation: Situation, config: SchedulerConfig) -> Reading:
    """Fire unless turns by themselves are switched off."""
    said = "on" if config.enable_auto_scheduling else "off: [schedule] enable_auto_scheduling = false"
    return Reading("automatic turns", config.enable_auto_scheduling, said)


def retry(situation: Situation, config: SchedulerConfig) -> Reading:
    """Fire when a failed turn should be tried again: after a delay that doubles, a limited number of times."""
    if situation.failures == 0 or situation.last_failed_at is None:
        return Reading("retry", False, "the last turn did not fail")
    if not config.retry_on_failure:
        return Reading("retry", False, "the last turn failed; retries are off")
    if situation.failures > config.max_retry_count:
        return Reading("retry", False, f"failed {situation.failures} times; waiting for the next interval")
    wait_s = config.retry_delay_s * 2 ** (situation.failures - 1)
    passed_s = (situation.now - situation.last_failed_at).total_seconds()
    said = f"try {situation.failures} of {config.max_retry_count}: {max(0.0, passed_s):.0f} of {wait_s:.0f} s waited"
    return Reading("retry", not 0 <= passed_s < wait_s, said)


def all_of(*triggers: Trigger) -> Trigger:
    """Fire when every one fires; the reason names those that hold it up."""

    def every(situation: Situation, config: SchedulerConfig) -> Reading:
        readings = [trigger(situation, config) for trigger in triggers]
        return _joined("all", readings, [r for r in readings if not r.fires] or readings)

    return every


def any_of(*triggers: Trigger) -> Trigger:
    """Fire when one fires; the reason names those that do."""

    def some(situation: Situation, config: SchedulerConfig) -> Reading:
        readings = [trigger(situation, config) for trigger in triggers]
        firing = [r for r in readings if r.fires]
        return Reading("any", bool(firing), "; ".join(f"{r.trigger}: {r.reason}" for r in firing or readings))

    return some


def negated(trigger: Trigger) -> Trigger:
    """Fire when another does not."""

    def inverse(situation: Situation, config: SchedulerConfig) -> Reading:
        reading = trigger(situation, config)
        return Reading(f"not {reading.trigger}", not reading.fires, reading.reason)

    return inverse


def _joined(name: str, readings: Sequence[Reading], shown: Sequence[Reading]) -> Reading:
    reason = "; ".join(f"{reading.trigger}: {reading.reason}" for reading in shown)
    return Reading(name, all(reading.fires for reading in readings), reason)


AUTOMATIC: tuple[Trigger, ...] = (enabled, interval, enough_rows)
"""All of these must fire for a turn to start by itself; ``retry`` may start one besides."""
