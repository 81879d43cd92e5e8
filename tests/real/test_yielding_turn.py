"""A whole turn beside a gateway that answers users: it stands aside for them and ends as if nobody had asked."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from test_worker_turn import talk

from loraloop.jobs import Job, NewJob
from loraloop.processes import descendants, identity, is_gone, is_stopped
from loraloop.serving_sign import ServingSign
from loraloop.wiring import Home, init_home, open_home

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(sys.platform != "linux", reason="children stand still on Linux only"),
]

LEASE_S = 2.0


@contextmanager
def running(folder: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command of ours in a process of its own."""
    command = [sys.executable, "-P", "-m", "loraloop", "--home", str(folder), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.terminate()


def wait(until: Any, seconds: float = 900) -> Any:
    """What something returns once that is true."""
    end = time.monotonic() + seconds
    while not (found := until()):
        assert time.monotonic() < end
        time.sleep(0.005)
    return found


def job_of(home: Home, id: str) -> Job:
    """A job as it stands."""
    job = home.store.jobs.get(id)
    assert job is not None
    return job


def trainer_of(job: Job) -> str:
    """The identity of the process that trains for a job; empty before there is one."""
    return next(iter(descendants(int(job.process.split()[1]))), "") if job.process else ""


@pytest.fixture
def homes(tmp_path: Path, tiny_base: Path) -> tuple[Path, Path]:
    """Two homes that are the same to the byte, with conversations to learn from."""
    folder = init_home(
        tmp_path / "home", base__model=str(tiny_base), train__epochs=8, train__batch_size=4, train__max_tokens=0,
        train__threads=1, train__patience=1000, evaluate__max_new_tokens=4, jobs__heartbeat_s=0.1,
        jobs__lease_s=LEASE_S, yielding__quiet_s=0.3,
    )  # fmt: skip
    with open_home(folder) as home:
        home.store.conversations.add([talk(number) for number in range(60)])
    return folder, Path(shutil.copytree(folder, tmp_path / "undisturbed"))


def ask(url: str, key: str) -> None:
    """Ask the gateway something."""
    body = {"model": "live", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 64}
    said = httpx2.post(f"{url}/chat/completions", json=body, headers={"authorization": f"Bearer {key}"}, timeout=60)
    assert said.status_code == 200, said.text


def test_a_training_stands_aside_for_a_user_and_ends_in_the_same_bytes(homes: tuple[Path, Path]) -> None:
    """It is stopped by a request, keeps its lease for longer than that lasts unkept, and its adapter is the same."""
    folder, undisturbed = homes
    with open_home(folder) as home, running(folder, "serve", "--port", "0", "--worker", "--json") as gateway:
        assert gateway.stdout is not None
        told = json.loads(gateway.stdout.readline())
        job_id = home.store.jobs.add(NewJob("default", name="mine")).id
        wait(lambda: job_of(home, job_id).stage == "train" and job_of(home, job_id).steps >= 2)
        trainer = trainer_of(job_of(home, job_id))
        for _ in range(20):  # an answer of the tiny model can be over before anybody looks
            ask(told["url"], told["first_key"])
            if is_stopped(trainer):  # for the quiet time after the answer
                break
        else:
            raise AssertionError("the training goes on while users are answered")
        wait(lambda: not is_stopped(trainer), 10)
        sign = ServingSign(folder)  # another gateway of the home, whose users ask for longer than a lease lasts
        with sign.shown(), sign.answering():
            begin = time.monotonic()
            wait(lambda: is_stopped(trainer), 10)
            stopped_after_s = time.monotonic() - begin
            steps = wait(lambda: job_of(home, job_id).yielding and job_of(home, job_id)).steps
            time.sleep(2 * LEASE_S)
            held = job_of(home, job_id)
            assert is_stopped(trainer)
            assert (held.status, held.fence, held.crashes, held.steps - steps <= 1) == ("running", 1, 0, True)
        job = wait(lambda: job_of(home, job_id).finished_at and job_of(home, job_id))
        assert stopped_after_s < 0.5
        assert (job.status, job.fence, job.crashes, job.errors, job.yielding) == ("succeeded", 1, 0, 0, False)
        assert job.yielded_s > 2 * LEASE_S
        (adapter,) = home.store.adapters.list("default")
        metrics = httpx2.get(
            told["url"].removesuffix("/v1") + "/metrics", headers={"authorization": f"Bearer {told['first_key']}"}
        )
        assert "loraloop_jobs_yielded_seconds" in metrics.text
    with open_home(undisturbed) as home:
        other_id = home.store.jobs.add(NewJob("default", name="mine")).id
        with running(undisturbed, "worker", "--until-idle") as worker:
            assert worker.wait(600) == 0
        assert job_of(home, other_id).yielded_s == 0
        (other,) = home.store.adapters.list("default")
    assert adapter.digest == other.digest


def test_a_job_that_stands_aside_can_be_cancelled_and_leaves_nothing_behind(homes: tuple[Path, Path]) -> None:
    """A training that a separate worker holds, stopped for users: cancelled, its processes are gone."""
    folder, _ = homes
    sign = ServingSign(folder)
    with open_home(folder) as home, running(folder, "worker", "--until-idle") as worker, sign.shown():
        job_id = home.store.jobs.add(NewJob("default")).id
        wait(lambda: job_of(home, job_id).stage == "train" and job_of(home, job_id).steps >= 1)
        trainer = trainer_of(job_of(home, job_id))
        with sign.answering():
            wait(lambda: is_stopped(trainer), 10)
            home.store.jobs.ask(job_id, "cancel", "kim")
            wait(lambda: job_of(home, job_id).status == "cancelled", 60)
        assert is_gone(trainer)
        assert worker.wait(60) == 0
        assert identity(worker.pid) == ""
