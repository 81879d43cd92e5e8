"""When the schedule would fire if nothing happened but time. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ..types import Record
from .config import SchedulerConfig
from .expression import NAMES
from .facts import Facts, Reading
from .limits import automatic, limits
from .triggers import TRIGGERS, busy, enabled, manual

_MOST_STEPS = 3000


@dataclass(frozen=True, slots=True)
class Explained(Record):
    """What a schedule says of itself.

    Attributes:
        whole: whether a run would start now.
        triggers: every trigger there is. used: the names that the expression speaks of.
        limits: those that are set, and what else must hold.
        asked: what was asked for by hand.
        next_at: when a run would start if nothing happened but time; ``None`` where that alone never starts one.
    """

    whole: Reading
    triggers: tuple[Reading, ...]
    used: tuple[str, ...]
    limits: tuple[Reading, ...]
    asked: Reading
    next_at: datetime | None


def explained(facts: Facts, config: SchedulerConfig) -> Explained:
    """Return what every trigger and limit says now."""
    named = config.expression.names()
    return Explained(
        whole=automatic(facts, config),
        triggers=tuple(TRIGGERS[name](facts, config) for name in NAMES),
        used=tuple(name for name in NAMES if name in named),
        limits=tuple(limit(facts, config) for limit in (enabled, busy, *limits(config))),
        asked=manual(facts, config),
        next_at=next_fire(facts, config),
    )


def next_fire(facts: Facts, config: SchedulerConfig) -> datetime | None:
    """Return when an automatic run would start if nothing came but time; ``None`` where none would.

    Steps from each moment at which some reading changes to the next.
    """
    for _ in range(_MOST_STEPS):
        reading = automatic(facts, config)
        if reading.fires:
            return facts.now
        if reading.changes_at is None:
            return None
        facts = at_time(facts, reading.changes_at)
    return None


def at_time(facts: Facts, now: datetime) -> Facts:
    """Return the facts as they would be at another time if nothing else happened."""
    passed = facts.passed_s
    if passed is not None:
        passed += (now - facts.now) / timedelta(seconds=1)
    return replace(facts, now=now, passed_s=passed)
