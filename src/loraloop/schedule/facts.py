"""What triggers look at, and what they say about it. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..types import Record
from .reasons import sentence


@dataclass(frozen=True, slots=True)
class Votes(Record):
    """What people thought of answers.

    Attributes:
        before_up, before: thumbs up, and all judgements, before the last run.
        since: judgements after it in the order given; true is a thumb up, a correction or a thumb down is false.
    """

    before_up: int = 0
    before: int = 0
    since: tuple[bool, ...] = ()


@dataclass(frozen=True, slots=True)
class Drift(Record):
    """How far the topics of new conversations are from those of the last dataset.

    Attributes:
        distance: between the two, 0 (the same) to about 1.4 (nothing in common).
        p_value: share of random divisions of the same people that are as far apart.
        level: at which this comparison may fire, so that all comparisons between two runs keep the stated rate.
        before, since: people (or sessions) on each side.
    """

    distance: float
    p_value: float
    level: float
    before: int
    since: int


@dataclass(frozen=True, slots=True)
class Machine(Record):
    """How busy the machine is; ``None`` where that is not known.

    Attributes:
        load_per_core: processes that want to run, per core, over the last minute.
        free_memory_mb: memory that programs could have.
        free_gpu_memory_mb: of the GPU that has most.
        requests: being answered at this moment.
    """

    load_per_core: float | None = None
    free_memory_mb: float | None = None
    free_gpu_memory_mb: float | None = None
    requests: int | None = None


@dataclass(frozen=True, slots=True)
class RunTime(Record):
    """One try of a run: when it began, and how many seconds it took."""

    began_at: datetime
    seconds: float


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
        passed_s: seconds since the last run ended, by a clock that cannot be set; ``None`` where only the wall's is
            known (another boot, another machine).
        learnt_at: when the last good run ended.
        cron_from: cron moments after it are still to be acted on.
        corrections: those given since the last good run; ``None`` where nothing counts them.
        votes: ``None`` where nothing counts them. drift: ``None`` before there is enough to compare.
        machine: ``None`` where nobody looked.
        runs: tries of this month and of today.
        owed: why the live adapter must be replaced soon, in words; ``None`` where it need not.
    """

    now: datetime
    last_run_at: datetime | None = None
    rows: int | None = None
    running: str | None = None
    retrying: str | None = None
    asked: tuple[str, ...] = ()
    passed_s: float | None = None
    learnt_at: datetime | None = None
    cron_from: datetime | None = None
    corrections: int | None = None
    votes: Votes | None = None
    drift: Drift | None = None
    machine: Machine | None = None
    runs: tuple[RunTime, ...] = ()
    owed: str | None = None


@dataclass(frozen=True, slots=True)
class Reading(Record):
    """What one trigger or limit says now, and why.

    Attributes:
        reason: in English; ``in_language`` says it in another.
        parts: the readings it was made from, where it is a combination.
        observed, required: the value looked at and the one that counts, in the unit named in ``unit``.
        changes_at: when ``fires`` becomes another by time alone; ``None`` where only something that happens changes it.
        code, facts: which sentence the reason is, and what fills its gaps.
    """

    trigger: str
    fires: bool
    reason: str
    parts: tuple[Reading, ...] = ()
    observed: float | None = None
    required: float | None = None
    unit: str = ""
    changes_at: datetime | None = None
    code: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def flat(self) -> tuple[Reading, ...]:
        """This reading and everything it was made from, depth first."""
        return (self, *(inner for part in self.parts for inner in part.flat()))

    def deciding(self) -> tuple[Reading, ...]:
        """The parts that made a combination say what it says; itself, if it is none."""
        if not self.parts:
            return (self,)
        return tuple(part for part in self.parts if part.fires is self.fires) or self.parts

    def in_language(self, language: str) -> str:
        """Return the reason in ``"en"`` or ``"ko"``."""
        if self.parts:
            return "; ".join(part.in_language(language) for part in _that_decided(self))
        return sentence(self.code, language, self.facts) if self.code else self.reason


def _that_decided(reading: Reading) -> tuple[Reading, ...]:
    return reading.parts if reading.trigger.startswith("not ") else reading.deciding()


def told(
    trigger: str,
    fires: bool,
    code: str,
    *,
    limits: tuple[float | None, float | None, str] = (None, None, ""),
    changes_at: datetime | None = None,
    **facts: Any,
) -> Reading:
    """Return a reading whose reason is a sentence of ``reasons.REASONS``.

    Args:
        limits: observed, required and their unit.
    """
    observed, required, unit = limits
    reason = sentence(code, "en", facts)
    return Reading(trigger, fires, reason, (), observed, required, unit, changes_at, code, facts)
