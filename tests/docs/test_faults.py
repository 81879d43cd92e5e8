"""The page of faults: each row has a test that stands where the page says, and no mark leads nowhere."""

from types import ModuleType


def test_each_fault_of_serving_has_a_test(generate: ModuleType) -> None:
    """Rows 55 to 72 are all proven by something, and every mark of that range is a row."""
    faults = generate.beside("faults")
    marked = faults.marked()
    assert set(range(55, 73)) <= set(faults.ROWS)
    assert [number for number in faults.ROWS if not marked.get(number)] == []
    assert [number for number in marked if 55 <= number <= 72 and number not in faults.ROWS] == []
