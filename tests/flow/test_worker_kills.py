"""Workers over real processes: deaths, hangs, cancels and stale holders, with parts that compute nothing."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from loraloop.errors import LeaseLost, TrainingError
from loraloop.jobs import STAGES, Job, Lease, NewJob
from loraloop.processes import descendants, end_tree, identity, is_gone, is_stopped
from loraloop.schedule.jobs_config import JobsConfig
from loraloop.schedule.worker import Worker, take_back_lost
from loraloop.store.sql import SqlStore, open_store
from loraloop.testing.canned_job import canned_run
from loraloop.testing.clock import START
from loraloop.types import Conversation, message

pytestmark = pytest.mark.real

QUICK = JobsConfig(lease_s=1.0, heartbeat_s=0.05, poll_s=0.02, retry_delay_s=0, cancel_grace_s=0.3)
Plan = Callable[[Lease], Mapping[str, Any]]


@dataclass
class Yard:
    """A store, a folder, and workers over both."""

    store: SqlStore
    folder: Path

    def enqueue(self, **more: Any) -> str:
        """A job, with something new to learn."""
        number = self.store.conversations.count("default")
        said = (message("user", "hello"), message("assistant", "hi", "review"))
        self.store.conversations.add([Conversation(f"cv-{number:016x}", "default", said, START, "chat", "granted")])
        return self.store.jobs.add(NewJob("default", **more)).id

    def worker(self, plan: Plan = lambda lease: {}, config: JobsConfig = QUICK) -> Worker:
        """A worker."""
        return Worker(self.store.leases, canned_run(str(self.folder / "loraloop.db"), self.folder, plan), config)

    def drain(self, plan: Plan = lambda lease: {}, config: JobsConfig = QUICK) -> int:
        """Let one worker do all that waits."""
        return self.worker(plan, config).work(threading.Event(), until_idle=True)

    def job(self, id: str) -> Job:
        """A job as it stands."""
        found = self.store.jobs.get(id)
        assert found is not None
        return found

    def done(self) -> list[tuple[int, str]]:
        """The steps that were begun: by which holder, and which."""
        log = self.folder / "done.log"
        lines = log.read_text().splitlines() if log.exists() else []
        return [(int(line.split()[1]), line.split()[2]) for line in lines]

    def wait(self, until: Callable[[], bool]) -> None:
        """Wait for something, half a minute at most."""
        end = time.monotonic() + 30
        while not until():
            assert time.monotonic() < end
            time.sleep(0.01)


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    """An empty one."""
    store = open_store(tmp_path / "loraloop.db")
    yield Yard(store, tmp_path)
    store.close()


@pytest.mark.fault(35)
def test_a_job_whose_process_dies_goes_on_where_it_was(yard: Yard) -> None:
    """The finished stages are not done again; the job ends with one release, and counts one crash."""
    id = yard.enqueue(name="mine")
    assert yard.drain(lambda lease: {"die": "evaluate"} if lease.fence == 1 else {}) == 2
    job = yard.job(id)
    assert (job.status, job.crashes, job.errors) == ("succeeded", 1, 0)
    assert yard.done() == [(1, "collect"), (1, "train"), (1, "evaluate"),
                           (2, "evaluate"), (2, "gate"), (2, "deploy")]  # fmt: skip
    assert tuple(job.stages) == STAGES
    release = yard.store.releases.live("default")
    assert release is not None
    assert job.stages["deploy"] == {"release_id": release.id}


@pytest.mark.fault(37)
@pytest.mark.fault(38)
def test_two_deaths_put_a_job_aside_and_others_go_on(yard: Yard) -> None:
    """A job that kills its process is begun twice at most; the next one is done."""
    poison, good = yard.enqueue(priority=1), yard.enqueue()
    yard.drain(lambda lease: {"die": "collect"} if lease.job_id == poison else {})
    assert (yard.job(poison).status, yard.job(good).status) == ("quarantined", "succeeded")
    assert yard.done().count((1, "collect")) + yard.done().count((2, "collect")) == 3


def test_an_error_is_tried_again_and_told(yard: Yard) -> None:
    """The job names the error, counts it apart from crashes, and fails at its limit."""
    id = yard.enqueue(max_errors=2)
    assert yard.drain(lambda lease: {"fail": "gate"}) == 2
    job = yard.job(id)
    assert (job.status, job.errors, job.crashes, job.error) == ("failed", 2, 0, "EvaluationError: no gate today")
    assert [event.kind for event in yard.store.jobs.events(id)].count("JobErred") == 2


@pytest.mark.fault(39)
def test_a_hung_step_is_killed_though_the_worker_lives(yard: Yard) -> None:
    """Nothing moves for longer than the setting says: the process is gone, and it counts as a crash."""
    id = yard.enqueue()
    config = QUICK.model_copy(update={"hung_after_s": 15.0, "max_crashes": 9})

    def why() -> list[str]:
        return [one.facts["error"] for one in yard.store.jobs.events(id) if one.kind == "JobCrashed"]

    yard.drain(lambda lease: {} if any("in stage train" in said for said in why()) else {"hang": "train"}, config)
    assert yard.job(id).status == "succeeded"
    assert "no progress for 15 s in stage train" in why()


@pytest.mark.parametrize("deaf", [False, True])
@pytest.mark.fault(47)
def test_a_cancel_is_final_only_when_the_process_is_gone(yard: Yard, deaf: bool) -> None:
    """TERM, then KILL for one that is deaf to it; the job is cancelled once there is no process any more."""
    id = yard.enqueue()
    stop = threading.Event()
    plan = {"hang": "train"} if deaf else {"stage_s": 60}
    thread = threading.Thread(target=yard.worker(lambda lease: plan).work, args=(stop,))
    thread.start()
    yard.wait(
        lambda: (
            (1, "train" if deaf else "collect") in yard.done() and yard.job(id).process not in ("", yard.job(id).owner)
        )
    )
    process = yard.job(id).process
    assert not is_gone(process)
    assert yard.store.jobs.ask(id, "cancel", "kim").status == "running"
    while yard.job(id).status == "running":
        time.sleep(0.005)
    assert is_gone(process)
    assert yard.job(id).status == "cancelled"
    stop.set()
    thread.join(30)
    assert not thread.is_alive()


def test_a_worker_that_is_told_to_stop_leaves_its_job_to_the_next(yard: Yard) -> None:
    """The process ends, the job waits without a stain, and the next worker finishes it."""
    id = yard.enqueue()
    stop = threading.Event()
    thread = threading.Thread(target=yard.worker(lambda lease: {"stage_s": 60}).work, args=(stop,))
    thread.start()
    yard.wait(lambda: (1, "collect") in yard.done())
    stop.set()
    thread.join(30)
    job = yard.job(id)
    assert (job.status, job.errors, job.crashes) == ("queued", 0, 0)
    yard.drain()
    assert yard.job(id).status == "succeeded"


def test_a_pause_keeps_what_was_finished_until_the_job_is_resumed(yard: Yard) -> None:
    """A paused job is nobody's; resumed, it goes on after its finished stages."""
    id = yard.enqueue()
    stop = threading.Event()
    thread = threading.Thread(
        target=yard.worker(lambda lease: {"hang": "evaluate"} if lease.fence == 1 else {}).work, args=(stop,)
    )
    thread.start()
    yard.wait(lambda: (1, "evaluate") in yard.done())
    yard.store.jobs.ask(id, "pause", "kim")
    yard.wait(lambda: yard.job(id).status == "paused")
    yard.store.jobs.ask(id, "resume", "kim")
    yard.wait(lambda: yard.job(id).status == "succeeded")
    stop.set()
    thread.join(30)
    assert [step for _, step in yard.done()].count("train") == 1


