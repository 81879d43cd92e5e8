"""One try of a job: the callbacks, whatever they do, become an outcome."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ..errors import UsageError
from ..types import Mark
from .config import SchedulerConfig
from .gathering import Gatherer
from .jobs import Job, given_up, retry_at
from .pipeline import Callbacks, Outcome, run_callbacks

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tried:
    """How one try ended.

    Attributes:
        again: when it is tried again; ``None`` when it is done with.
        rows: there were at its start. mark: of the dataset it learnt from.
    """

    outcome: Outcome
    again: datetime | None = None
    rows: int = 0
    mark: Mark | None = None


def tried(
    job: Job,
    config: SchedulerConfig,
    callbacks: Callbacks,
    gather: Gatherer,
    *,
    turning: Callable[[], AbstractContextManager[Any]],
    now: Callable[[], datetime],
) -> Tried:
    """Run the callbacks under the bot's turn; an error is logged with its traceback and becomes a failed outcome."""
    if given_up(replace(job, attempt=job.attempt - 1), config):
        log.error("run %s was cut off %d times and is given up", job.name, job.attempt - 1)
        return Tried(Outcome(job.name, "failed", f"cut off {job.attempt - 1} times, given up"))
    # With an expression of the settings' own, rows need not be what started the run.
    by_rows = job.cause == "automatic" and not config.when.strip() and not gather.owed()
    try:
        rows = gather.rows()
        with turning():
            outcome = run_callbacks(callbacks, job.name, config.min_samples_for_training if by_rows else 1)
            return Tried(outcome, None, rows, gather.arrivals.mark() if gather.arrivals is not None else None)
    except Exception as error:
        again = None if isinstance(error, UsageError) else retry_at(job, now(), config)
        log.exception("run %s failed, %s", job.name, f"next try at {again:%H:%M:%S}" if again else "given up")
        return Tried(Outcome(job.name, "failed", f"{type(error).__name__}: {error}"), again)
