"""Keeps the lease of a job that is done in this very process, and stops it when a person wants that."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ..errors import LeaseLost, StoreError, TrainingCancelled, in_words
from ..job_store import LeaseStore
from ..jobs import Lease
from ..ports import Progress
from .jobs_config import AGAIN_S, JobsConfig
from .standing_aside import StandingAside

log = logging.getLogger(__name__)


class Heartbeat:
    """Beats in a thread while a job is done here.

    Args:
        leases: where the job is held. config: settings.
        interrupt: ends what the job waits for, called from the thread: the child processes that do the heavy steps.
        stop: set when this process is to end, and the job with it.

    Attributes:
        wish: what a person asked for meanwhile. lost: whether somebody else has the job.
        aside: hears how the job stands aside for users.
    """

    def __init__(
        self,
        leases: LeaseStore,
        lease: Lease,
        config: JobsConfig,
        interrupt: Callable[[], None],
        stop: threading.Event | None = None,
    ) -> None:
        self._leases, self._lease, self._config, self._interrupt = leases, lease, config, interrupt
        self._over, self._stop = threading.Event(), stop or threading.Event()
        self._told: dict[str, Any] = {}
        self.aside = StandingAside()
        self.wish, self.lost = "", False

    @property
    def is_stopping(self) -> bool:
        """Whether this process is to end."""
        return self._stop.is_set()

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Keep the lease for as long as the block lasts."""
        thread = threading.Thread(target=self._beat_on, name="job-heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def enter(self, stage: str) -> None:
        """Say that a stage begins.

        Raises:
            TrainingCancelled: a person wants the job to stop, or this process is to end.
            LeaseLost: somebody else has it.
        """
        self._told = {"stage": stage, "steps": 0, "total": 0}
        self._look()
        if self.wish or self.is_stopping:
            raise TrainingCancelled(f"stopped on request before the stage {stage}")

    def heard(self, progress: Progress | None) -> Progress:
        """Return a progress display that also tells the job how far it is."""

        def hear(stage: str, done: int, total: int, **facts: float) -> None:
            self._told = {"stage": stage, "steps": done, "total": total}
            if progress is not None:
                progress(stage, done, total, **facts)

        return hear

    def _beat_on(self) -> None:
        wait_s = self._config.heartbeat_s
        while not self._over.wait(wait_s):
            wait_s = self._config.heartbeat_s
            try:
                with suppress(LeaseLost):
                    if not self._look():
                        wait_s = min(wait_s, AGAIN_S)
                if self.wish or self.lost or self.is_stopping:
                    self._interrupt()
            except Exception as error:  # whatever it was, the next beat may keep the lease
                log.warning("job %s: no heartbeat: %s", self._lease.job_id, in_words(error))

    def _look(self) -> bool:
        """Beat, and see what is wished; returns whether the store heard it."""
        try:
            told = {**self._told, **self.aside.told()}
            self.wish = self._leases.beat(self._lease, self._config.lease_s, **told).wish
            self.aside.was_heard(told)
        except LeaseLost:
            self.lost = True
            raise
        except StoreError as error:
            log.warning("job %s: no heartbeat: %s", self._lease.job_id, error)
            return False
        return True
