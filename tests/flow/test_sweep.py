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
@pytest.mark.fault(9)
def test_a_commit_whose_fsync_fails_is_not_acknowledged(tmp_path: Path, tiny_base: Path) -> None:
    """The disk says that nothing is durable: the capture ends in an error, and the home is whole without it."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed (Debian: apt-get install strace)")
    sys.path.append(str(BENCH.parent))
    import bench_sweep
    import crash_operations

    home = crash_operations.prepare(tmp_path / "home", tiny_base)
    with crash_operations.serving() as server:
        inject = ["-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO"]
        pid = server.fork("capture", home)
        strace = bench_sweep.attach(pid, [*inject, "-o", str(tmp_path / "log")])
        status, acknowledged, error = server.finish()
        strace.communicate(timeout=20)
    assert "EIO" in (tmp_path / "log").read_text()
    assert (status, acknowledged) == (1, []), error
    assert "StoreError" in error
    assert crash_operations.broken_after("capture", home, acknowledged) == []


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
    assert all(one["tried"] == EACH and one["killed"] >= EACH - 1 for one in told["operations"].values()), told
