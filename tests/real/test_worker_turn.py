"""A whole turn as a job, done by a worker in real processes that train, and killed in between."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from loraloop.jobs import STAGES, NewJob
from loraloop.store.sql import SqlStore
from loraloop.types import Conversation, message, utc
from loraloop.wiring import init_home, open_home

pytestmark = pytest.mark.real

SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "or", "il")]


def talk(number: int) -> Conversation:
    """A small talk of words of its own."""
    drawn = random.Random(number)
    words = ["".join(drawn.choices(SYLLABLES, k=3)) for _ in range(10)]
    said = (message("user", " ".join(words[:5]) + "?"), message("assistant", " ".join(words[5:]) + ".", "review"))
    at = utc("2026-01-01T00:00:00")
    assert at is not None
    return Conversation(f"cv-{number:016x}", "default", said, at, "chat", "granted", user=f"person-{number}")


def killed_in_training(store: SqlStore, job_id: str) -> None:
    """Kill the process of a job once its training has left a checkpoint behind."""
    end = time.monotonic() + 600
    while time.monotonic() < end:
        job = store.jobs.get(job_id)
        assert job is not None
        if job.stage == "train" and job.steps >= 4:
            os.kill(int(job.process.split()[1]), signal.SIGKILL)
            return
        assert job.status in ("queued", "running"), job.error
        time.sleep(0.01)
    raise AssertionError("the training never began")


def test_a_turn_that_is_killed_while_it_trains_goes_on_from_its_checkpoint(tmp_path: Path, tiny_base: Path) -> None:
    """The worker counts one crash, the training resumes, and the turn ends with all its stages and one adapter."""
    folder = init_home(
        tmp_path / "home", base__model=str(tiny_base), train__save_steps=1, train__epochs=8, train__batch_size=4,
        train__max_tokens=0, jobs__heartbeat_s=0.05, evaluate__max_new_tokens=4, train__patience=1000,
    )  # fmt: skip
    with open_home(folder) as home:
        home.store.conversations.add([talk(number) for number in range(60)])
        id = home.store.jobs.add(NewJob("default", name="mine", actor="kim")).id
        command = [sys.executable, "-P", "-m", "loraloop", "--home", str(folder), "worker", "--until-idle"]
        with subprocess.Popen(command) as worker:
            killed_in_training(home.store, id)
            assert worker.wait(1200) == 0
        job = home.store.jobs.get(id)
        assert job is not None
        assert (job.status, job.crashes, job.errors, tuple(job.stages)) == ("succeeded", 1, 0, STAGES)
        (adapter,) = home.store.adapters.list("default")
        assert (adapter.name, adapter.id) == ("mine", job.stages["train"]["adapter_id"])
        assert adapter.metrics["resumed_from_step"] >= 1
        decision = home.store.decisions.get(job.stages["gate"]["decision_id"])
        assert decision is not None
        assert decision.actor == "kim"
        assert (job.stages["deploy"]["release_id"] is not None) == (decision.verdict == "promote")
