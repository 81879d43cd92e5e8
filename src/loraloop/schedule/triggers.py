"""When to train: pure functions from facts and settings to a reading with its reason.

A new trigger is one function ``(Facts, SchedulerConfig) -> Reading`` and one line in ``STRATEGIES``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..types import Record
from .config import SchedulerConfig


@dataclass(frozen=True, slots=True)
class Facts(Record):
    """Everything a trigger may look at.

    Attributes:
        now: aware UTC.
        last_run_at: when the last run ended, well or not; ``None`` before the first.
        rows: rows there are to learn from that no run has seen; ``None`` where nothing counts them.
        running: name of the adapter being trained at this moment.
        retrying: name of an automatic run that waits to be tried again.
        asked: names of adapters somebody asked for by hand.
        owed: why the live adapter must be replaced soon, in words; ``None`` where it need not.
    """

    now: datetime
    last_run_at: datetime | None = None
    rows: int | None = None
    running: str | None = None
    retrying: str | None = None
    asked: tuple[str, ...] = ()
    owed: str | None = None


@dataclass(frozen=True, slots=True)
class Reading(Record):
    """What one trigger says now, and why.

    Attributes:
        parts: the readings it was made from, where it is a combination.
    """

    trigger: str
    fires: bool
    reason: str
    parts: tuple[Reading, ...] = ()

    def flat(self) -> tuple[Reading, ...]:
        """This reading and everything it was made from, depth first."""
        return (self, *(inner for part in self.parts for inner in part.flat()))


Trigger = Callable[[Facts, SchedulerConfig], Reading]


def interval(facts: Facts, config: SchedulerConfig) -> Reading:
    """Fire when the interval has passed since the last run ended.

    A last run in the future (the clock was set back) fires too: waiting for that moment could take for ever.

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
    if facts.rows is None:
        return Reading("enough_rows", False, "nothing counts the rows: set a data_collector or new_rows")
    required = config.min_samples_for_training
    return Reading("enough_rows", facts.rows >= required, f"{facts.rows} new rows, {required} are required")


def manual(facts: Facts, config: SchedulerConfig) -> Reading:
    """Fire when somebody asked."""
    if not facts.asked:
        return Reading("manual", False, "nobody asked")
    return Reading("manual", True, f"asked for {', '.join(facts.asked)}")


def owed(facts: Facts, config: SchedulerConfig) -> Reading:
    """Fire when the live adapter learnt from somebody who was forgotten since, however few rows are new."""
    return Reading("owed", facts.owed is not None, facts.owed or "nothing is owed a rebuild")


def busy(facts: Facts, config: SchedulerConfig) -> Reading:
    """Fire while a run is under way, or waits to be tried again."""
    if facts.running is not None:
        return Reading("busy", True, f"{facts.running} is being trained")
    if facts.retrying is not None:
        return Reading("busy", True, f"{facts.retrying} waits to be tried again")
    return Reading("busy", False, "no run is under way")


def enabled(facts: Facts, config: SchedulerConfig) -> Reading:
    """Fire when runs may start by themselves at all."""
    on = config.enable_auto_scheduling
    return Reading("enabled", on, "automatic runs are on" if on else "enable_auto_scheduling is off")


def all_of(*triggers: Trigger) -> Trigger:
    """Return a trigger that fires when every one does; its reason names those that do not.

    Example:
        >>> from datetime import UTC
        >>> all_of(interval, enough_rows)(Facts(datetime(2026, 1, 1, tzinfo=UTC), rows=3), SchedulerConfig()).reason
        '3 new rows, 50 are required'
    """

    def combined(facts: Facts, config: SchedulerConfig) -> Reading:
        parts = tuple(trigger(facts, config) for trigger in triggers)
        missing = tuple(part for part in parts if not part.fires)
        return Reading("all", not missing, _joined(missing or parts), parts)

    return combined


def any_of(*triggers: Trigger) -> Trigger:
    """Return a trigger that fires when at least one does; its reason names those that do, else all."""

    def combined(facts: Facts, config: SchedulerConfig) -> Reading:
        parts = tuple(trigger(facts, config) for trigger in triggers)
        firing = tuple(part for part in parts if part.fires)
        return Reading("any", bool(firing), _joined(firing or parts), parts)

    return combined


def not_(trigger: Trigger) -> Trigger:
    """Return a trigger that fires when the given one does not."""

    def turned(facts: Facts, config: SchedulerConfig) -> Reading:
        part = trigger(facts, config)
        return Reading(f"not {part.trigger}", not part.fires, part.reason, (part,))

    return turned


STRATEGIES: dict[str, Trigger] = {
    "all": all_of(interval, enough_rows),
    "any": all_of(rested, any_of(interval, enough_rows)),
    "interval": interval,
    "rows": all_of(rested, enough_rows),
}
"""What ``SchedulerConfig.strategy`` names."""


def automatic(facts: Facts, config: SchedulerConfig) -> Reading:
    """Read the configured strategy: it fires when an automatic run should start now."""
    strategy = STRATEGIES[config.strategy]
    if facts.owed is not None:
        strategy = any_of(all_of(rested, owed), strategy)
    return all_of(enabled, not_(busy), strategy)(facts, config)


def count_matters(facts: Facts, config: SchedulerConfig) -> bool:
    """Return whether counting rows could still make an automatic run start; counting may mean collecting."""
    gate = {"all": interval, "any": rested, "rows": rested}.get(config.strategy)
    return gate is not None and all_of(enabled, not_(busy), gate)(facts, config).fires


def next_time(last_run_at: datetime | None, config: SchedulerConfig) -> datetime | None:
    """Return the earliest time of the next automatic run by interval; ``None`` before the first run or when off."""
    if last_run_at is None or not config.enable_auto_scheduling:
        return None
    hours = config.min_pause_hours if config.strategy == "rows" else config.training_interval_hours
    return last_run_at + timedelta(hours=hours)


def _since_last_run(name: str, facts: Facts, hours: float) -> Reading:
    if facts.last_run_at is None:
        return Reading(name, True, "there was no run yet")
    passed = facts.now - facts.last_run_at
    if passed < timedelta(0):
        return Reading(name, True, f"the last run lies in the future ({facts.last_run_at:%Y-%m-%d %H:%M} UTC)")
    passed_h = passed / timedelta(hours=1)
    reason = f"the last run ended {passed_h:.1f} h ago, {hours:g} h are required"
    return Reading(name, passed >= timedelta(hours=hours), reason)


def _joined(parts: tuple[Reading, ...]) -> str:
    return "; ".join(part.reason for part in parts)
