"""Workers killed and stopped past their lease over whole turns: no acknowledged record lost, no job lost or doubled."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recording import record

os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", OMP_NUM_THREADS="1")

KINDS = ("kill worker", "kill job", "stop", "memory limit")
"""SIGKILL to the worker; SIGKILL to the process of its job; SIGSTOP to both until long after the lease; no more memory
for the job than it has at that moment."""
LEASE_S, BEAT_S = 3.0, 0.2
STAGE_S = 0.5
"""Seconds that each stage of a turn takes at least, where its parts compute nothing."""
LONGEST_S = 900.0
WAITING_JOBS = 4
"""Jobs that wait at least, so that whoever works always has one under way."""


def worker(home: Path, protected: bool, until_idle: bool, tiny: bool) -> None:
    """One worker, as if on a machine of its own: it can neither see nor end the processes of another worker."""
    from loraloop.job_running import worker_of
    from loraloop.jobs import Job, Lease
    from loraloop.schedule import worker as module
    from loraloop.schedule.jobs_config import JobsConfig
    from loraloop.store import leases
    from loraloop.testing.canned_job import canned_run
    from loraloop.wiring import open_home

    def take_back(store: Any, config: JobsConfig) -> None:
        for lease, _ in store.lost():
            store.reclaim(lease, config.rule())

    module.take_back_lost = take_back  # type: ignore[assignment]
    leases.is_gone = lambda who: False  # type: ignore[assignment]
    if not protected:

        def any_holder(connection: Any, lease: Lease) -> Job:
            row = connection.execute(leases._J.select().where(leases._J.c.id == lease.job_id)).mappings().one()
            return leases.job_of(row)

        leases.held_job = any_holder
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    with open_home(home) as opened:
        plan = {"stage_s": STAGE_S, "unfenced": not protected}
        run = canned_run(str(home / "loraloop.db"), home, lambda lease: plan)
        config = opened.settings.jobs
        made = worker_of(opened) if tiny else module.Worker(opened.store.leases, run, config)
        made.work(stop, until_idle=until_idle)


@dataclass
class Harness:
    """One home, its clients' ledger, and what befalls its workers.

    Attributes:
        records, jobs: what was acknowledged.
        worker: the one that works now. wakers: they let go on, later, what was stopped.
        met: blows of each kind that met a job under way. found, crashes: what the store says at the end. why: of each
            job that is lost.
    """

    home: Path
    protected: bool
    tiny: bool
    drawn: random.Random
    records: list[str] = field(default_factory=list)
    jobs: dict[str, str] = field(default_factory=dict)
    worker: subprocess.Popen[bytes] | None = None
    wakers: list[threading.Thread] = field(default_factory=list)
    met: Counter[str] = field(default_factory=Counter)
    found: dict[str, int] = field(default_factory=dict)
    why: list[str] = field(default_factory=list)
    crashes: int = 0
    turn_s: float = 0.0

    def start(self, *more: str) -> subprocess.Popen[bytes]:
        """A worker in a process of its own."""
        words = [str(self.home), "tiny" if self.tiny else "canned", "on" if self.protected else "off", *more]
        with (self.home / "workers.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, __file__, "--worker", *words], stderr=log, stdout=log, start_new_session=True
            )

    def tell(self, store: Any, rows: int) -> None:
        """Write records; what returned is in the ledger."""
        from loraloop.types import Conversation, message, utc

        at = utc("2026-01-01T00:00:00")
        assert at is not None
        made = [self.said(len(self.records) + n) for n in range(rows)]
        store.conversations.add([
            Conversation(id, "default", (message("user", asked), message("assistant", answer, "review")), at, "chat",
                         "granted", user=f"person-{id}") for id, asked, answer in made
        ])  # fmt: skip
        self.records += [id for id, _, _ in made]

    def enqueue(self, store: Any) -> str:
        """Ask for a job that learns from the records; what returned is in the ledger."""
        from loraloop.jobs import NewJob

        self.tell(store, (4 if self.records else 32) if self.tiny else 1)
        actor = f"client-{len(self.jobs)}"
        job = store.jobs.add(NewJob("default", name=actor, actor=actor, max_errors=10**6))
        self.jobs[job.id] = actor
        return str(job.id)

    def said(self, number: int) -> tuple[str, str, str]:
        """A small talk of words of its own."""
        syllables = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "or", "il")]
        drawn = random.Random(number)
        words = ["".join(drawn.choices(syllables, k=drawn.randint(2, 3))) for _ in range(10)]
        return f"cv-{number:016x}", f"{' '.join(words[:5])}?", f"{' '.join(words[5:])}, my friend."

    def run(self, blows: int, told: Callable[[str], None]) -> None:
        """Deal the blows one after the other while jobs wait, then let all that was asked for be done."""
        from loraloop.wiring import open_home

        with open_home(self.home) as opened:
            store = opened.store
            self.turn_s = self.undisturbed(store)
            told(f"an undisturbed turn takes {self.turn_s:.1f} s")
            for number in range(blows):
                while len(self.waiting(store)) < WAITING_JOBS:
                    self.enqueue(store)
                self.tell(store, 1)  # so that two jobs seldom learn from the same
                kind = KINDS[number % len(KINDS)] if self.protected else "stop"
                met = self.blow(store, kind)
                self.met[kind] += met
                told(f"{number + 1}/{blows} {kind}{'' if met else ' (met nothing)'}, {len(self.jobs)} jobs asked for")
            if self.worker is not None:
                self.end(self.worker)
            for waker in self.wakers:
                waker.join()
            time.sleep(LEASE_S + 2 * BEAT_S)
            self.start("until-idle").wait(LONGEST_S)
            self.found = self.faults(store)
            for line in self.why:
                told(f"lost: {line}")
            self.crashes = sum(job.crashes for job in store.jobs.list("default", limit=10**6))

    def undisturbed(self, store: Any) -> float:
        """Seconds of a turn that nothing befalls."""
        first = self.enqueue(store)
        self.start("until-idle").wait(LONGEST_S)
        job: Any = store.jobs.get(first)
        return float((job.finished_at - job.begun_at).total_seconds())

    def waiting(self, store: Any) -> list[str]:
        """Jobs that are not done yet."""
        return [job_id for job_id in self.jobs if store.jobs.get(job_id).status != "succeeded"]

    def blow(self, store: Any, kind: str) -> bool:
        """One blow at a moment drawn from a whole turn; returns whether it met a job under way."""
        from loraloop.jobs import STAGES
        from loraloop.processes import descendants, identity

        worker, within_s = self.worker or self.start(), self.turn_s
        self.worker = worker
        self.until(lambda: self.at_work(store, worker))
        if not self.protected:  # late in a turn a successor finds what the stopped one made, and hides the fault
            self.until(lambda: any(job.stage in STAGES for job in store.jobs.list("default", limit=20)))
            within_s = 2 * STAGE_S
        time.sleep(self.drawn.random() * within_s)
        met = self.at_work(store, worker)
        tree = [identity(worker.pid), *descendants(worker.pid)]
        if kind in ("kill job", "memory limit"):
            for who in tree[1:]:
                self.send(who, signal.SIGKILL) if kind == "kill job" else forbid_more_memory(who)
            return met
        self.worker = None
        if kind == "kill worker":
            self.send(tree[0], signal.SIGKILL)
            worker.wait(30)
        else:
            self.stop(tree)
            late_s = LEASE_S + 2 * BEAT_S + self.drawn.random() * self.turn_s
            if not self.protected:  # what wakes finds its job done, and new records: does it release once more?
                time.sleep(LEASE_S + 2 * BEAT_S)
                self.start("until-idle").wait(LONGEST_S)
                self.tell(store, 1)
            self.wakers.append(threading.Thread(target=self.wake, args=(worker, tree, late_s)))
            self.wakers[-1].start()
        return met

    def at_work(self, store: Any, worker: subprocess.Popen[bytes]) -> bool:
        """Whether a worker's child does a job now."""
        from loraloop.processes import descendants

        under_way = {job.process for job in store.jobs.list("default", limit=20) if job.status == "running"}
        return bool(under_way & set(descendants(worker.pid)))

    def wake(self, worker: subprocess.Popen[bytes], tree: list[str], late_s: float) -> None:
        """Let what was stopped go on long after its lease: it gets all the time it wants to do harm."""
        from loraloop.processes import is_gone

        time.sleep(late_s)
        for who in tree:
            self.send(who, signal.SIGCONT)
        self.until(lambda: all(map(is_gone, tree[1:])))
        time.sleep(2 * BEAT_S)
        self.end(worker)

    def end(self, worker: subprocess.Popen[bytes]) -> None:
        """End a worker in order."""
        from loraloop.processes import end_tree, identity

        end_tree(identity(worker.pid), 5.0)
        worker.wait(30)

    def stop(self, tree: list[str]) -> None:
        """Stop all at a moment when none of them holds the lock of the one SQLite file: other machines have none."""
        while True:
            for who in tree:
                self.send(who, signal.SIGSTOP)
            with Path(f"{self.home}/loraloop.db.lock").open("a") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return
                except BlockingIOError:
                    for who in tree:
                        self.send(who, signal.SIGCONT)
            time.sleep(0.005)

    def faults(self, store: Any) -> dict[str, int]:
        """What the ledger says against the store."""
        known = {one.id for one in store.conversations.iterate("default")}
        made = Counter(one.actor for one in store.releases.history("default", 10**6))
        lost = [id for id in self.jobs if store.jobs.get(id) is None or store.jobs.get(id).status != "succeeded"]
        # Without fences no stage is recorded; only what was done twice tells there.
        unmade = [id for id in self.jobs if self.protected and not is_whole(store.jobs.get(id))]
        self.why = [f"{id}: {store.jobs.get(id).status} {store.jobs.get(id).error}" for id in {*lost, *unmade}]
        return {
            "records_lost": sum(id not in known for id in self.records),
            "jobs_lost": len(set(lost) | set(unmade)),
            "jobs_doubled": sum(made[actor] > 1 for actor in self.jobs.values()),
            "database_faults": len(store.faults()),
        }

    def send(self, who: str, number: int) -> None:
        """A signal to a process that is still there."""
        from loraloop.processes import is_gone

        if who and not is_gone(who):
            os.kill(int(who.split()[1]), number)

    def until(self, holds: Any) -> None:
        """Wait for something that must come."""
        end = time.monotonic() + LONGEST_S
        while not holds():
            if time.monotonic() > end:
                raise SystemExit("what had to come did not come: a job is stuck")
            time.sleep(0.05)


