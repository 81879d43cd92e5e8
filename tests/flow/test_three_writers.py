"""Three processes on one SQLite file; ten minutes of it are ``make bench NAME=store``."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "benchmarks" / "bench_store.py"


@pytest.mark.real
@pytest.mark.fault(5)
def test_ten_seconds_of_three_writers_lose_nothing_and_show_no_lock() -> None:
    """Nothing is corrupt, every acknowledged commit is there, nobody sees an error, and nobody is starved."""
    done = subprocess.run(
        [sys.executable, str(BENCH), "--seconds", "10"],
        capture_output=True, text=True, timeout=300, check=False, env={**os.environ, "CI": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert told["broken"] == []
    assert told["visible_errors"] == 0
    assert told["commits"] >= 100
    assert min(told["by_role"].values()) >= told["commits"] / 10
