"""Gathers what triggers look at, and asks for what is dear only where it could start a run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from ..ports import Callback
from ..steady import Steady
from .arrivals import Arrivals
from .config import SchedulerConfig
from .counting import new_row_count
from .facts import Facts, Machine, Votes
from .jobs import Job
from .limits import matters
from .machine import look_at_machine
from .memory import Memory
from .triggers import DEAR

log = logging.getLogger(__name__)


class Gatherer:
    """Everything outside the scheduler that its decisions hang on.

    Args:
        count_rows: counts all rows there are, where no ``arrivals`` knows better.
        arrivals: knows what came since the last good run.
        requests: counts requests being answered.
        steady: tells the time by a clock that cannot be set.
        machine: looks at the machine; ``None`` for this one.
        owed: why the live adapter must be replaced soon, in words; ``None`` where it need not.
    """

    def __init__(
        self,
        count_rows: Callable[[], int] | None,
        arrivals: Arrivals | None,
        requests: Callable[[], int] | None,
        steady: Callable[[], Steady | None],
        machine: Callable[[], Machine] | None = None,
        *,
        owed: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._count_rows, self.arrivals, self._requests = count_rows, arrivals, requests
        self.steady, self._machine, self.owed = steady, machine, owed

    def facts(
        self,
        memory: Memory,
        now: datetime,
        config: SchedulerConfig,
        running: Job | None,
        collect: Callback | None,
        *,
        everything: bool = False,
    ) -> tuple[Facts, int]:
        """Return the facts, and how many rows count as seen.

        Args:
            collect: where nothing counts rows: all it gives is new.
            everything: whether to ask also for what cannot start a run now, for somebody who wants to see it.
        """
        facts = memory.facts(now, None, running, self.steady())
        facts = replace(facts, machine=self._look(config, everything), owed=self.owed())
        seen = memory.seen_rows
        if everything or matters(facts, config, DEAR):
            facts, seen = self._counted(facts, memory, collect)
        if everything or ("drift" in config.expression.names() and matters(facts, config, ("drift",))):
            facts = self._compared(facts, memory, config)
        return facts, seen

    def rows(self) -> int:
        """Return how many rows there are; 0 where nothing counts them."""
        return self._count_rows() if self._count_rows is not None and self.arrivals is None else 0

    def _look(self, config: SchedulerConfig, everything: bool) -> Machine | None:
        limits = (config.max_load_per_core, config.min_free_memory_mb, config.min_free_gpu_memory_mb)
        if not (everything or any(limits) or config.max_requests_in_flight is not None):
            return None
        if self._machine is not None:
            return self._machine()
        return look_at_machine(self._requests, gpu=bool(config.min_free_gpu_memory_mb))

    def _counted(self, facts: Facts, memory: Memory, collect: Callback | None) -> tuple[Facts, int]:
        if self.arrivals is None:
            rows, seen = new_row_count(self._count_rows, collect, memory.seen_rows)
            return replace(facts, rows=rows), seen
        try:
            came = self.arrivals.since(memory.learnt)
        except Exception:
            log.exception("what came could not be counted; no automatic run starts on it until it can")
            return facts, memory.seen_rows
        votes = Votes(came.before_up, came.before, came.since)
        return replace(facts, rows=came.rows, corrections=came.corrections, votes=votes), memory.seen_rows

    def _compared(self, facts: Facts, memory: Memory, config: SchedulerConfig) -> Facts:
        if self.arrivals is None:
            return facts
        try:
            return replace(facts, drift=self.arrivals.drift(memory.learnt, config))
        except Exception:
            log.exception("topics could not be compared")
            return facts
