"""What a scheduler tells about itself, as older callers read it. Pure."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from .config import SchedulerConfig
from .jobs import Job
from .memory import Memory
from .triggers import next_time


def scheduler_status(
    memory: Memory, config: SchedulerConfig, *, is_running: bool, running: Job | None
) -> dict[str, Any]:
    """Return ``is_running, config, statistics, timing, queue`` and besides ``last_outcome``.

    Args:
        running: the job under way; its number tells it from another of the same name, and stays through every retry.
    """
    total, good, last = memory.total_training_runs, memory.successful_runs, memory.last_training_time
    following = next_time(memory.last_run_at, config)
    waiting = [job for job in memory.jobs if running is None or job.number != running.number]
    return {
        "is_running": is_running,
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
        "queue": {
            "pending_jobs": len(waiting),
            "running": running.name if running else None,
            "number": running.number if running else None,
            "jobs": [{"name": job.name, "cause": job.cause, "attempt": job.attempt} for job in waiting],
        },
        "last_outcome": dict(memory.last_outcome) if memory.last_outcome else None,
    }


def to_say_at_start(config: SchedulerConfig, lasting: bool) -> Iterator[tuple[int, str]]:
    """Yield what whoever starts a scheduler should know, each with its log level.

    Args:
        lasting: whether its memory outlives the process.
    """
    if not lasting:
        what = "the scheduler forgets everything when this process ends; hand in state=open_store(...).state"
        yield logging.WARNING, what
    if config.max_concurrent_training > 1:
        yield logging.WARNING, f"max_concurrent_training is {config.max_concurrent_training}; runs go one at a time"
    if not config.enable_auto_scheduling:
        yield logging.INFO, "automatic runs are off (enable_auto_scheduling); manual triggers are served"