def is_whole(job: Any) -> bool:
    """Whether a job has a verdict, and what was promoted a release."""
    return "gate" in job.stages and (job.stages["gate"]["verdict"] != "promote" or "deploy" in job.stages)


def forbid_more_memory(who: str) -> None:
    """Hold a process to the address space that it has now: whatever it asks for from here on is refused."""
    with contextlib.suppress(OSError):  # it may be gone
        pid = int(who.split()[1])
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
        resource.prlimit(pid, resource.RLIMIT_AS, (pages * resource.getpagesize(),) * 2)


def prepared(folder: Path, tiny: bool) -> Path:
    """A home."""
    from loraloop.testing.tiny import tiny_base
    from loraloop.wiring import init_home

    folder.mkdir()
    base = str(tiny_base(folder / "tiny", hidden=64, layers=4)) if tiny else str(folder / "none")
    return init_home(
        folder / "home", base__model=base, train__save_steps=2, train__min_steps=1, train__max_tokens=4000,
        evaluate__max_new_tokens=4, jobs__lease_s=LEASE_S, jobs__heartbeat_s=BEAT_S, jobs__poll_s=0.05,
        jobs__retry_delay_s=0.0, jobs__max_crashes=1000, jobs__max_errors=1000, gate__require_better=False,
        gate__loss_margin_nats=100.0, gate__min_heldout_rows=1,
    )  # fmt: skip


