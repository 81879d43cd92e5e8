"""Workers are killed and stopped past their lease over whole turns."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "benchmarks" / "bench_crash.py"


def crashed(*words: str) -> tuple[int, dict[str, int]]:
    """What the benchmark says: its exit status and its last line."""
    command = [sys.executable, str(BENCH), *words]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=2400, check=False, env={**os.environ, "CI": "1"}
    )
    assert done.stdout.strip(), done.stderr[-3000:]
    assert done.returncode in (0, 1), done.stdout[-3000:] + done.stderr[-3000:]
    return done.returncode, json.loads(done.stdout.strip().splitlines()[-1])


@pytest.mark.real
def test_ten_kills_of_workers_lose_and_double_nothing() -> None:
    """Every acknowledged record is there, and every job has its end and its one release."""
    code, told = crashed("--kills", "10")
    assert (code, told["kills"]) == (0, 10)
    assert (told["records_lost"], told["jobs_lost"], told["jobs_doubled"]) == (0, 0, 0)
    assert told["crashes_counted"] >= 5


@pytest.mark.real
def test_without_fences_the_same_blows_have_jobs_done_twice() -> None:
    """The harness sees what it looks for: whoever wakes after its lease releases again where nothing forbids it."""
    code, told = crashed("--unprotected", "--kills", "4")
    assert code == 1
    assert told["jobs_doubled"] >= 1
