"""The lease of a job that is done in this process is kept whatever goes wrong once."""

import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from loraloop.errors import StoreBusy
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


def test_seconds_that_a_heartbeat_could_not_tell_are_told_with_the_next() -> None:
    """Each second that the job stood aside reaches the store once."""
    told: list[dict[str, Any]] = []

    class Leases:
        def beat(self, *_: Any, **facts: Any) -> Any:
            """The store is busy the first time."""
            told.append(facts)
            if len(told) == 1:
                raise StoreBusy("the database is locked")
            return SimpleNamespace(wish="")

    beat = Heartbeat(cast("Any", Leases()), Lease("job-1", 1), JobsConfig(), lambda: None)
    beat.enter("collect")
    beat.aside.hear(True, 2.0)
    beat.enter("train")
    beat.aside.hear(False, 0.5)
    beat.enter("evaluate")
    aside = [(one.get("yielding"), one.get("yielded_s")) for one in told]
    assert aside == [(None, None), (1, 2.0), (0, 0.5)]
