"""SIGKILL at write-like system calls, a sample of them: all of them are ``make bench NAME=sweep``."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "benchmarks" / "bench_sweep.py"
EACH = 10


@pytest.mark.real
@pytest.mark.fault(2)
@pytest.mark.fault(13)
@pytest.mark.fault(19)
@pytest.mark.fault(40)
def test_eighty_kills_at_system_calls_break_nothing() -> None:
    """Ten calls of each of eight operations, evenly spread: doctor finds nothing, nothing acknowledged is lost."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed (Debian: apt-get install strace)")
    done = subprocess.run(
        [sys.executable, str(BENCH), "--each", str(EACH)],
        capture_output=True, text=True, timeout=1200, check=False, env={**os.environ, "CI": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert told["broken_count"] == 0
    assert len(told["operations"]) == 8
    assert all(one["tried"] == EACH and one["killed"] >= EACH - 2 for one in told["operations"].values()), told
