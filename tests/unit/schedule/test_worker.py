"""What a worker makes of the ways in which a job can end; the job itself is a function here."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from loraloop.errors import LeaseLost, StaleRelease, StoreBusy, TrainingError, UsageError
from loraloop.jobs import Job, Lease, NewJob, RetryRule, after_try, after_wish, retry_delay_s
from loraloop.processes import identity
from loraloop.schedule.endings import end_of, said
from loraloop.schedule.jobs_config import JobsConfig
from loraloop.schedule.worker import YIELDING, Worker, take_back_lost
from loraloop.store.sql import SqlStore, open_store
from loraloop.testing.clock import START

QUICK = JobsConfig(lease_s=60.0, heartbeat_s=0.05, poll_s=0.02, retry_delay_s=0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    """An empty store."""
    opened = open_store(tmp_path / "loraloop.db")
    yield opened
    opened.close()


def done(store: SqlStore, run: Callable[..., None], **more: Any) -> Job:
    """One job, done by a worker whose runs are this function."""
    id = store.jobs.add(NewJob("b", **more)).id
    Worker(store.leases, run, QUICK).work(threading.Event(), until_idle=True)
    found = store.jobs.get(id)
    assert found is not None
    return found


def raising(*errors: Exception | None) -> Callable[..., None]:
    """A run that raises these, one a try."""
    left = list(errors)

    def run(lease: Lease, started: Any, hear: Any) -> None:
        error = left.pop(0)
        if error is not None:
            raise error

    return run


def crash() -> TrainingError:
    """The error for a process that died."""
    error = TrainingError("killed by SIGKILL")
    error.crashed = True
    return error


@pytest.mark.parametrize(
    ("errors", "status", "counts"),
    [
        ([None], "succeeded", (0, 0)),
        ([TrainingError("a"), None], "succeeded", (1, 0)),
        ([crash(), TrainingError("a"), None], "succeeded", (1, 1)),
        ([crash(), crash()], "quarantined", (0, 2)),
        ([TrainingError("a")] * 5, "failed", (5, 0)),
        ([UsageError("a")], "failed", (1, 0)),
        ([StaleRelease("a")], "failed", (1, 0)),
        ([ZeroDivisionError("words of a user")] * 5, "failed", (5, 0)),
    ],
)
def test_each_way_to_end_is_counted_for_what_it_is(
    store: SqlStore, errors: list[Exception | None], status: str, counts: tuple[int, int]
) -> None:
    """Errors are tried again, crashes twice at most, what can never be is not; foreign words are not kept."""
    job = done(store, raising(*errors))
    assert (job.status, (job.errors, job.crashes)) == (status, counts)
    assert "words" not in job.error


def test_a_busy_loop_is_no_mistake_of_the_job(store: SqlStore) -> None:
    """A job that could not begin waits, and nothing is counted."""
    id = store.jobs.add(NewJob("b")).id
    worker = Worker(store.leases, raising(StoreBusy("turned already")), QUICK.model_copy(update={"retry_delay_s": 99}))
    assert worker.work(threading.Event(), until_idle=True) == 1
    job = store.jobs.get(id)
    assert job is not None
    assert (job.status, job.errors, job.crashes) == ("queued", 0, 0)


def test_progress_is_told_with_the_heartbeat(store: SqlStore) -> None:
    """How far a job is stands in the table while it is under way."""
    seen: list[tuple[str, int, int]] = []
    told = threading.Event()

    def run(lease: Lease, started: Any, hear: Any) -> None:
        hear({"stage": "train", "done": 3, "total": 9})
        for _ in range(400):
            job = store.jobs.get(lease.job_id)
            assert job is not None
            if job.steps:
                seen.append((job.stage, job.steps, job.total))
                return
            told.wait(0.01)

    assert done(store, run).status == "succeeded"
    assert seen == [("train", 3, 9)]


def test_a_worker_that_lost_its_job_says_nothing_of_its_end(store: SqlStore) -> None:
    """Whoever has the job now is not disturbed."""
    first = JobsConfig(lease_s=60.0, heartbeat_s=30.0)

    def run(lease: Lease, started: Any, hear: Any) -> None:
        store.leases.beat(lease, -1.0)
        while store.leases.reclaim(lease, RetryRule(delay_s=0)) is None:  # the worker's own heartbeat came after it
            store.leases.beat(lease, -1.0)
        assert store.leases.take("other", 60.0) == Lease(lease.job_id, 2)

    id = store.jobs.add(NewJob("b")).id
    Worker(store.leases, run, first).work(threading.Event(), until_idle=True)
    job = store.jobs.get(id)
    assert job is not None
    assert (job.status, job.owner, job.fence, job.crashes) == ("running", "other", 2, 1)


class Busy:
    """Leases that cannot be written for a while: these calls find the store busy so many times."""

    def __init__(self, store: SqlStore, **busy: int) -> None:
        self._leases, self.left = store.leases, busy

    def __getattr__(self, name: str) -> Any:
        def call(*given: Any, **named: Any) -> Any:
            if self.left.get(name, 0):
                self.left[name] -= 1
                raise StoreBusy("written by another process")
            return getattr(self._leases, name)(*given, **named)

        return call


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the store did not hear is said again after a moment."""
    monkeypatch.setattr("loraloop.schedule.worker.AGAIN_S", 0.05)


