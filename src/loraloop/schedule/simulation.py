"""When would it have run? Past arrivals replayed with a clock of their own through the schedule's own functions."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from ..errors import BadFile
from ..types import Record, utc
from .config import SchedulerConfig
from .facts import Facts, Machine, RunTime, Votes
from .limits import automatic, lets_go
from .memory import Memory
from .pipeline import Outcome

KINDS = ("row", "correction", "up", "down")
_VOTES_BEFORE = 500
_LONGEST_STEP = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Arrival(Record):
    """Something that came: ``kind`` is ``"row"``, ``"correction"``, ``"up"`` or ``"down"`` (what a thumb said)."""

    at: datetime
    kind: str = "row"


@dataclass(frozen=True, slots=True)
class Decision(Record):
    """One moment at which something changed: a run began (``runs``), or the schedule waits for another reason.

    Attributes:
        reason: in English. korean: the same. rows, corrections: new ones at that moment.
    """

    at: datetime
    runs: bool
    reason: str
    korean: str
    rows: int
    corrections: int


def simulate(
    arrivals: Iterable[Arrival],
    config: SchedulerConfig,
    *,
    begin: datetime,
    end: datetime,
    run_s: float = 1800.0,
    away: Sequence[tuple[datetime, datetime]] = (),
) -> Iterator[Decision]:
    """Yield each run and each other reason to wait, in order.

    Steps from event to event (an arrival, the end of a run, a moment at which a reading changes by time alone), so that
    no minute is missed and a month takes moments. Every run ends well after ``run_s`` seconds. Topics are not replayed,
    for there are no words in a history, and the machine counts as free.

    Args:
        away: spans in which nobody looks on: the machine is off or asleep.
    """
    waiting = deque(sorted((one for one in arrivals if one.at < end), key=lambda one: one.at))
    came, memory, now, said = _Came(), Memory(), begin, ""
    while now < end:
        now = _awake(now, away)
        while waiting and waiting[0].at <= now:
            came.take(waiting.popleft().kind)
        facts = came.facts(memory, now)
        reading = automatic(facts, config)
        memory = memory.looked(now, let_go=lets_go(facts, config))
        if reading.fires or reading.reason != said:
            why = reading.parts[-1] if reading.fires else reading  # that runs are on, and the like, goes without saying
            rows, corrections = facts.rows or 0, facts.corrections or 0
            yield Decision(now, reading.fires, why.reason, why.in_language("ko"), rows, corrections)
        said = "" if reading.fires else reading.reason
        if reading.fires:
            came.was_learnt()
            queued = memory.queued("run", "automatic", reading.reason)
            job, ended = queued.jobs[-1], now + timedelta(seconds=run_s)
            memory = queued.begun(job, now).recorded(
                job, Outcome("run", "completed", ""), None, rows=0, now=ended, took=RunTime(now, run_s)
            )
            now = ended
            continue
        facts = replace(facts, cron_from=memory.cron_from)
        coming = [automatic(facts, config).changes_at, waiting[0].at if waiting else None, now + _LONGEST_STEP]
        now = max(min(moment for moment in coming if moment is not None), now + timedelta(seconds=1))


class _Came:
    """What came since the last run, counted as it comes: a busy month has a hundred thousand arrivals."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(KINDS, 0)
        self._since: list[bool] = []
        self._before: deque[bool] = deque(maxlen=_VOTES_BEFORE)

    def take(self, kind: str) -> None:
        self._counts[kind] += 1
        if kind != "row":
            self._since.append(kind == "up")

    def was_learnt(self) -> None:
        self._before.extend(self._since)
        self._counts, self._since = dict.fromkeys(KINDS, 0), []

    def facts(self, memory: Memory, now: datetime) -> Facts:
        votes = Votes(sum(self._before), len(self._before), tuple(self._since))
        facts = memory.facts(now, self._counts["row"], None)
        return replace(facts, corrections=self._counts["correction"], votes=votes, machine=Machine())


def history_of(lines: Iterable[str]) -> Iterator[Arrival]:
    """Yield the arrivals of a JSONL file: ``{"at": "2026-03-01T12:00:00Z", "kind": "row"}`` a line.

    Raises:
        BadFile: a line is none.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
            at, kind = utc(found["at"]), found.get("kind", "row")
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            raise BadFile(f'line {number} is no arrival; write {{"at": "2026-03-01T12:00:00Z"}}') from None
        if at is None or kind not in KINDS:
            raise BadFile(f"line {number}: kind {kind!r} is none of {', '.join(KINDS)}")
        yield Arrival(at, kind)


def longest_wait(decisions: Sequence[Decision], begin: datetime, end: datetime) -> timedelta:
    """Return the longest time without a run."""
    moments = [begin, *(one.at for one in decisions if one.runs), end]
    return max(later - earlier for earlier, later in pairwise(moments))


def _awake(now: datetime, away: Sequence[tuple[datetime, datetime]]) -> datetime:
    return next((back for gone, back in away if gone <= now < back), now)
