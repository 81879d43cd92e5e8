"""What the scheduler remembers, and how each thing that happens changes it."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraloop.errors import StoreError
from loraloop.schedule.jobs import Job
from loraloop.schedule.memory import SCHEMA_VERSION, Memory, MemoryKeeper, as_utc, memory_from, memory_plain
from loraloop.schedule.pipeline import Outcome
from loraloop.testing.clock import START
from loraloop.testing.state import KeptState

TIMES = st.none() | st.integers(-(10**6), 10**6).map(lambda seconds: START + timedelta(seconds=seconds))
COUNTS = st.integers(0, 10**6)
JOBS = st.builds(Job, COUNTS, st.text(), st.sampled_from(["manual", "automatic"]), st.text(), COUNTS, TIMES)
OUTCOMES = st.builds(Outcome, st.text(), st.sampled_from(["completed", "skipped", "failed"]), st.text())
MEMORIES = st.builds(
    Memory, TIMES, TIMES, COUNTS, COUNTS, COUNTS, COUNTS, st.lists(JOBS, max_size=3).map(tuple), COUNTS,
    st.none() | OUTCOMES,
)  # fmt: skip
LATER = START + timedelta(hours=2)


@given(MEMORIES)
def test_a_memory_comes_back_as_it_was(memory: Memory) -> None:
    """Written as JSON and read again, every time, job and outcome is equal."""
    assert memory_from(json.loads(json.dumps(memory_plain(memory)))) == memory


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["name", "jobs", "x"]), inner),
)


@given(JSON | st.dictionaries(st.sampled_from(["jobs", "last_run_at", "last_outcome", "what"]), JSON))
def test_what_is_no_memory_is_an_error_with_a_remedy(kept: Any) -> None:
    """Whatever else stands in its place is refused in words instead of being taken for a fresh start."""
    if isinstance(kept, dict):
        kept["schema_version"] = SCHEMA_VERSION
        kept["unheard_of"] = 1
    state = KeptState()
    state.write("scheduler", kept)
    if kept is None:  # nothing was ever kept
        assert MemoryKeeper(state, "scheduler").load() == Memory()
        return
    with pytest.raises(StoreError, match="scheduler") as caught:
        MemoryKeeper(state, "scheduler").load()
    assert "backup" in caught.value.hint


def test_another_version_of_the_memory_is_not_guessed_at() -> None:
    """A memory that a newer program wrote is left alone."""
    state = KeptState()
    state.write("k", memory_plain(Memory()) | {"schema_version": SCHEMA_VERSION + 1})
    with pytest.raises(StoreError, match="ValueError"):
        MemoryKeeper(state, "k").load()


def test_without_a_store_nothing_lasts() -> None:
    """A keeper without a state keeps nothing and says so."""
    keeper = MemoryKeeper(None, "k")
    keeper.keep(Memory(total_training_runs=3))
    assert keeper.load() == Memory()
    assert not keeper.lasting


def test_keys_are_kept_apart() -> None:
    """Two schedulers over one store remember their own."""
    state = KeptState()
    for key, runs in (("a", 1), ("b", 2)):
        MemoryKeeper(state, key).keep(Memory(total_training_runs=runs))
    assert [MemoryKeeper(state, key).load().total_training_runs for key in "ab"] == [1, 2]


def test_jobs_are_numbered_in_the_order_of_asking() -> None:
    """Numbers go up by one and are not used again when a job is done with."""
    memory = Memory().queued("a", "manual", "asked").queued("b", "automatic", "time")
    done = memory.recorded(memory.jobs[0], Outcome("a", "completed", ""), None, rows=1, now=START)
    assert [(job.number, job.name) for job in done.queued("c", "manual", "").jobs] == [(2, "b"), (3, "c")]


@pytest.mark.parametrize(
    ("status", "total", "good", "failed", "seen", "trained", "ran"),
    [
        ("completed", 1, 1, 0, 70, LATER, LATER),
        ("failed", 1, 0, 1, 5, None, LATER),
        ("skipped", 0, 0, 0, 5, None, None),
    ],
)
def test_how_a_run_ended_decides_what_is_counted(
    status: str, total: int, good: int, failed: int, seen: int, trained: Any, ran: Any
) -> None:
    """Only a good run moves the rows that count as seen; a skipped one is no run and starts no interval."""
    memory = Memory(seen_rows=5).queued("a", "automatic", "")
    after = memory.recorded(memory.jobs[0], Outcome("a", status, "why"), None, rows=70, now=LATER)
    assert (after.total_training_runs, after.successful_runs, after.failed_runs) == (total, good, failed)
    assert (after.seen_rows, after.last_training_time, after.last_run_at) == (seen, trained, ran)
    assert after.jobs == ()
    assert after.last_outcome == Outcome("a", status, "why")


def test_a_failed_try_waits_for_its_next_one() -> None:
    """While it waits it stays in its place, and the interval does not begin anew."""
    memory = Memory().queued("a", "automatic", "").queued("b", "manual", "")
    after = memory.recorded(memory.jobs[0], Outcome("a", "failed", "no"), LATER, rows=70, now=START)
    assert [(job.name, job.not_before) for job in after.jobs] == [("a", LATER), ("b", None)]
    assert after.last_run_at is None
    assert after.failed_runs == 1


@given(MEMORIES, COUNTS, st.integers(-(10**6), 10**6))
def test_a_turn_by_hand_counts_only_when_it_is_the_newer_one(memory: Memory, rows: int, seconds: int) -> None:
    """A turn older than the last run changes nothing, a newer one its times and rows alone; twice is as once."""
    at = START + timedelta(seconds=seconds)
    after = memory.after_turn(rows, at)
    if memory.last_run_at is not None and memory.last_run_at >= at:
        assert after is memory
    else:
        assert (after.seen_rows, after.last_run_at, after.last_training_time) == (rows, at, at)
        assert (after.jobs, after.total_training_runs) == (memory.jobs, memory.total_training_runs)
    assert after.after_turn(rows, at) == after


def test_facts_name_the_jobs_by_their_cause() -> None:
    """Jobs asked for by hand are told as asked, the automatic one as retrying, the one under way as running."""
    memory = Memory(last_run_at=START).queued("a", "manual", "").queued("b", "automatic", "").queued("c", "manual", "")
    facts = memory.facts(LATER, 7, memory.jobs[2])
    assert (facts.now, facts.last_run_at, facts.rows) == (LATER, START, 7)
    assert (facts.asked, facts.retrying, facts.running) == (("a", "c"), "b", "c")


def test_a_naive_time_is_local() -> None:
    """What older callers set without a zone is read as their own clock's time."""
    assert as_utc(None) is None
    assert as_utc(START.astimezone().replace(tzinfo=None)) == START
    assert as_utc(START) == START
