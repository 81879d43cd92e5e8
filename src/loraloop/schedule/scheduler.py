"""LoRAScheduler: turns the loop when it is worth turning, says why, and remembers over a restart.

Not covered here: several processes that share one schedule, and several machines.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ..ports import Callback, Clock, Frozen, StateStore
from ..steady import Steady, steady_clock
from ..store.location import checked_name
from ..types import Mark
from . import jobs as waiting
from .arrivals import Arrivals
from .asking import Inbox
from .config import SchedulerConfig
from .facts import Facts, Reading, RunTime
from .forecast import Explained, explained
from .gathering import Gatherer
from .jobs import Job
from .limits import automatic, lets_go, may_retry
from .lookout import Lookout
from .memory import Memory, MemoryKeeper, as_utc
from .pipeline import Callbacks, Outcome
from .status import scheduler_status, to_say_at_start
from .triggers import manual
from .trying import tried

log = logging.getLogger(__name__)

_BY_HAND = "asked for by hand"


class LoRAScheduler:
    """Runs ``collect -> train -> evaluate -> deploy`` through callbacks, by triggers or by hand, one run at a time.

    A failed run is counted, logged with its traceback and tried again under the same name after a growing delay. Runs
    that wait, or were cut off by a crash, are done after the next start where ``state`` keeps them.

    Args:
        config: frozen, or an object with ``frozen()`` that is asked anew at each look.
        state: keeps the memory over a restart; ``None`` lets it end with the process, which is said once.
        key: under which the memory is kept.
        new_rows: counts all rows there are; those that came since the last good run are new. ``None`` takes what the
            ``data_collector`` callback gives as new.
        arrivals: knows what came since the last good run, in place of ``new_rows``.
        requests: counts requests being answered, for the setting ``max_requests_in_flight``.
        inbox: where other processes ask for runs.
        last_turn: when the loop was last turned without this scheduler, the rows there were, its dataset's mark.
        turning: held around each run, so that nothing else turns the loop meanwhile.
        owed: why the live adapter must be replaced soon, in words. clock: tells the time; ``None`` for the system's.
        steady: tells the time by a clock that cannot be set; ``None`` for the system's, unless ``clock`` is given.

    Attributes:
        last_training_time: when the last good run ended; aware UTC. A naive time set by a caller is local time.
        total_training_runs, successful_runs, failed_runs: tries so far; a refused adapter is no failure.
        check_name: returns a name that may name an adapter, raises on others.
    """

    check_name: Callable[[str], str] = staticmethod(checked_name)

    def __init__(
        self,
        config: SchedulerConfig | Frozen[SchedulerConfig] | None = None,
        *,
        state: StateStore | None = None,
        key: str = "scheduler",
        new_rows: Callable[[], int] | None = None,
        arrivals: Arrivals | None = None,
        requests: Callable[[], int] | None = None,
        inbox: Inbox | None = None,
        last_turn: Callable[[], tuple[int, datetime, Mark | None] | None] = lambda: None,
        turning: Callable[[], AbstractContextManager[Any]] = nullcontext,
        owed: Callable[[], str | None] = lambda: None,
        clock: Clock | None = None,
        steady: Callable[[], Steady | None] | None = None,
    ) -> None:
        self.config = config if config is not None else SchedulerConfig()
        self._keeper, self._clock, self._inbox = MemoryKeeper(state, key), clock, inbox
        steady = steady or (steady_clock if clock is None else lambda: None)
        self._gather = Gatherer(new_rows, arrivals, requests, steady, owed=owed)
        self._memory = self._keeper.load()
        self._callbacks, self._last_turn, self._turning = Callbacks(), last_turn, turning
        self._lock, self._one_run = threading.RLock(), threading.Lock()
        self._lookout = Lookout(self._look, inbox)
        self._running: Job | None = None
        self._warned = False
        self._hold(self._memory)

    @property
    def is_running(self) -> bool:
        """Whether the thread that looks at the triggers runs."""
        return self._lookout.is_running

    def set_callbacks(
        self,
        data_collector: Callback | None = None,
        trainer: Callback | None = None,
        evaluator: Callback | None = None,
        deployment_manager: Callback | None = None,
    ) -> None:
        """Set what a run calls; ``None`` leaves a step as it was (never set: left out).

        Args:
            data_collector: ``() -> list``.
            trainer: ``(name, data) -> dict``.
            evaluator: ``(name) -> dict``.
            deployment_manager: ``(name, performance) -> dict``.
        """
        given = (data_collector, trainer, evaluator, deployment_manager)
        self._callbacks = self._callbacks.over(*given)

    def start_auto_training(self) -> None:
        """Start looking at the triggers, in a thread; a second call changes nothing.

        With ``enable_auto_scheduling`` off, the thread serves manual triggers and retries alone.
        """
        if not self.is_running:
            for level, text in to_say_at_start(self._frozen(), self._keeper.lasting) if not self._warned else ():
                log.log(level, "%s", text)
            self._warned = True
            if self._lookout.start():
                log.info("scheduler started, %d runs wait", len(self._memory.jobs))

    def stop_auto_training(self) -> None:
        """Stop, and wait for a run under way up to ``stop_timeout_s``; nothing follows it."""
        log.info("scheduler %s", "stopped" if self._lookout.stop(self._frozen().stop_timeout_s) else "was not running")

    def should_trigger_training(self) -> bool:
        """Return whether an automatic run would start now; ``explain`` says why."""
        reading = automatic(self._facts(), self._frozen())
        log.info("a run would %s: %s", "start" if reading.fires else "wait", reading.reason)
        return reading.fires

    def manual_trigger_training(self, adapter_name: str | None = None) -> bool:
        """Start a run at once, under a name of the caller's; enough rows are not asked for, only one.

        Returns:
            False when the scheduler is not running.

        Raises:
            BadName: the name could not name an adapter.
        """
        name = self._name("manual") if adapter_name is None else self.check_name(adapter_name)
        with self._lock:
            if not self.is_running:
                log.warning("the scheduler is not running; %s will not be trained", name)
                return False
            self._queue(name, "manual", _BY_HAND)
        self._lookout.knock()
        return True

    def run_due(self) -> Outcome | None:
        """Run what is due at this moment, in the calling thread: a waiting job, else an automatic run if it fires.

        The scheduler's own thread does nothing else; call it instead of starting one to keep time yourself.

        Returns:
            How it ended; ``None`` when nothing was due or another run is under way.
        """
        if not self._one_run.acquire(blocking=False):
            return None
        try:
            with self._lock:
                if self._inbox is not None:
                    known = {job.request for job in self._memory.jobs}
                    self._inbox.take(known, lambda *asked: self._queue(asked[0], "manual", _BY_HAND, asked[1]))
                job = waiting.due(self._memory.jobs, self._now(), automatic=self._may_retry())
            if job is None:
                reading = self._looked()
                if not reading.fires:
                    log.debug("no run: %s", reading.reason)
                    return None
                job = self._queue(self._name("auto"), "automatic", reading.reason)
            return self._run(job)
        finally:
            self._one_run.release()

    def get_scheduler_status(self) -> dict[str, Any]:
        """Return ``is_running, config, statistics, timing, queue`` and besides ``last_outcome``."""
        with self._lock:
            memory, running = self._held(), self._running
        return scheduler_status(memory, self._frozen(), is_running=self.is_running, running=running)

    def explain(self) -> tuple[Reading, ...]:
        """Return what every trigger says now: first the whole, then what it was made from, last the manual one."""
        facts, config = self._facts(everything=True), self._frozen()
        return (*automatic(facts, config).flat(), manual(facts, config))

    def explain_all(self) -> Explained:
        """Return what every trigger says, used or not, each limit that is set, and when a run would start."""
        return explained(self._facts(everything=True), self._frozen())

    def _look(self) -> float:
        """Do what is due; returns the seconds until the next look."""
        outcome = None
        try:
            outcome = self.run_due()
        except Exception:
            log.exception("the schedule could not be read or written; looking again later")
        with self._lock:
            jobs, now, check_s = self._memory.jobs, self._now(), self._frozen().check_interval_s
        if outcome is not None and (outcome.status != "skipped" or waiting.due(jobs, now)):
            return 0.0
        return min(check_s, waiting.seconds_to_next(jobs, now) or check_s)

    def _may_retry(self) -> bool:
        waits = any(job.cause == "automatic" for job in self._memory.jobs)
        return not waits or may_retry(self._facts(), self._frozen()).fires

    def _looked(self) -> Reading:
        """Read the triggers; a cron moment at which the rest did not hold is let go, and that is kept."""
        config, facts = self._frozen(), self._facts()
        if "cron" in config.expression.names():
            with self._lock:
                after = self._memory.looked(facts.now, let_go=lets_go(facts, config))
                if after is not self._memory:
                    self._keep(after)
        return automatic(facts, config)

    def _run(self, job: Job) -> Outcome:
        """Try a job once and write down how it ended, whatever that is."""
        started, steady, job = self._now(), self._gather.steady(), self._begin(job)
        try:
            end = tried(job, self._frozen(), self._callbacks, self._gather, turning=self._turning, now=self._now)
        except SystemExit:  # this process is to end: the next one makes the same try
            with self._lock:
                self._keep(self._held().changed(replace(job, attempt=job.attempt - 1)))
            raise
        finally:
            with self._lock:
                self._running = None
        with self._lock:
            now, ended = self._now(), self._gather.steady()
            seconds = ended[1] - steady[1] if ended and steady else (now - started).total_seconds()
            more: dict[str, Any] = {"took": RunTime(started, max(0.0, seconds)), "steady": ended, "mark": end.mark}
            self._hold(self._held().recorded(job, end.outcome, end.again, rows=end.rows, now=now, **more))
            self._keeper.keep(self._memory)
        log.info("run %s ended after %.1f s: %s", job.name, seconds, end.outcome.reason)
        return end.outcome

    def _begin(self, job: Job) -> Job:
        """Write down that a try begins, so that one which kills its process is counted."""
        if job.attempt and job.not_before is None:
            log.warning("run %s was cut off; it begins again", job.name)
        with self._lock:
            job = replace(job, attempt=job.attempt + 1, not_before=None)
            self._keep(self._held().begun(job, self._now()))
            self._running = job
        log.info("run %s begins (%s, try %d): %s", job.name, job.cause, job.attempt, job.reason)
        return job

    def _queue(self, name: str, cause: str, reason: str, request: str = "") -> Job:
        with self._lock:
            self._keep(self._held().queued(name, cause, reason, request))
            return self._memory.jobs[-1]

    def _held(self) -> Memory:
        """The memory, with the last training time as a caller may have set it, and the last turn by hand."""
        last = as_utc(self.last_training_time)
        if last != self._memory.last_training_time:
            self._memory = replace(self._memory, last_training_time=last, last_run_at=last, steady=None)
        if (turn := self._last_turn()) is not None:
            self._hold(self._memory.after_turn(*turn))
        return self._memory

    def _keep(self, memory: Memory) -> None:
        """Write a memory down; where that fails, the old one still holds."""
        self._keeper.keep(memory)
        self._hold(memory)

    def _hold(self, memory: Memory) -> None:
        self._memory, self.last_training_time = memory, memory.last_training_time
        self.total_training_runs = memory.total_training_runs
        self.successful_runs, self.failed_runs = memory.successful_runs, memory.failed_runs

    def _facts(self, *, everything: bool = False) -> Facts:
        with self._lock:
            memory, running = self._held(), self._running
        collect, config = self._callbacks.data_collector, self._frozen()
        facts, seen = self._gather.facts(memory, self._now(), config, running, collect, everything=everything)
        with self._lock:
            self._memory = replace(self._memory, seen_rows=min(seen, self._memory.seen_rows))
        return facts

    def _frozen(self) -> SchedulerConfig:
        return self.config if isinstance(self.config, SchedulerConfig) else self.config.frozen()

    def _name(self, kind: str) -> str:
        return f"{kind}-{self._now():%Y%m%d-%H%M%S}"

    def _now(self) -> datetime:
        return self._clock.now() if self._clock else datetime.now(UTC)
