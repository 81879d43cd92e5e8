"""How many rows are new."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraloop.schedule.counting import new_row_count

COUNTS = st.integers(0, 1000)


@given(COUNTS, COUNTS, COUNTS)
def test_rows_that_come_after_others_were_erased_are_new(seen: int, left: int, came: int) -> None:
    """However many are left of those seen, exactly the ones that came since are new, and never fewer than none."""
    new, still_seen = new_row_count(lambda: left, None, seen)
    assert new == max(0, left - seen)
    assert still_seen == min(left, seen)
    assert new_row_count(lambda: left + came, None, still_seen)[0] == new + came


def test_where_nothing_counts_all_that_is_collected_is_new() -> None:
    """A collector's rows are the new ones; a counter goes before it; without either nobody knows."""
    assert new_row_count(None, lambda: ["a", "b"], 5) == (2, 5)
    assert new_row_count(lambda: 9, lambda: ["a", "b"], 5) == (4, 5)
    assert new_row_count(None, None, 5) == (None, 5)


@pytest.mark.parametrize("counter", [True, False])
def test_a_count_that_fails_is_unknown_and_logged(counter: bool, caplog: pytest.LogCaptureFixture) -> None:
    """The schedule goes on, what counts as seen stays, and the log says that no run starts until it can be counted."""

    def broken() -> int:
        raise OSError("the database is away")

    with caplog.at_level(logging.ERROR):
        assert new_row_count(broken if counter else None, broken, 5) == (None, 5)
    assert "could not be counted" in caplog.text
    assert "OSError" in caplog.text


def test_a_collector_that_gives_no_list_is_unknown(caplog: pytest.LogCaptureFixture) -> None:
    """What is neither a list nor a number is no count."""
    assert new_row_count(None, lambda: object(), 5) == (None, 5)
    assert "not a list" in caplog.text
