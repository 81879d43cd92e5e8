"""LoRAScheduler: turns the loop when it is worth turning, says why, and remembers over a restart.

Not covered here: several machines, leases, resuming a turn that was killed.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ..ports import Clock, Frozen, StateStore
from .config import SchedulerConfig
from .memory import MemoryKeeper
from .triggers import AUTOMATIC, Reading, Situation, all_of, retry

log = logging.getLogger(__name__)

_STOP_S = 10.0


class LoRAScheduler:
    """Runs ``collect -> train -> evaluate -> deploy`` through callbacks, by triggers or by hand, one run at a time.

    Args:
        config: frozen, or an object with ``.frozen()`` that is read at each look.
        state: keeps the memory over a restart; without it the memory ends with the process.
        key: under which the memory is kept.
        new_rows: counts all conversations there are; what came since the last turn is new.
        clock: tells the time; ``None`` for the system's.

    Attributes:
        is_running: whether the thread that looks at the triggers runs.
    """

    def __init__(
        self,
        config: SchedulerConfig | Frozen[SchedulerConfig] | None = None,
        *,
        state: StateStore | None = None,
        key: str = "scheduler",
        new_rows: Callable[[], int] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.config = config if config is not None else SchedulerConfig()
        self.is_running = False
        self._keeper = MemoryKeeper(state, key)
        self._memory = self._keeper.load()
        self._count_rows, self._clock = new_rows, clock
        self._callbacks: dict[str, Callable[..., Any]] = {}
        self._manual: deque[str] = deque()
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None
        self._busy = False

    def set_callbacks(
        self,
        data_collector: Callable[[], Any] | None = None,
        trainer: Callable[[str, Any], Mapping[str, Any]] | None = None,
        evaluator: Callable[[str], Mapping[str, Any]] | None = None,
        deployment_manager: Callable[[str, Any], Mapping[str, Any]] | None = None,
    ) -> None:
        """Set what a run calls, in this order; ``None`` leaves a step as it was (unset: left out)."""
        given = {
            "data_collector": data_collector,
            "trainer": trainer,
            "evaluator": evaluator,
            "deployment_manager": deployment_manager,
        }
        self._callbacks |= {name: call for name, call in given.items() if call is not None}

    def start_auto_training(self) -> None:
        """Start looking at the triggers, in a thread; a second call changes nothing."""
        with self._wake:
            if self.is_running:
                return
            self.is_running = True
            self._thread = threading.Thread(target=self._look_on, name="loraloop-scheduler", daemon=True)
            self._thread.start()
        log.info("scheduler started: %s", self._check().reason)

    def stop_auto_training(self) -> None:
        """Stop looking; a run that has begun is waited for, for a while."""
        with self._wake:
            self.is_running = False
            self._wake.notify_all()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(_STOP_S)
            if thread.is_alive():
                log.warning("a run is still going on; it ends by itself and nothing follows it")
        log.info("scheduler stopped")

    def should_trigger_training(self) -> bool:
        """Return whether a turn would start by itself now; ``explain`` says why."""
        reading = self._check()
        log.info("%s: %s", "would run" if reading.fires else "would wait", reading.reason)
        return reading.fires

    def manual_trigger_training(self, adapter_name: str | None = None) -> bool:
        """Start a run at once, under a name of one's own.

        Returns:
            False when the scheduler is not running.
        """
        with self._wake:
            if not self.is_running:
                return False
            self._manual.append(adapter_name or self._name("manual"))
            self._wake.notify_all()
        return True

    def get_scheduler_status(self) -> dict[str, Any]:
        """Return ``is_running, config, statistics, timing, queue`` and the reasons of the triggers."""
        memory, config = self._memory, self._frozen()
        total, good = memory.total_training_runs, memory.successful_runs
        last = memory.last_training_time
        following = last + timedelta(hours=config.training_interval_hours) if last else None
        return {
            "is_running": self.is_running,
            "config": config.model_dump(),
            "statistics": {
                "total_training_runs": total,
                "successful_runs": good,
                "failed_runs": memory.failed_runs,
                "success_rate": 100.0 * good / total if total else 0.0,
            },
            "timing": {
                "last_training_time": last.isoformat() if last else None,
                "next_training_time": following.isoformat() if following else None,
            },
            "queue": {"pending_jobs": len(self._manual) + int(self._busy)},
            "readings": [dict(reading) for reading in self.explain()],
            "last_reason": memory.last_reason,
        }

    def explain(self) -> list[Reading]:
        """Return what every trigger says now."""
        situation, config = self._situation(), self._frozen()
        return [trigger(situation, config) for trigger in (*AUTOMATIC, retry)]

    # The names older callers read; the memory is where they live.

    @property
    def last_training_time(self) -> datetime | None:
        """When the last run began (UTC)."""
        return self._memory.last_training_time

    @property
    def total_training_runs(self) -> int:
        """Runs begun and ended."""
        return self._memory.total_training_runs

    @property
    def successful_runs(self) -> int:
        """Runs that ended well; a refused adapter is no failure."""
        return self._memory.successful_runs

    @property
    def failed_runs(self) -> int:
        """Runs that ended in an error."""
        return self._memory.failed_runs

    # -- how it is done -----------------------------------------------------------------------------------------------

    def _look_on(self) -> None:
        while True:
            with self._wake:
                if not self.is_running:
                    return
                name = self._manual.popleft() if self._manual else None
            manual = name is not None
            if name is None and self._check().fires:
                name = self._name("auto")
            if name is not None:
                self._run(name, manual)
                continue
            with self._wake:
                if self.is_running and not self._manual:
                    self._wake.wait(self._frozen().check_every_s)

    def _run(self, name: str, manual: bool) -> None:
        """One run, recorded whatever comes of it."""
        memory = self._memory
        self._busy = True
        memory.last_training_time = self._now()
        rows = self._count_rows() if self._count_rows else 0
        log.info("run %s begins", name)
        try:
            memory.last_reason = f"{name}: {self._pipeline(name, manual)}"
            memory.successful_runs += 1
            memory.failures = 0
            memory.seen_rows = rows
        except Exception as error:  # a failed run is recorded and retried; the loop goes on
            memory.failed_runs += 1
            memory.failures += 1
            memory.last_failed_at = self._now()
            memory.last_reason = f"{name} failed: {type(error).__name__}: {error}"
            log.exception("run %s failed (%d in a row)", name, memory.failures)
        finally:
            memory.total_training_runs += 1
            self._busy = False
            self._keeper.keep(memory)
        log.info("run %s ended: %s", name, memory.last_reason)

    def _pipeline(self, name: str, manual: bool) -> str:
        """Collect, train, evaluate, deploy; returns what happened, in words."""
        call = self._callbacks
        if "trainer" not in call:
            raise RuntimeError("no trainer was set; see set_callbacks")
        data = call["data_collector"]() if "data_collector" in call else None
        least = self._frozen().min_samples_for_training
        if data is not None and hasattr(data, "__len__") and len(data) < least and not manual:
            return f"skipped, {len(data)} of {least} samples"
        result = call["trainer"](name, data)
        if "evaluator" not in call:
            return "trained"
        performance = call["evaluator"](name)
        if "deployment_manager" not in call:
            return "trained and evaluated"
        deployed = call["deployment_manager"](name, performance)
        if isinstance(deployed, Mapping) and not deployed.get("success", True):
            return f"trained, not deployed: {deployed.get('reason') or deployed.get('error') or 'refused'}"
        return f"trained and deployed ({type(result).__name__})"

    def _check(self) -> Reading:
        situation, config = self._situation(), self._frozen()
        again = retry(situation, config)
        automatic = all_of(*AUTOMATIC)(situation, config)
        if situation.failures and config.retry_on_failure and situation.failures <= config.max_retry_count:
            return again if config.enable_auto_scheduling else automatic
        return automatic

    def _situation(self) -> Situation:
        memory = self._memory
        new = max(0, self._count_rows() - memory.seen_rows) if self._count_rows else None
        return Situation(self._now(), memory.last_training_time, new, memory.failures, memory.last_failed_at)

    def _frozen(self) -> SchedulerConfig:
        return self.config if isinstance(self.config, SchedulerConfig) else self.config.frozen()

    def _name(self, kind: str) -> str:
        return f"{kind}-{self._now():%Y%m%d-%H%M%S}"

    def _now(self) -> datetime:
        return self._clock.now() if self._clock else datetime.now(UTC)
