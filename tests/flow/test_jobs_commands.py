"""The commands of jobs, workers and services."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loraloop.cli.main import main
from loraloop.cli.service import unit, verified
from loraloop.job_running import hosted_worker
from loraloop.jobs import NewJob
from loraloop.processes import identity, is_gone
from loraloop.wiring import init_home, open_home

Told = Callable[..., tuple[int, Any]]


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A home whose base is never loaded."""
    return init_home(tmp_path / "home", base__model=str(tmp_path / "no-base"))


@pytest.fixture
def told(bare: Path, capsys: pytest.CaptureFixture[str]) -> Told:
    """Runs one command with --json: its exit code, and what it answered."""

    def run(*words: str) -> tuple[int, Any]:
        with pytest.raises(SystemExit) as ended:
            main(["--home", str(bare), *words, "--json"])
        return int(ended.value.code or 0), json.loads(capsys.readouterr().out)

    return run


def enqueued(home: Path, **more: Any) -> str:
    """The id of a new job."""
    with open_home(home) as opened:
        return opened.store.jobs.add(NewJob("default", **more)).id


@pytest.mark.slow
def test_jobs_are_listed_shown_and_asked(bare: Path, told: Told) -> None:
    """Each command tells the job as it stands afterwards; what cannot be is refused with the usual exit code."""
    id = enqueued(bare, name="mine")
    assert [job["id"] for job in told("jobs", "list")[1]["jobs"]] == [id]
    for command, status in (("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled"), ("retry", "queued")):
        code, found = told("jobs", command, id, "--actor", "kim")
        assert (code, found["job"]["status"]) == (0, status)
    assert told("jobs", "resume", id)[0] == 2
    assert told("jobs", "show", "job-x")[0] == 2
    shown = told("jobs", "show", id)[1]
    assert [event["facts"].get("wish") for event in shown["events"]] == [None, "pause", "resume", "cancel", "retry"]
    assert {event["facts"]["actor"] for event in shown["events"][1:]} == {"kim"}


@pytest.mark.slow
def test_a_job_that_stands_aside_for_users_is_shown_as_such(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the list while it does, and for how long it did when it is shown."""
    id = enqueued(bare)
    with open_home(bare) as home:
        lease = home.store.leases.take(identity(os.getpid()), 1000.0)
        assert lease is not None
        home.store.leases.beat(lease, 1000.0, stage="train", yielding=1, yielded_s=12.4)
    for words, said in (("list", "stands aside"), (f"show {id}", "stood aside for users for 12 s")):
        with pytest.raises(SystemExit):
            main(["--home", str(bare), "jobs", *words.split()])
        assert said in " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_jobs_are_told_to_people_in_their_language(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table in English, and the same in Korean."""
    enqueued(bare, name="mine")
    for language, word in (("en", "waiting"), ("ko", "대기")):
        with pytest.raises(SystemExit):
            main(["--home", str(bare), "--lang", language, "jobs", "list"])
        assert word in capsys.readouterr().out


def worker(home: Path, *words: str) -> "subprocess.Popen[str]":
    """A worker as a user starts it."""
    command = [sys.executable, "-P", "-m", "loraloop", "--home", str(home), "worker", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ})


@pytest.mark.real
def test_a_worker_does_what_waits_and_ends_by_sigterm(bare: Path) -> None:
    """A job for which there is nothing to learn from ends with that reason; TERM ends a worker that waits."""
    id = enqueued(bare, max_errors=1)
    with worker(bare, "--until-idle", "--json") as once:
        out, _ = once.communicate(timeout=300)
    assert (once.returncode, json.loads(out)["tries"]) == (0, 1)
    with open_home(bare) as home:
        job = home.store.jobs.get(id)
    assert job is not None
    assert (job.status, job.errors, job.error.partition(":")[0]) == ("failed", 1, "NotEnoughData")
    with worker(bare) as standing:
        assert standing.stderr is not None
        assert "until stopped" in standing.stderr.readline()
        standing.send_signal(signal.SIGTERM)
        standing.communicate(timeout=120)
    assert standing.returncode == 0


@pytest.mark.real
def test_a_gateway_can_host_a_worker(bare: Path) -> None:
    """A job is done in a process beside this one; a worker that dies is started again, and goes with its host."""
    with open_home(bare) as home:

        def tried(id: str) -> str:
            end = time.monotonic() + 300
            while (job := home.store.jobs.get(id)) and job.status != "failed" and time.monotonic() < end:
                if job.owner:
                    owners.append(job.owner)
                time.sleep(0.02)
            return job.status if job else ""

        owners: list[str] = []
        with hosted_worker(home):
            assert tried(enqueued(bare, max_errors=1)) == "failed"
            os.kill(int(owners[-1].split()[1]), signal.SIGKILL)
            assert tried(enqueued(bare, max_errors=1)) == "failed"
        assert len(set(owners)) == 2
        assert all(map(is_gone, owners))
        assert identity(os.getpid()) not in owners


@pytest.mark.slow
def test_a_service_is_written_with_limits_and_only_when_it_is_asked(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--dry-run prints the unit and writes nothing; without it the user's unit folder has it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    code, dry = told("service", "install", "--dry-run", "--memory-gb", "4")
    path = tmp_path / "config" / "systemd" / "user" / "loraloop-worker.service"
    assert (code, dry["written"], path.exists()) == (0, False, False)
    for line in ("MemoryMax=4096M", "Nice=10", "KillMode=mixed", "Restart=on-failure", "NoNewPrivileges=yes",
                 "StartLimitIntervalSec=0"):  # fmt: skip
        assert line in dry["unit"].splitlines()
    assert told("service", "install", "--kind", "serve")[1]["written"]
    assert "CPUWeight=200" in path.with_name("loraloop-serve.service").read_text()
    assert told("service", "install", "--kind", "nothing")[0] == 2


@pytest.mark.slow
def test_numbers_that_no_calendar_and_no_machine_has_are_a_mistake_and_no_fault_of_the_program(told: Told) -> None:
    """Infinity, or more days than there are dates: the option is named, nothing is done."""
    for days in ("inf", "1e300", "5000000", "nan", "-1"):
        code, said = told("data", "prune", "--dry-run", "--days", days)
        assert (code, "--days" in said["error"]) == (2, True), (days, said)
    code, said = told("service", "install", "--dry-run", "--memory-gb", "inf")
    assert (code, "--memory-gb" in said["error"]) == (2, True)


@pytest.mark.parametrize("kind", ["serve", "worker", "run"])
@pytest.mark.parametrize("system", [True, False])
def test_systemd_takes_every_unit(kind: str, system: bool) -> None:
    """A home whose path has a space, a percent and a dollar sign is named so that systemd reads it back."""
    text = unit(kind, Path("/srv/my home/50% of $x"), ["/usr/bin/python3"], system=system)
    assert '"/srv/my home/50%% of $$x"' in text
    if shutil.which("systemd-analyze") is not None:
        assert verified(text, f"loraloop-{kind}.service") == ""
        assert verified(text.replace("[Service]", "[Service"), f"loraloop-{kind}.service") != ""
