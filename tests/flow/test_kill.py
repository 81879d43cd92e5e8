"""SIGKILL in the middle of a turn."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "benchmarks" / "bench_kill.py"


@pytest.mark.fault(1)
@pytest.mark.fault(35)
@pytest.mark.fault(53)
@pytest.mark.real
def test_ten_kills_of_a_turn_break_nothing() -> None:
    """After each of 10 kills doctor finds nothing, no process is left over, and the next turn finishes."""
    done = subprocess.run(
        [sys.executable, str(BENCH), "--kills", "10"],
        capture_output=True, text=True, timeout=2400, check=False, env={**os.environ, "CI": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert told["kills"] == 10
    assert told["killed_in_time"] >= 8
    assert told["broken"] == 0