@pytest.mark.fault(36)
def test_a_process_that_was_stopped_past_its_lease_has_no_effect_afterwards(yard: Yard) -> None:
    """SIGSTOP, the lease passes, another does the job, SIGCONT: the older one writes nothing and ends with an error."""
    id = yard.enqueue()
    run = canned_run(str(yard.folder / "loraloop.db"), yard.folder, lambda lease: {"stage_s": 0.5})
    older = yard.store.leases.take(identity(os.getpid()), 0.0)
    assert older is not None
    processes: list[str] = []
    ended: list[BaseException] = []

    def hold() -> None:
        try:
            run(older, processes.append, lambda fact: None)
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=hold)
    thread.start()
    yard.wait(lambda: (1, "evaluate") in yard.done())
    os.kill(int(processes[0].split()[1]), signal.SIGSTOP)
    yard.store.leases.reclaim(older, QUICK.rule())  # as a worker of another machine, which cannot end that process
    yard.drain()
    job, releases = yard.job(id), yard.store.releases.history("default")
    before = (yard.store.events.tail("default"), yard.store.reports.list("default"), releases)
    assert (job.status, job.fence, len(releases)) == ("succeeded", 2, 1)
    os.kill(int(processes[0].split()[1]), signal.SIGCONT)
    thread.join(30)
    assert [type(error) for error in ended] == [LeaseLost]
    after = (yard.store.events.tail("default"), yard.store.reports.list("default"),
             yard.store.releases.history("default"))  # fmt: skip
    assert (yard.job(id), after) == (job, before)


