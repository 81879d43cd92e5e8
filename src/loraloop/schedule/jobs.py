"""Runs waiting for their turn: which is due, when a failed one is tried again. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ..types import Record, utc
from .config import SchedulerConfig


@dataclass(frozen=True, slots=True)
class Job(Record):
    """One run to be done.

    Attributes:
        number: counts up; the order of asking.
        name: of the adapter; kept through every retry.
        cause: ``"manual"`` or ``"automatic"``.
        reason: why it was queued, in words.
        attempt: tries begun so far; written before a try begins, so that a run which kills its process is not tried
            for ever.
        not_before: earliest start, for a retry.
        request: id of what asked for it from another process; empty where none did.
    """

    number: int
    name: str
    cause: str
    reason: str = ""
    attempt: int = 0
    not_before: datetime | None = None
    request: str = ""


def job_from(data: Mapping[str, Any]) -> Job:
    """Return a job from its plain form, as read from the state."""
    return Job(**{**data, "not_before": utc(data.get("not_before"))})


def due(jobs: Sequence[Job], now: datetime, *, automatic: bool = True) -> Job | None:
    """Return the job to run now: manual ones first, then in the order of asking; ``None`` when none is due.

    Args:
        automatic: whether those that nobody asked for may be tried now.

    Example:
        >>> from datetime import UTC
        >>> now = datetime(2026, 1, 1, tzinfo=UTC)
        >>> due([Job(1, "a", "automatic"), Job(2, "b", "manual")], now).name
        'b'
    """
    ready = [
        job
        for job in jobs
        if (job.not_before is None or job.not_before <= now) and (automatic or job.cause == "manual")
    ]
    return min(ready, key=lambda job: (job.cause != "manual", job.number), default=None)


def seconds_to_next(jobs: Sequence[Job], now: datetime) -> float | None:
    """Return the seconds until the first waiting job may start; ``None`` when none waits."""
    waits = [(job.not_before - now).total_seconds() if job.not_before else 0.0 for job in jobs]
    return max(0.0, min(waits)) if waits else None


def retry_delay_s(attempt: int, config: SchedulerConfig) -> float:
    """Return the seconds to wait after try number ``attempt`` (from 1) failed: doubled each time, capped.

    Example:
        >>> [retry_delay_s(n, SchedulerConfig()) for n in (1, 2, 3, 9)]
        [60.0, 120.0, 240.0, 3600.0]
    """
    doublings = min(max(attempt - 1, 0), 60)
    return float(min(config.retry_delay_s * 2**doublings, config.retry_delay_max_s))


def given_up(job: Job, config: SchedulerConfig) -> bool:
    """Return whether a job has used up its first try and all its retries."""
    return job.attempt > (config.max_retry_count if config.retry_on_failure else 0)


def retry_at(job: Job, now: datetime, config: SchedulerConfig) -> datetime | None:
    """Return when a job whose try just failed is tried again; ``None`` when it is given up."""
    if given_up(job, config):
        return None
    return now + timedelta(seconds=retry_delay_s(job.attempt, config))
