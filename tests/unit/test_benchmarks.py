"""Benchmarks whose small form is a test: the same code, fewer days."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def bench_year(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The benchmark's module."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    described = importlib.util.spec_from_file_location("bench_year", BENCHMARKS / "bench_year.py")
    assert described is not None
    assert described.loader is not None
    module = importlib.util.module_from_spec(described)
    monkeypatch.setitem(sys.modules, "bench_year", module)
    described.loader.exec_module(module)
    return module


@pytest.mark.fault(49)
@pytest.mark.slow
def test_four_days_round_summer_time_are_without_fault(bench_year: Any) -> None:
    """With outages, clock jumps and the hour that is left out, it runs when the oracle says, and only then."""
    found = bench_year.year("Europe/Berlin", 3, 4, bench_year.BEGIN.replace(month=3, day=27), came=1)
    assert found["faults"] == 0, found["first_faults"]
    assert found["runs"] >= 3
    assert found["decisions_explained"] >= 20


@pytest.mark.slow
def test_the_oracle_notices_a_schedule_that_is_wrong(bench_year: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the scheduler takes the hours for those of another zone, two days are full of faults."""
    config = bench_year.SchedulerConfig
    monkeypatch.setattr(bench_year, "SchedulerConfig", lambda **given: config(**(given | {"time_zone": "UTC"})))
    assert bench_year.year("Asia/Seoul", 0, 2, came=1)["faults"] > 0
