"""The lease of a job that is done in this process is kept whatever goes wrong once."""

import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from loraloop.jobs import Lease
from loraloop.schedule.heartbeat import Heartbeat
from loraloop.schedule.jobs_config import JobsConfig


def test_a_beat_that_fails_unforeseen_is_told_by_its_type_and_the_next_one_comes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The thread lives on, so that a wish to stop is heard."""
    beats, stopped = [], threading.Event()

    class Leases:
        def beat(self, *_: Any, **told: Any) -> Any:
            """The first one fails, the second brings a wish."""
            beats.append(told)
            if len(beats) == 1:
                raise RuntimeError("what a child said")
            return SimpleNamespace(wish="cancel")

    beat = Heartbeat(cast("Any", Leases()), Lease("job-1", 1), JobsConfig(heartbeat_s=0.05), stopped.set)
    with beat.beating():
        assert stopped.wait(5)
    assert "job job-1: no heartbeat: RuntimeError" in caplog.text
    assert "what a child said" not in caplog.text
