"""Turning a home's loop: by hand, one at a time, and by its schedule."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from .job_running import held
from .jobs import NewJob
from .stages import Stages
from .tending import tidy

if TYPE_CHECKING:
    from .schedule.scheduler import LoRAScheduler
    from .wiring import Home


def turning(home: Home) -> AbstractContextManager[None]:
    """Hold a bot's turn over several steps, or over what must not happen during one.

    Raises:
        StoreBusy: its loop is being turned already.
    """
    return home.turn_lock.held()


class _ScheduledJob:
    """A run of the schedule as a durable job: begun with its training, ended with its decision.

    The scheduler tries a failed run again under its number; that and the name are the job's key, so that what an
    earlier try finished is not done again, nor anything of a run that a worker finished meanwhile. A name alone may
    come again.
    """

    def __init__(self, home: Home, stop: threading.Event | None) -> None:
        self._home, self._stop = home, stop
        self._block = ExitStack()
        self._made: dict[str, Any] = {}

    def collect(self) -> Sequence[Any]:
        """Make the dataset; a run with too few rows ends here and becomes no job."""
        self._home.forgetting.look_after()
        self._made = {"dataset": self._home.loop.collect()}
        rows: Sequence[Any] = self._made["dataset"].rows
        return rows

    def train(self, name: str, rows: Sequence[Any]) -> Mapping[str, Any]:
        """Enqueue the job, hold it, and train."""
        home, config = self._home, self._home.settings.schedule
        dataset = self._made["dataset"]
        tries = config.max_retry_count + 1 if config.retry_on_failure else 1
        stages = {"collect": {"dataset_id": dataset.id, "rows": home.store.conversations.count(home.bot)}}
        key = f"schedule:{home.scheduler.get_scheduler_status()['queue']['number']}:{name}"
        new = NewJob(home.bot, key, name, "scheduler", "by the schedule", 0, tries, stages)
        known = next((job for job in home.store.jobs.list(home.bot) if job.key == new.key), None)
        if known is not None and known.status == "succeeded":
            self._made["stages"] = Stages(home.loop, home.store, known, lambda stage, facts: facts)
        else:
            job, lease, beat = self._block.enter_context(held(home, new, self._stop))
            self._block.enter_context(home.store.fenced(lease))

            def record(stage: str, facts: Mapping[str, Any]) -> Mapping[str, Any]:
                return home.store.leases.record(lease, stage, facts)

            undo = partial(home.store.leases.undo, lease)
            self._made["stages"] = Stages(home.loop, home.store, job, record, beat.enter, undo)
            self._made["progress"] = beat.heard(None)
        return self._within(lambda made: {"adapter_id": self._adapter(made).id})

    def evaluate(self, name: str) -> Mapping[str, Any]:
        """Judge the adapter."""

        def step(made: dict[str, Any]) -> Mapping[str, Any]:
            made["report"] = made["stages"].evaluate(made["adapter"], made.get("progress"))
            return {"report_id": made["report"].id}

        return self._within(step)

    def deploy(self, name: str, performance: Mapping[str, Any]) -> Mapping[str, Any]:
        """Decide, release what was promoted, and end the job."""

        def step(made: dict[str, Any]) -> Mapping[str, Any]:
            decision = made["stages"].gate(made["report"])
            release = made["stages"].deploy(decision, made["adapter"], made["report"])
            return {"success": release is not None, "reason": f"{decision.verdict}: {decision.reason}"}

        found = self._within(step)
        self._block.close()
        tidy(self._home)
        return found

    def _adapter(self, made: dict[str, Any]) -> Any:
        stages = made["stages"]
        made["adapter"] = stages.train(stages.collect(), made.get("progress"))
        return made["adapter"]

    def _within(self, step: Callable[[dict[str, Any]], Mapping[str, Any]]) -> Mapping[str, Any]:
        """Do one step; an error ends the try of the job, too."""
        with ExitStack() as failing:
            failing.push(self._block.__exit__)
            found = step(self._made)
            failing.pop_all()
        return found


def scheduled(home: Home, stop: threading.Event | None = None) -> LoRAScheduler:
    """Return the home's scheduler with the loop's steps as its callbacks; it holds the bot's turn over a whole run.

    Each run that trains is a durable job, to be seen and stopped with ``loraloop jobs``.

    Args:
        stop: set when this process is to end; see ``job_running.held``.
    """
    scheduler, job = home.scheduler, _ScheduledJob(home, stop)
    scheduler.set_callbacks(job.collect, job.train, job.evaluate, job.deploy)
    return scheduler