def main() -> None:
    """Run the benchmark and print one JSON line at the end; exit 1 if anything was lost or doubled."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--kills", type=int, default=10 if os.environ.get("CI") else 60)
    options.add_argument("--homes", type=int, default=2, help="homes side by side, the kills shared among them")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--parts", choices=("canned", "tiny"), default="canned", help="tiny: train a tiny real model")
    options.add_argument("--unprotected", action="store_true", help="without fences: this must fail")
    options.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.worker:
        home, parts, protection, *more = chosen.worker
        worker(Path(home), protection == "on", "until-idle" in more, parts == "tiny")
        return
    tiny, begun = chosen.parts == "tiny", time.perf_counter()
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(chosen.homes) as pool:
        harnesses = [
            Harness(
                prepared(Path(name) / str(n), tiny), not chosen.unprotected, tiny, random.Random(chosen.seed * 1000 + n)
            )
            for n in range(chosen.homes)
        ]
        shares = [len(range(n, chosen.kills, chosen.homes)) for n in range(chosen.homes)]
        told = [lambda line, n=n: print(f"home {n + 1}: {line}", flush=True) for n in range(chosen.homes)]
        list(pool.map(Harness.run, harnesses, shares, told))
    met = sum((one.met for one in harnesses), Counter())
    faults = {name: sum(one.found[name] for one in harnesses) for name in harnesses[0].found}
    record("crash", {
        "kills": chosen.kills, "homes": chosen.homes, "met_under_way": dict(met), "parts": chosen.parts,
        "protected": not chosen.unprotected, "jobs": sum(len(one.jobs) for one in harnesses),
        "records": sum(len(one.records) for one in harnesses),
        "crashes_counted": sum(one.crashes for one in harnesses),
        "turn_s": round(max(one.turn_s for one in harnesses), 1), **faults,
        "seconds": round(time.perf_counter() - begun),
    })  # fmt: skip
    sys.exit(1 if any(faults.values()) else 0)


if __name__ == "__main__":
    main()
