"""What happened, told with the change it tells."""

import json
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loraloop.errors import DataError
from loraloop.store.sql import SqlStore
from loraloop.testing.clock import START, MovedClock


def test_an_event_has_the_clocks_time(store: SqlStore, clock: MovedClock) -> None:
    """Time comes from the clock that the store was opened with, as UTC text whose order is that of time."""
    store.events.append("b", "First", "kim", {})
    clock.move(hours=1)
    store.events.append("b", "Second", "kim", {})
    second, first = store.events.tail("b")
    assert (first["at"], second["at"]) == (START.isoformat(timespec="microseconds"),
                                           (START + timedelta(hours=1)).isoformat(timespec="microseconds"))  # fmt: skip
    assert second["at"] > first["at"]
    assert set(first) == {"id", "bot", "kind", "actor", "at", "facts"}


def test_events_of_bots_are_told_apart(store: SqlStore) -> None:
    """Each bot's tail is its own, newest first, and cut at the limit."""
    for number in range(6):
        store.events.append("ab"[number % 2], f"Kind{number}", "kim", {"n": number})
    assert [event["kind"] for event in store.events.tail("a")] == ["Kind4", "Kind2", "Kind0"]
    assert [event["kind"] for event in store.events.tail("b", 2)] == ["Kind5", "Kind3"]
    assert store.events.tail("b", 0) == []
    assert store.events.tail("c") == []


def test_what_is_undone_was_never_told(store: SqlStore) -> None:
    """An event written within a transaction that fails is not there."""

    def half() -> None:
        with store._database.write() as connection:
            store.events.within(connection, "b", "Half", "kim", {})
            raise ValueError("undone")

    with pytest.raises(ValueError, match="undone"):
        half()
    assert store.events.tail("b") == []


def test_facts_come_back_as_plain_data(store: SqlStore) -> None:
    """Any JSON comes back equal; what JSON cannot say, such as a time, comes back as its text."""

    @settings(max_examples=20, deadline=None)
    @given(st.dictionaries(st.text("ab밥"), st.integers() | st.text("x\"'\\밥") | st.lists(st.booleans()), max_size=3))
    def check(facts: dict[str, object]) -> None:
        store.events.append("b", "Kind", "운영자", facts)
        told = store.events.tail("b", 1)[0]
        assert (told["facts"], told["actor"]) == (facts, "운영자")

    check()
    store.events.append("b", "Kind", "kim", {"at": START})
    assert json.loads(json.dumps(store.events.tail("b", 1)[0]["facts"])) == {"at": str(START)}


def test_facts_that_cannot_be_kept_are_refused(store: SqlStore) -> None:
    """A NUL byte in a fact is an error before anything is written."""
    with pytest.raises(DataError, match="NUL"):
        store.events.append("b", "Kind", "kim", {"x": "a\x00"})
    assert store.events.tail("b") == []
