"""A worker: leases one job after another, has each done in a process of its own, and answers for that process.

The worker loads no model. It keeps the lease, hears of progress, and ends the process when a person wants that, when
nothing moves any more, when the lease is lost, or when the worker itself is told to stop. A job's state becomes final
only when its process and all that descended from it are gone.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import LeaseLost, StoreError
from ..job_store import LeaseStore
from ..jobs import End, Job, Lease
from ..processes import end_tree, identity, is_gone, is_stopped
from .endings import end_of, said
from .jobs_config import AGAIN_S, JobsConfig
from .standing_aside import StandingAside

log = logging.getLogger(__name__)

Run = Callable[[Lease, Callable[[str], None], Callable[[Mapping[str, Any]], None]], None]
"""Does a job in a process: ``(lease, started, hear)``; tells that process's identity, then each fact of progress.
Returns when the job is done and the process gone; raises what the job raised."""
_LOOK_S = 0.05
YIELDING = "yielding"
"""The kind of fact that says how a job stands aside for users: ``stands`` (now) and ``seconds`` (since the last)."""


@dataclass
class _Try:
    """One try of a job, as the worker's two threads see it."""

    lease: Lease
    process: str = ""
    stage: str = ""
    steps: int = 0
    total: int = 0
    moved_at: float = field(default_factory=time.monotonic)
    error: BaseException | None = None
    aside: StandingAside = field(default_factory=StandingAside)

    def hear(self, fact: Mapping[str, Any]) -> None:
        """Take in a fact of progress; time that the job stood aside for users does not count as time without any."""
        if fact.get("kind") == YIELDING:
            self.moved_at += float(fact["seconds"])
            self.aside.hear(bool(fact["stands"]), float(fact["seconds"]))
            return
        self.moved_at = time.monotonic()
        self.stage = str(fact.get("stage", self.stage))
        self.steps, self.total = int(fact.get("done", self.steps)), int(fact.get("total", self.total))

    def progress(self) -> dict[str, Any]:
        """What a heartbeat tells."""
        told = {"stage": self.stage, "steps": self.steps, "total": self.total, **self.aside.told()}
        return {**told, "process": self.process} if self.process else told


