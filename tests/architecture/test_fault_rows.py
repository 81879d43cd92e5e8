"""Every fault of the list has a test that provokes it, or a written reason."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
WANTED = 69
ALL_ROWS = range(1, 111)


@pytest.fixture(scope="module")
def faults() -> Any:
    """``docs/faults.py``, which writes the page."""
    spec = importlib.util.spec_from_file_location("faults", ROOT / "docs" / "faults.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_fault_is_automated_or_has_a_reason(faults: Any) -> None:
    """At least 69 of 72 are automated; none has neither a test nor a reason, and none has both."""
    automated = set(faults.tests_by_row()) & set(faults.ROWS)
    assert set(faults.ROWS) == set(range(1, 73))
    assert len(automated) >= WANTED
    assert set(faults.ROWS) - automated == set(faults.REASONS)


def test_no_test_names_a_fault_that_there_is_not(faults: Any) -> None:
    """A number beyond the list is a slip."""
    assert set(faults.tests_by_row()) <= set(ALL_ROWS)
