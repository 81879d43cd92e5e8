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

from ..errors import UsageError
from ..ports import Callback, Clock, Frozen, StateStore
from ..store.location import checked_name
from . import jobs as waiting
from .config import SchedulerConfig
from .counting import new_row_count
from .jobs import Job
from .memory import Memory, MemoryKeeper, as_utc
from .pipeline import Callbacks, Outcome, run_callbacks
from .status import scheduler_status, to_say_at_start
from .triggers import Facts, Reading, automatic, count_matters, manual

log = logging.getLogger(__name__)


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
        last_turn: when the loop was last turned without this scheduler, and the rows there were; ``None`` before that.
        turning: held around each run, so that nothing else turns the loop meanwhile.
        owed: why the live adapter must be replaced soon, in words; ``None`` where it need not.
        clock: tells the time; ``None`` for the system's.

    Attributes:
        is_running: whether the thread that looks at the triggers runs.
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
        last_turn: Callable[[], tuple[int, datetime] | None] = lambda: None,
        turning: Callable[[], AbstractContextManager[Any]] = nullcontext,
        owed: Callable[[], str | None] = lambda: None,
        clock: Clock | None = None,
    ) -> None:
        self.config = config if config is not None else SchedulerConfig()
        self._keeper, self._count_rows, self._clock = MemoryKeeper(state, key), new_rows, clock
        self._memory = self._keeper.load()
        self._callbacks, self._last_turn, self._turning, self._owed = Callbacks(), last_turn, turning, owed
        self._wake = threading.Condition(threading.RLock())
        self._one_run = threading.Lock()
        self._thread: threading.Thread | None = None
        self._running: Job | None = None
        self._warned = self._asked = False
        self.is_running = False
        self._hold(self._memory)

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
        had = self._callbacks
        self._callbacks = Callbacks(
            data_collector or had.data_collector,
            trainer or had.trainer,
            evaluator or had.evaluator,
            deployment_manager or had.deployment_manager,
        )

    def start_auto_training(self) -> None:
        """Start looking at the triggers, in a thread; a second call changes nothing.

        With ``enable_auto_scheduling`` off, the thread serves manual triggers and retries alone.
        """
        with self._wake:
            if self.is_running:
                return
            self._say_once()
            self.is_running = True
            self._thread = threading.Thread(target=self._look_on, name="loraloop-scheduler", daemon=True)
            self._thread.start()
        log.info("scheduler started, %d runs wait", len(self._memory.jobs))

    def stop_auto_training(self) -> None:
        """Stop, and wait for a run under way up to ``stop_timeout_s``; nothing follows it."""
        with self._wake:
            was_running, self.is_running = self.is_running, False
            self._wake.notify_all()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(self._frozen().stop_timeout_s)
            if thread.is_alive():
                log.warning("a run is still under way; it ends by itself and nothing follows it")
        log.info("scheduler %s", "stopped" if was_running else "was not running")

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
        with self._wake:
            if not self.is_running:
                log.warning("the scheduler is not running; %s will not be trained", name)
                return False
            self._queue(name, "manual", "asked for by hand")
            self._asked = True
            self._wake.notify_all()
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
            with self._wake:
                job, self._asked = waiting.due(self._memory.jobs, self._now()), False
            if job is None:
                config, facts = self._frozen(), self._facts(count=False)
                reading = automatic(self._facts() if count_matters(facts, config) else facts, config)
                if not reading.fires:
                    log.debug("no run: %s", reading.reason)
                    return None
                job = self._queue(self._name("auto"), "automatic", reading.reason)
            return self._run(job)
        finally:
            self._one_run.release()

    def get_scheduler_status(self) -> dict[str, Any]:
        """Return ``is_running, config, statistics, timing, queue`` and besides ``last_outcome``."""
        with self._wake:
            memory, running = self._held(), self._running
        return scheduler_status(memory, self._frozen(), is_running=self.is_running, running=running)

    def explain(self) -> tuple[Reading, ...]:
        """Return what every trigger says now: first the whole, then what it was made from, last the manual one."""
        facts, config = self._facts(), self._frozen()
        return (*automatic(facts, config).flat(), manual(facts, config))

    # -- how it is done -----------------------------------------------------------------------------------------------

    def _look_on(self) -> None:
        while True:
            outcome = None
            with self._wake:
                if not self.is_running or threading.current_thread() is not self._thread:
                    return
            try:
                outcome = self.run_due()
            except Exception:
                log.exception("the schedule could not be read or written; looking again later")
            with self._wake:
                jobs, now, check_s = self._memory.jobs, self._now(), self._frozen().check_interval_s
                if outcome is not None and (outcome.status != "skipped" or waiting.due(jobs, now)):
                    continue
                if self.is_running and not self._asked:
                    self._wake.wait(min(check_s, waiting.seconds_to_next(jobs, now) or check_s))

    def _run(self, job: Job) -> Outcome:
        """Try a job once and write down how it ended, whatever that is."""
        started = self._now()
        job = self._begin(job)
        try:
            outcome, again, rows = self._tried(job)
        finally:
            with self._wake:
                self._running = None
                self._wake.notify_all()
        with self._wake:
            now = self._now()
            self._hold(self._held().recorded(job, outcome, again, rows=rows, now=now))
            self._keeper.keep(self._memory)
        log.info("run %s ended after %.1f s: %s", job.name, (now - started).total_seconds(), outcome.reason)
        return outcome

    def _tried(self, job: Job) -> tuple[Outcome, datetime | None, int]:
        """Run the callbacks; returns how that ended, when to try again, and the rows there were at the start."""
        config, rows = self._frozen(), 0
        if waiting.given_up(replace(job, attempt=job.attempt - 1), config):
            log.error("run %s was cut off %d times and is given up", job.name, job.attempt - 1)
            return Outcome(job.name, "failed", f"cut off {job.attempt - 1} times, given up"), None, rows
        try:
            rows = self._count_rows() if self._count_rows is not None else 0
            required = config.min_samples_for_training if job.cause == "automatic" and not self._owed() else 1
            with self._turning():
                return run_callbacks(self._callbacks, job.name, required), None, rows
        except Exception as error:
            again = None if isinstance(error, UsageError) else waiting.retry_at(job, self._now(), config)
            log.exception("run %s failed, %s", job.name, f"next try at {again:%H:%M:%S}" if again else "given up")
            return Outcome(job.name, "failed", f"{type(error).__name__}: {error}"), again, rows

    def _begin(self, job: Job) -> Job:
        """Write down that a try begins, so that one which kills its process is counted."""
        if job.attempt and job.not_before is None:
            log.warning("run %s was cut off; it begins again", job.name)
        with self._wake:
            job = replace(job, attempt=job.attempt + 1, not_before=None)
            self._keep(self._held().changed(job))
            self._running = job
        log.info("run %s begins (%s, try %d): %s", job.name, job.cause, job.attempt, job.reason)
        return job

    def _queue(self, name: str, cause: str, reason: str) -> Job:
        with self._wake:
            self._keep(self._held().queued(name, cause, reason))
            return self._memory.jobs[-1]

    def _held(self) -> Memory:
        """The memory, with the last training time as a caller may have set it, and the last turn by hand."""
        last = as_utc(self.last_training_time)
        if last != self._memory.last_training_time:
            self._memory = replace(self._memory, last_training_time=last, last_run_at=last)
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

    def _facts(self, count: bool = True) -> Facts:
        with self._wake:
            rows, seen = None, self._held().seen_rows
        if count:
            rows, seen = new_row_count(self._count_rows, self._callbacks.data_collector, seen)
        with self._wake:
            self._memory = memory = replace(self._memory, seen_rows=min(seen, self._memory.seen_rows))
            return replace(memory.facts(self._now(), rows, self._running), owed=self._owed())

    def _say_once(self) -> None:
        if self._warned:
            return
        self._warned = True
        for level, text in to_say_at_start(self._frozen(), self._keeper.lasting):
            log.log(level, "%s", text)

    def _frozen(self) -> SchedulerConfig:
        return self.config if isinstance(self.config, SchedulerConfig) else self.config.frozen()

    def _name(self, kind: str) -> str:
        return f"{kind}-{self._now():%Y%m%d-%H%M%S}"

    def _now(self) -> datetime:
        return self._clock.now() if self._clock else datetime.now(UTC)
