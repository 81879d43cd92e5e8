"""How often the gate errs, by simulation; the whole one is ``make bench NAME=gate``."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.real

BENCH = Path(__file__).parents[2] / "benchmarks" / "bench_gate.py"


def test_equal_adapters_are_seldom_promoted_and_better_ones_mostly() -> None:
    """Of 300 pairs of equals hardly any is promoted, where the old rule promotes one in five; better ones are."""
    environment = {**os.environ, "CI": "1", "PYTHONPATH": str(BENCH.parents[1] / "src")}
    out = subprocess.run(
        [sys.executable, str(BENCH), "--turns", "300"],
        capture_output=True, text=True, env=environment, timeout=300, check=False,
    )  # fmt: skip
    assert out.returncode == 0, out.stdout + out.stderr
    found = json.loads(out.stdout.splitlines()[-1])
    assert found["null"]["promote"] <= 0.05
    assert found["null"]["old_rule_promotes"] >= 0.15
    assert found["better"]["promote"] >= 0.75
    assert found["null"]["rows_looked_at_of_fixed_test"] <= 0.7
    assert found["better"]["rows_looked_at_of_fixed_test"] <= 0.8
