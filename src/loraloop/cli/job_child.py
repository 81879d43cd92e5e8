"""The process of one job: ``python -m loraloop.cli.job_child``, spoken to by a worker only."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from ..jobs import Lease
from ..lm.child import child_main
from .session import log_to_file

STOPPED = 143


def work(spec: dict[str, Any], say: Callable[..., None]) -> dict[str, Any]:
    """Do what is left of the job that the spec names the lease of."""
    from ..job_running import do_leased
    from ..schedule.worker import YIELDING
    from ..wiring import open_home

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.exit(STOPPED)  # the training child below is asked to keep a checkpoint on the way out

    signal.signal(signal.SIGTERM, stop)
    say("stage", stage="opening", done=0, total=0)
    with open_home(Path(spec["home"]), bot=spec["bot"]) as home:
        log_to_file(home.folder)
        home.yielding.hear = lambda stands, seconds: say(YIELDING, stands=stands, seconds=seconds)
        result = do_leased(
            home,
            Lease(**spec["lease"]),
            lambda stage, done, total, **facts: say("progress", stage=stage, done=done, total=total),
            lambda stage: say("stage", stage=stage, done=0, total=0),
        )
    return {"verdict": result.decision.verdict}


if __name__ == "__main__":
    child_main(work)
