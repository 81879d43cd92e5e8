"""Doing durable jobs of a home: one that this process holds, one by hand, and a worker that has them done."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from .errors import LeaseLost, StoreBusy, TrainingCancelled, TrainingError, UsageError
from .jobs import End, Job, Lease, NewJob
from .lm.child import child_command, child_environment, run_child, stop_children
from .processes import identity
from .schedule.endings import end_of, said
from .schedule.heartbeat import Heartbeat
from .schedule.worker import Worker, take_back_lost
from .stages import Stages
from .tending import tidy

if TYPE_CHECKING:
    from .controller import TurnResult
    from .ports import Progress
    from .wiring import Home

log = logging.getLogger(__name__)

_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _LONG_LIFE_S = 1.0, 300.0, 600.0
BY_HAND = "by hand"
TOLD_TO_STOP = 128 + signal.SIGTERM
JOB_PROCESS = "loraloop.cli.job_child"


def this_owner() -> str:
    """Return the identity under which this process holds jobs."""
    return identity(os.getpid()) or f"process {os.getpid()}"


def worker_of(home: Home, *, every_bot: bool = True) -> Worker:
    """Return a worker over a home's jobs; each is done in a process of its own, started by ``cli/job_child.py``.

    Raises:
        UsageError: this machine does not say which processes it has.
    """
    if not identity(os.getpid()):
        raise UsageError(
            "a worker cannot be sure to end a job's processes without /proc",
            hint="run it where /proc is mounted (Linux), or turn by hand: loraloop turn",
        )

    def run(lease: Lease, started: Callable[[str], None], hear: Callable[[Mapping[str, Any]], None]) -> None:
        job = home.store.jobs.get(lease.job_id)
        spec = {"home": str(home.folder), "bot": job.bot if job else home.bot, "lease": dict(lease)}
        run_child(JOB_PROCESS, spec, hear, died=TrainingError, on_start=lambda pid: started(identity(pid)))

    return Worker(home.store.leases, run, home.settings.jobs, None if every_bot else home.bot)


def do_leased(home: Home, lease: Lease, progress: Progress | None, enter: Callable[[str], None]) -> TurnResult:
    """Do what is left of a job whose lease this process was given; nothing is written once the lease is lost."""
    job = home.store.jobs.get(lease.job_id)
    if job is None:
        raise LeaseLost(f"there is no job {lease.job_id}")

    def record(stage: str, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        return home.store.leases.record(lease, stage, facts)

    with home.store.fenced(lease), home.turn_lock.held():
        home.forgetting.look_after()
        undo = partial(home.store.leases.undo, lease)
        result = Stages(home.loop, home.store, job, record, enter, undo).run(progress)
        tidy(home)
        return result


@contextmanager
def held(home: Home, new: NewJob, stop: threading.Event | None = None) -> Iterator[tuple[Job, Lease, Heartbeat]]:
    """Enqueue a job and hold it in this process for as long as the block lasts; its end is written down.

    A job of that key which waits for its next try is taken at once. What the block raises ends the try; one by hand is
    not tried again, for who asked has been told.

    Args:
        stop: set when this process is to end: the block is interrupted, and the job waits to go on elsewhere.

    Raises:
        SystemExit: the block was interrupted because ``stop`` was set.
        StoreBusy: the bot's loop is being turned already. UsageError: the job of that key is paused or has its end.
    """
    leases, config = home.store.leases, home.settings.jobs
    take_back_lost(leases, config)
    job, lease = leases.begin(new, this_owner(), config.lease_s)
    if lease is None and job.status == "running":
        raise StoreBusy(f"job {job.id} is being done elsewhere", hint=f"loraloop jobs show {job.id}")
    if lease is None:
        wish = "resume" if job.status == "paused" else "retry"
        raise UsageError(f"job {job.id} is {job.status}", hint=f"loraloop jobs {wish} {job.id}")
    job = home.store.jobs.get(job.id) or job  # as its holder sees it
    beat = Heartbeat(leases, lease, config, stop_children, stop)
    home.yielding.hear = beat.aside.hear
    try:
        with beat.beating():
            yield job, lease, beat
    except LeaseLost:
        raise
    except BaseException as error:
        if beat.is_stopping:
            leases.end(lease, "stopped", config.rule())
            raise SystemExit(TOLD_TO_STOP) from error
        stopped = bool(beat.wish) or isinstance(error, KeyboardInterrupt | SystemExit)
        if stopped and not beat.wish:
            home.store.jobs.ask(job.id, "cancel", new.actor)
        how: End = "stopped" if stopped else "refused" if new.reason == BY_HAND else end_of(error)
        leases.end(lease, how, config.rule(), "" if stopped else said(error))
        if beat.wish and isinstance(error, Exception):
            raise TrainingCancelled(f"job {job.id} was stopped on request") from error
        raise
    leases.end(lease, "succeeded", config.rule())


def turn_by_hand(home: Home, name: str | None, actor: str, progress: Progress | None) -> TurnResult:
    """Turn the loop at once, in this process, as a job that everybody can see and stop.

    Raises:
        StoreBusy: this bot's loop is being turned already; nothing was enqueued.
        LoraloopError: a stage could not answer. What the stages before it made is kept and used by the next turn.
    """
    if name is not None:
        home.scheduler.check_name(name)
    take_back_lost(home.store.leases, home.settings.jobs)
    with home.turn_lock.held():
        _forget_cut_off(home, name or "", actor)
        new = NewJob(home.bot, name=name or "", actor=actor, reason=BY_HAND, max_errors=1)
        with held(home, new) as (_, lease, beat):
            return do_leased(home, lease, beat.heard(progress), beat.enter)


def _forget_cut_off(home: Home, name: str, actor: str) -> None:
    """Turns by hand that were cut off are begun anew by hand: the rows may be others by now."""
    for job in home.store.jobs.list(home.bot):
        if job.status == "queued" and job.reason == BY_HAND and job.name == name:
            home.store.jobs.ask(job.id, "cancel", actor)


@contextmanager
def hosted_worker(home: Home) -> Iterator[None]:
    """Keep a worker running in a process beside this one; one that dies is started again, ever more slowly.

    The process that serves users loads no model: the worker dies with it, and its jobs go on when there is one again.
    """
    over = threading.Event()
    running: list[subprocess.Popen[bytes]] = []

    def keep() -> None:
        pause_s = _FIRST_PAUSE_S
        while not over.is_set():
            command = [*child_command("loraloop"), "--home", str(home.folder), "worker", "--with-parent"]
            began = time.monotonic()
            with subprocess.Popen(command, env=child_environment(), stdout=subprocess.DEVNULL) as worker:
                running[:] = [worker]
                if over.is_set():
                    worker.terminate()
            if over.wait(pause_s):
                return
            log.warning("the worker ended with status %s; it is started again", worker.returncode)
            pause_s = _FIRST_PAUSE_S if time.monotonic() - began > _LONG_LIFE_S else min(2 * pause_s, _LONGEST_PAUSE_S)

    # Not a daemon: the kernel ends the worker with the thread that started it, which must be the last to go.
    thread = threading.Thread(target=keep, name="worker-keeper")
    thread.start()
    try:
        yield
    finally:
        over.set()
        for worker in running:
            worker.terminate()
        thread.join()
