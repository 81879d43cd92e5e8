"""The process of a job whose parts compute nothing: ``python -m loraloop.testing.canned_job``, for tests of workers."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..controller import Loop
from ..errors import EvaluationError
from ..jobs import Lease
from ..lm.child import child_main, run_child
from ..processes import identity
from ..stages import Stages
from ..store.artifacts import LocalArtifacts
from ..store.sql import open_store
from .clock import MovedClock
from .parts import CannedParts

MODULE = "loraloop.testing.canned_job"


def canned_run(
    location: str, folder: Path, plan: Callable[[Lease], Mapping[str, Any]] = lambda lease: {}
) -> Callable[..., None]:
    """Return what a worker is given to have a job done by this module.

    Args:
        location: of the store. folder: for adapters and ``done.log``, in which each step that is begun has a line.
        plan: what befalls the holder of a lease: ``stage_s`` (seconds each step takes), and the step at which it should
            ``die``, ``hang`` (deaf to TERM) or ``fail``; ``unfenced`` lets it write without its lease.
    """

    def run(lease: Lease, started: Callable[[str], None], hear: Callable[[Mapping[str, Any]], None]) -> None:
        spec = {"location": location, "folder": str(folder), "lease": dict(lease), "plan": dict(plan(lease))}
        run_child(MODULE, spec, hear, on_start=lambda pid: started(identity(pid)))

    return run


def work(spec: dict[str, Any], say: Callable[..., None]) -> dict[str, Any]:
    """Do what is left of the job, as planned."""
    plan, folder, lease = spec["plan"], Path(spec["folder"]), Lease(**spec["lease"])
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    store = open_store(spec["location"])
    job = store.jobs.get(lease.job_id)
    if job is None:
        raise EvaluationError("the job is gone")

    def before(step: str) -> None:
        say("progress", stage=step, done=1, total=1)
        with (folder / "done.log").open("a", encoding="utf-8") as file:
            file.write(f"{lease.job_id} {lease.fence} {step}\n")
        if plan.get("hang") == step:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(3600)
        if plan.get("die") == step:
            os.kill(os.getpid(), signal.SIGKILL)
        if plan.get("fail") == step:
            raise EvaluationError(f"no {step} today")
        time.sleep(float(plan.get("stage_s", 0)))

    artifacts = LocalArtifacts(folder)
    clock = MovedClock(datetime.now(UTC))
    canned = CannedParts(store, artifacts, folder / "adapters", clock, bot=job.bot, before=before)
    stages = Stages(
        Loop(canned.parts(), store, artifacts, bot=job.bot, clock=clock),
        store,
        job,
        lambda stage, facts: store.leases.record(lease, stage, facts),
        undo=lambda stage: store.leases.undo(lease, stage),
    )
    try:
        if plan.get("unfenced"):
            stages.record = lambda stage, facts: facts
            return {"verdict": stages.run().decision.verdict}
        with store.fenced(lease):
            return {"verdict": stages.run().decision.verdict}
    finally:
        store.close()


if __name__ == "__main__":
    child_main(work)
