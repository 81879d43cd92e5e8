"""Workers killed and stopped past their lease over whole turns: no acknowledged record lost, no job lost or doubled."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recording import record

os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", OMP_NUM_THREADS="1")

KINDS = ("kill worker", "kill job", "stop")
"""SIGKILL to the worker, SIGKILL to the process of its job, SIGSTOP to both until long after the lease."""
LEASE_S, BEAT_S = 3.0, 0.2
STAGE_S = 0.5
"""Seconds that each stage of a turn takes at least, where its parts compute nothing."""
LONGEST_S = 900.0


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

        def any_holder(self: Any, connection: Any, lease: Lease) -> Job:
            row = connection.execute(leases._J.select().where(leases._J.c.id == lease.job_id)).mappings().one()
            return leases.job_of(row)

        leases.Leases.within = any_holder  # type: ignore[method-assign]
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
    """

    home: Path
    protected: bool
    tiny: bool
    drawn: random.Random
    records: list[str] = field(default_factory=list)
    jobs: dict[str, str] = field(default_factory=dict)

    def start(self, *more: str) -> subprocess.Popen[bytes]:
        """A worker in a process of its own."""
        words = [str(self.home), "tiny" if self.tiny else "canned", "on" if self.protected else "off", *more]
        with (self.home / "workers.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, __file__, "--worker", *words], stderr=log, stdout=log, start_new_session=True
            )

    def enqueue(self, store: Any) -> str:
        """Write records and a job that learns from them; what returned is in the ledger."""
        from loraloop.jobs import NewJob
        from loraloop.types import Conversation, message, utc

        at = utc("2026-01-01T00:00:00")
        assert at is not None
        number = len(self.records)
        made = [self.said(number + n) for n in range(24 if self.tiny else 1)]
        store.conversations.add([
            Conversation(id, "default", (message("user", asked), message("assistant", answer, "review")), at, "chat",
                         "granted", user=f"person-{id}") for id, asked, answer in made
        ])  # fmt: skip
        self.records += [id for id, _, _ in made]
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

    def strike(self, store: Any, kind: str, turn_s: float) -> bool:
        """One job, and one blow to whoever does it; returns whether the blow met it under way."""
        from loraloop.jobs import STAGES
        from loraloop.processes import descendants, end_tree, identity, is_gone

        job_id = self.enqueue(store)
        first = self.start()
        self.until(lambda: store.jobs.get(job_id).process not in ("", store.jobs.get(job_id).owner))
        if (
            kind == "stop"
        ):  # in a stage: what is stopped while it starts has nothing to do afterwards, fence or no fence
            self.until(lambda: store.jobs.get(job_id).stage in STAGES)
            # Later, a successor finds what the stopped one made, and takes it: without fences that hides the fault.
            turn_s = (len(STAGES) if self.protected else 2) * STAGE_S
        time.sleep(self.drawn.random() * turn_s)
        tree = [identity(first.pid), *descendants(first.pid)]
        hit = store.jobs.get(job_id).status == "running"
        if kind == "kill job":
            for who in tree[1:]:
                self.send(who, signal.SIGKILL)
            self.until(lambda: store.jobs.get(job_id).status == "succeeded")
        elif kind == "kill worker":
            self.send(tree[0], signal.SIGKILL)
        else:
            self.stop(tree)
        if kind != "kill job":
            time.sleep(LEASE_S + 2 * BEAT_S)
            self.start("until-idle").wait(LONGEST_S)
            self.until(lambda: store.jobs.get(job_id).status == "succeeded")
        for who in tree:
            self.send(who, signal.SIGCONT)
        # A stale process gets all the time it wants to do harm, and ends by itself.
        self.until(lambda: all(map(is_gone, tree[1:])))
        time.sleep(2 * BEAT_S)
        end_tree(identity(first.pid), 5.0)
        first.wait(30)
        return hit

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
        unmade = [] if self.tiny else [actor for actor in self.jobs.values() if not made[actor]]
        return {
            "records_lost": sum(id not in known for id in self.records),
            "jobs_lost": len(lost) + len(unmade),
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
            time.sleep(0.02)


def prepared(folder: Path, tiny: bool) -> Path:
    """A home."""
    from loraloop.testing.tiny import tiny_base
    from loraloop.wiring import init_home

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
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--parts", choices=("canned", "tiny"), default="canned", help="tiny: train a tiny real model")
    options.add_argument("--unprotected", action="store_true", help="without fences: this must fail")
    options.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.worker:
        home, parts, protection, *more = chosen.worker
        worker(Path(home), protection == "on", "until-idle" in more, parts == "tiny")
        return
    from loraloop.wiring import open_home

    tiny, begun = chosen.parts == "tiny", time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        home = prepared(Path(name), tiny)
        harness = Harness(home, not chosen.unprotected, tiny, random.Random(chosen.seed))
        with open_home(home) as opened:
            first = harness.enqueue(opened.store)
            harness.start("until-idle").wait(LONGEST_S)
            job: Any = opened.store.jobs.get(first)
            turn_s = (job.finished_at - job.begun_at).total_seconds()
            print(f"an undisturbed turn takes {turn_s:.1f} s", flush=True)
            kinds = ("stop",) if chosen.unprotected else KINDS
            hits: Counter[str] = Counter()
            for number in range(chosen.kills):
                kind = kinds[number % len(kinds)]
                hits[kind] += harness.strike(opened.store, kind, turn_s)
                print(f"{number + 1}/{chosen.kills} {kind}: {json.dumps(harness.faults(opened.store))}", flush=True)
            faults = harness.faults(opened.store)
            crashes = sum(job.crashes for job in opened.store.jobs.list("default", limit=10**6))
    record("crash", {
        "kills": chosen.kills, "met_under_way": dict(hits), "parts": chosen.parts, "protected": not chosen.unprotected,
        "jobs": len(harness.jobs), "records": len(harness.records), "crashes_counted": crashes,
        "turn_s": round(turn_s, 1), **faults, "seconds": round(time.perf_counter() - begun),
    })  # fmt: skip
    sys.exit(1 if any(faults.values()) else 0)


if __name__ == "__main__":
    main()