@pytest.mark.fault(53)
def test_what_a_lost_worker_left_running_is_ended_before_its_job_goes_on(yard: Yard) -> None:
    """On the same machine the process of a job whose lease ran out is killed, stopped or not."""
    id = yard.enqueue()
    run = canned_run(str(yard.folder / "loraloop.db"), yard.folder, lambda lease: {"stage_s": 60})
    lease = yard.store.leases.take("", 0.0)
    assert lease is not None
    seen: list[str] = []

    def hold() -> None:
        with pytest.raises(TrainingError):
            run(lease, seen.append, lambda fact: None)

    thread = threading.Thread(target=hold)
    thread.start()
    yard.wait(lambda: (1, "collect") in yard.done())
    yard.store.leases.beat(lease, 0.0, process=seen[0])
    os.kill(int(seen[0].split()[1]), signal.SIGSTOP)
    take_back_lost(yard.store.leases, QUICK)
    assert is_gone(seen[0])
    thread.join(30)
    assert (yard.job(id).status, yard.job(id).crashes) == ("queued", 1)


@pytest.mark.fault(48)
def test_two_workers_share_the_jobs_and_do_none_twice(yard: Yard) -> None:
    """Whatever they do at the same moment, each stage of each job is begun once."""
    ids = [yard.enqueue() for _ in range(3)]
    workers = [yard.worker() for _ in range(2)]
    threads = [
        threading.Thread(target=one.work, args=(threading.Event(),), kwargs={"until_idle": True}) for one in workers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    yard.drain()  # a worker that found the bot's loop busy may have gone
    assert [yard.job(id).status for id in ids] == ["succeeded"] * 3
    lines = (yard.folder / "done.log").read_text().splitlines()
    assert len(lines) == len(set(lines))


def test_a_whole_tree_of_processes_is_ended() -> None:
    """What a process started is ended with it, though each leads a group of its own."""
    import subprocess
    import sys

    nested = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], "
    nested += "start_new_session=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", nested], start_new_session=True) as top:
        who = identity(top.pid)
        end = time.monotonic() + 20
        while not descendants(top.pid) and time.monotonic() < end:
            time.sleep(0.01)
        below = descendants(top.pid)
        assert len(below) == 1
        assert end_tree(who, 0.0)
        top.wait()
    assert is_gone(who)
    assert all(map(is_gone, below))
    assert not end_tree("another-place 1 1", 0.0)


def test_processes_of_another_machine_or_container_are_left_alone() -> None:
    """A number that means another process there is neither gone, nor stopped, nor ended here."""
    place, pid, start = identity(os.getpid()).split()
    for who in (f"{place}0 {pid} {start}", f"{place}0 {pid} 1", "another-place 1 1"):
        assert (is_gone(who), is_stopped(who), end_tree(who, 0.0)) == (False, False, False)
    assert (is_gone(f"{place} {pid} {start}"), is_gone(f"{place} {pid} 1")) == (False, True)