@pytest.mark.usefixtures("at_once")
def test_a_job_that_is_done_is_so_though_that_could_not_be_written_down_at_once(store: SqlStore) -> None:
    """The worker goes on, and says it again until it is heard."""
    ids = [store.jobs.add(NewJob("b")).id for _ in range(2)]
    busy = Busy(store, end=3, beat=1)
    Worker(busy, raising(None, None), QUICK).work(threading.Event(), until_idle=True)
    assert busy.left["end"] == 0
    found = [store.jobs.get(id) for id in ids]
    assert [(job.status, job.crashes, job.fence) for job in found if job] == [("succeeded", 0, 1)] * 2


@pytest.mark.usefixtures("at_once")
def test_a_worker_that_is_to_stop_does_not_wait_for_a_dead_store(store: SqlStore) -> None:
    """After the time of a lease it says what is wrong; the job is somebody else's by then."""
    store.jobs.add(NewJob("b"))
    stop = threading.Event()
    short = QUICK.model_copy(update={"lease_s": 0.1})
    with pytest.raises(StoreBusy):
        Worker(Busy(store, end=10**6), lambda lease, started, hear: stop.set(), short).work(stop)


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("beats", [True, False])
def test_a_holder_that_found_the_store_busy_is_let_beat_before_it_is_ended(store: SqlStore, beats: bool) -> None:
    """Whoever takes lost jobs back ends no healthy process; one that stays silent is ended and counted."""
    id = store.jobs.add(NewJob("b")).id
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        lease = store.leases.take(identity(os.getpid()), -1.0)
        assert lease is not None
        store.leases.beat(lease, -1.0, process=identity(child.pid))
        writing, free = threading.Event(), threading.Event()

        def write() -> None:
            with store.together():
                writing.set()
                free.wait(10)

        threads = [threading.Thread(target=write)]
        threads[0].start()
        writing.wait(10)
        taking = threading.Thread(target=take_back_lost, args=(store.leases, QUICK))
        beating = threading.Thread(target=store.leases.beat, args=(lease, 60.0))
        threads += [taking, beating] if beats else [taking]
        for one in threads[1:]:
            one.start()
        free.set()
        for one in threads:
            one.join(20)
        job = store.jobs.get(id)
        assert job is not None
        assert (job.status, job.crashes) == (("running", 0) if beats else ("queued", 1))
        assert child.poll() is None if beats else child.wait(10) == -signal.SIGKILL


def test_delays_grow_are_capped_and_jittered() -> None:
    """Each try waits twice as long as the one before, by a half at least, never beyond the cap."""
    rule = RetryRule(delay_s=60.0, delay_max_s=3600.0)
    assert [retry_delay_s(n, rule, 1.0) for n in (1, 2, 3, 9, 10**6)] == [60.0, 120.0, 240.0, 3600.0, 3600.0]
    assert all(retry_delay_s(n, rule, 0.0) == retry_delay_s(n, rule, 1.0) / 2 for n in (1, 5, 99))


def test_what_a_person_wishes_wins_over_a_bad_end_and_not_over_a_good_one() -> None:
    """A job that is done is done; one that is to stop is not tried again."""
    job = Job("j", 1, "b", "", "", "op", "", 0, "running", START, 5, wish="cancel")
    rule = RetryRule()
    assert after_try(job, "error", rule, 0.5)[0]["status"] == "cancelled"
    assert after_try(job, "succeeded", rule, 0.5)[0]["status"] == "succeeded"
    assert after_try(Job(**{**job, "wish": "pause"}), "crash", rule, 0.5)[0]["status"] == "paused"
    assert after_wish(job, "resume") == {"wish": ""}


def test_errors_say_how_a_try_ended() -> None:
    """The nearest class decides; a process that died is a crash whatever the class."""
    assert [end_of(e) for e in (LeaseLost("l"), crash(), UsageError("u"), KeyError("k"))] == [
        "error", "crash", "refused", "error"]  # fmt: skip
    assert said(TrainingError("x" * 999)) == "TrainingError: " + "x" * 485


def standing_aside(seconds: float) -> Callable[..., None]:
    """A run without any progress, which stands aside for so long (as it says) in half a second."""

    def run(lease: Lease, started: Any, hear: Any) -> None:
        hear({"kind": "stage", "stage": "train"})
        for _ in range(10):
            hear({"kind": YIELDING, "stands": True, "seconds": seconds / 10})
            time.sleep(0.05)
        hear({"kind": YIELDING, "stands": False, "seconds": 0.0})

    return run


@pytest.mark.slow
def test_time_that_a_job_stands_aside_for_users_is_told_and_is_not_time_without_progress(store: SqlStore) -> None:
    """The watchdog leaves it alone as long as it stands aside, and kills what only says so for a part of the time."""
    config = QUICK.model_copy(update={"hung_after_s": 0.2, "max_crashes": 1})
    found = []
    for seconds in (0.5, 0.05):
        id = store.jobs.add(NewJob("b")).id
        Worker(store.leases, standing_aside(seconds), config).work(threading.Event(), until_idle=True)
        found.append(store.jobs.get(id))
    waited, hung = found
    assert waited is not None
    assert hung is not None
    assert (waited.status, waited.yielding, round(waited.yielded_s, 6)) == ("succeeded", False, 0.5)
    assert (hung.status, hung.error) == ("quarantined", "no progress for 0.2 s in stage train")