class Worker:
    """Does the jobs of a store until told to stop.

    Args:
        leases: where jobs are held. run: see ``Run``. config: settings.
        bot: whose jobs; ``None`` for every bot's.
    """

    def __init__(self, leases: LeaseStore, run: Run, config: JobsConfig, bot: str | None = None) -> None:
        self._leases, self._run, self._config, self._bot = leases, run, config, bot
        self._owner = identity(os.getpid()) or f"worker {os.getpid()}"

    def work(self, stop: threading.Event, *, until_idle: bool = False) -> int:
        """Do jobs until ``stop`` is set, or with ``until_idle`` until none is waiting; returns the tries made."""
        tries = 0
        while not stop.is_set():
            try:
                lease = self._next()
            except StoreError as error:
                log.warning("no job can be taken now: %s", error)
                lease = None
            if lease is not None:
                self._do(lease, stop)
                tries += 1
            elif until_idle:
                break
            else:
                stop.wait(self._config.poll_s)
        return tries

    def _next(self) -> Lease | None:
        take_back_lost(self._leases, self._config)
        return self._leases.take(self._owner, self._config.lease_s, bot=self._bot)

    def _do(self, lease: Lease, stop: threading.Event) -> None:
        """Have one job done, or end its process and say why."""
        attempt = _Try(lease)
        log.info("job %s begins (number %d of its holders)", lease.job_id, lease.fence)
        thread = threading.Thread(target=self._have_done, args=(attempt,), name=f"job-{lease.job_id}", daemon=True)
        thread.start()
        try:
            ending = self._watch(attempt, thread, stop)
            if thread.is_alive():
                self._end_process(attempt, thread, 0.0 if ending == "hung" else self._config.cancel_grace_s)
            self._let_go(attempt, ending, stop)
        except LeaseLost as lost:
            log.warning("%s; its process is ended here", lost)
            self._end_process(attempt, thread, 0.0)

    def _have_done(self, attempt: _Try) -> None:
        def started(process: str) -> None:
            attempt.process = process

        try:
            self._run(attempt.lease, started, attempt.hear)
        except Exception as error:  # whatever it is, the job is recorded as failed, and only this job
            attempt.error = error

    def _watch(self, attempt: _Try, thread: threading.Thread, stop: threading.Event) -> str:
        """Keep the lease until there is a reason to end the try; returns it: done, asked, stopping or hung."""
        config, beaten_at, known = self._config, float("-inf"), ""
        while True:
            is_over = not thread.is_alive()
            if is_over or attempt.process != known or time.monotonic() - beaten_at >= config.heartbeat_s:
                known = attempt.process
                job = self._beat(attempt)
                beaten_at = time.monotonic()
                if is_over:
                    return "done"
                if job is None:
                    beaten_at -= max(0.0, config.heartbeat_s - AGAIN_S)
                elif job.wish:
                    return "asked"
            if stop.is_set():
                return "stopping"
            if config.hung_after_s and time.monotonic() - attempt.moved_at > config.hung_after_s:
                return "hung"
            thread.join(_LOOK_S)

    def _beat(self, attempt: _Try) -> Job | None:
        try:
            told = attempt.progress()
            job = self._leases.beat(attempt.lease, self._config.lease_s, **told)
            attempt.aside.was_heard(told)
            return job
        except LeaseLost:
            raise
        except StoreError as error:  # the fence, not this heartbeat, is what keeps two from doing one job
            log.warning("job %s: no heartbeat: %s", attempt.lease.job_id, error)
            return None

    def _end_process(self, attempt: _Try, thread: threading.Thread, grace_s: float) -> None:
        """End the job's process and all below it; return when they are gone."""
        while thread.is_alive():
            if attempt.process:
                end_tree(attempt.process, grace_s)
            thread.join(_LOOK_S)

    def _let_go(self, attempt: _Try, ending: str, stop: threading.Event) -> None:
        """Write down how the try ended, again and again until that is heard: what is done must not be done anew.

        Raises:
            LeaseLost: somebody else has the job.
            StoreError: this worker is to stop, and the store hears nothing for as long as a lease lasts.
        """
        how, why = self._how(attempt, ending)
        last_s: float | None = None
        while True:
            try:
                job = self._leases.end(attempt.lease, how, self._config.rule(), why)
            except LeaseLost:
                raise
            except StoreError as error:
                log.warning("job %s: %s, which cannot be written down yet: %s", attempt.lease.job_id, how, error)
                if stop.is_set():
                    last_s = last_s or time.monotonic() + self._config.lease_s
                    if time.monotonic() > last_s:
                        raise
                time.sleep(AGAIN_S)
                self._beat(attempt)
            else:
                log.info("job %s: %s, it is %s now %s", job.id, how, job.status, why)
                return

    def _how(self, attempt: _Try, ending: str) -> tuple[End, str]:
        """How the try ended, and why; a job that got done although it was to be stopped is done."""
        if ending == "hung":
            return "crash", f"no progress for {self._config.hung_after_s:g} s in stage {attempt.stage or '?'}"
        if attempt.error is None:
            return "succeeded", ""
        if ending in ("asked", "stopping"):
            return "stopped", ""
        return end_of(attempt.error), said(attempt.error)


def take_back_lost(leases: LeaseStore, config: JobsConfig) -> None:
    """Make jobs free whose holder died or was not heard: what still runs of them on this machine is ended first.

    A holder that lives may only have found the store busy: it is let beat first, and ended when it still did not.

    Raises:
        StoreBusy: the store is busy still.
    """
    for lease, job in leases.lost():
        if _may_beat(job):
            if lease not in (one for one, _ in leases.lost(settled=True)):
                continue
            time.sleep(AGAIN_S + _LOOK_S)
            found = leases.reclaim(lease, config.rule(), _end_all_of)
        else:
            _end_all_of(job)  # it may hold the lock of the database, and nobody would get any further
            found = leases.reclaim(lease, config.rule())
        if found is not None:
            log.warning("job %s was lost by its holder; it is %s now", job.id, found.status)


def _may_beat(job: Job) -> bool:
    """Whether the holder of a job, as far as this machine can see, may yet be heard."""
    return bool(job.owner) and not (is_gone(job.owner) or is_stopped(job.owner) or is_stopped(job.process))


def _end_all_of(job: Job) -> None:
    if job.process and job.process != identity(os.getpid()):
        end_tree(job.process, 0.0)
    if is_stopped(job.owner):
        end_tree(job.owner, 0.0)
