"""Immutable values and the live pointer, against the plainest thing that behaves like them."""

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loraloop.errors import StaleRelease, UnknownThing
from loraloop.store.sql import SqlStore, open_store
from loraloop.testing.clock import START
from loraloop.types import Adapter, Conversation, Dataset, DatasetRow, Decision, Release, Report, message


def adapter(number: int, bot: str = "a", minute: int = 0) -> Adapter:
    """An adapter whose weights are those of its number, whoever has it."""
    at = START + timedelta(minutes=minute)
    return Adapter(f"ad-{number:016x}", bot, f"{bot}{number}", f"{number:064x}", "base", "/x", at)


def release(bot: str, version: int) -> Release:
    """A release of some version."""
    return Release(f"rl-{bot}-{version}", bot, version, "ad-1", "x", "base", "auto", "op", START)


STATUSES = st.sampled_from(["confirmed", "reverted"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.sampled_from("ab"), st.integers(0, 3), st.integers(0, 3)),
        st.tuples(st.just("status"), st.sampled_from("ab"), st.integers(1, 4), STATUSES),
    ),
    max_size=10,
)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_releases_behave_like_a_list_a_bot(
    tmp_path_factory: pytest.TempPathFactory, empty_database: Path, steps: Any
) -> None:
    """Whoever expects the live version and brings a higher one is published, nobody else; a status changes one."""
    store = open_store(shutil.copyfile(empty_database, tmp_path_factory.mktemp("model") / "x.db"))
    held: dict[str, list[Release]] = {"a": [], "b": []}
    for step, bot, first, second in steps:
        live = held[bot][-1].version if held[bot] else 0
        if step == "publish":
            new = release(bot, live + first)
            if second == live and first > 0:
                assert store.releases.publish(new, second) == new
                held[bot].append(new)
            else:
                with pytest.raises(StaleRelease):
                    store.releases.publish(new, second)
        elif any(one.version == first for one in held[bot]):
            store.releases.set_status(f"rl-{bot}-{first}", second)
            held[bot] = [replace(one, status=second) if one.version == first else one for one in held[bot]]
        else:
            with pytest.raises(UnknownThing):
                store.releases.set_status(f"rl-{bot}-{first}", second)
    for bot, releases in held.items():
        assert store.releases.history(bot, 99) == releases[::-1]
        assert store.releases.live(bot) == (releases[-1] if releases else None)
    assert store.bots() == [bot for bot in "ab" if held[bot]]
    assert store.faults() == []
    store.close()


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("abc"), st.integers(0, 4)), max_size=8))
def test_every_bot_finds_the_adapters_it_stored_and_no_others(
    tmp_path_factory: pytest.TempPathFactory, empty_database: Path, stored: list[tuple[int, str, int]]
) -> None:
    """Bots that train the same weights have a value each; the first one stays, newest first, and its bot is its own."""
    store = open_store(shutil.copyfile(empty_database, tmp_path_factory.mktemp("model") / "x.db"))
    held: dict[tuple[int, str], Adapter] = {}
    for number, bot, minute in stored:
        kept = store.adapters.put(adapter(number, bot, minute))
        assert held.setdefault((number, bot), kept) == kept
        assert store.adapters.get(kept.id) == kept
        assert replace(kept, id="") == replace(adapter(number, bot), id="", created_at=kept.created_at)
    assert len({one.id for one in held.values()}) == len(held)
    for bot in "abc":
        own = [one for (_, whose), one in held.items() if whose == bot]
        assert store.adapters.list(bot) == sorted(own, key=lambda one: (one.created_at, one.id), reverse=True)
    assert store.bots() == sorted({bot for _, bot in held})
    store.close()


def test_of_values_made_at_the_same_moment_the_order_stays(store: SqlStore) -> None:
    """Equal times are told apart by id, so that a list is the same each time, and a limit cuts it."""
    for number in (2, 3, 1):
        store.adapters.put(adapter(number))
    assert [one.name for one in store.adapters.list("a")] == ["a3", "a2", "a1"]
    assert [one.name for one in store.adapters.list("a", 2)] == ["a3", "a2"]
    assert store.adapters.list("a", 0) == []


def test_kinds_do_not_share_ids(store: SqlStore) -> None:
    """A report and a decision of one id are two values."""
    report = store.reports.put(Report("same", "a", "ad-1", START, ()))
    decision = store.decisions.put(Decision("same", "a", "ad-1", "hold", START, "kim"))
    assert (store.reports.get("same"), store.decisions.get("same")) == (report, decision)
    assert store.adapters.get("same") is None


def test_a_dataset_of_many_rows_comes_back_in_its_order(store: SqlStore) -> None:
    """Over a thousand rows of as many conversations, each at its place, with digest and split."""
    said = (message("user", "hello"), message("assistant", "hi"))
    ids = [f"cv-{number:016x}" for number in range(1201)]
    store.conversations.add([Conversation(one, "a", said, START, "chat", "granted") for one in ids])
    splits = ("train", "validation", "gate")
    rows = tuple(DatasetRow(one, 1, splits[n % 3], f"{n:064x}") for n, one in enumerate(reversed(ids)))
    stored = store.datasets.put(Dataset("ds-1", "a", rows, START, {"answer_too_short": 3}))
    found = store.datasets.get("ds-1")
    assert found == stored
    assert found is not None
    assert found.rows == rows


def test_a_release_of_another_bot_is_not_in_this_ones_history(store: SqlStore) -> None:
    """Versions count by bot, and each bot's pointer moves alone."""
    for bot, version in (("a", 1), ("b", 1), ("b", 2)):
        store.releases.publish(release(bot, version), version - 1)
    assert [one.version for one in store.releases.history("a")] == [1]
    assert [one.version for one in store.releases.history("b", 1)] == [2]
    assert store.releases.live("c") is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text("a밥'\"\\\n", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab밥", max_size=2), inner, max_size=3),
    max_leaves=6,
)


def test_small_state_keeps_the_last_of_any_json(store: SqlStore) -> None:
    """Keys do not touch one another, and what is read is what was written last."""

    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.tuples(st.sampled_from(["k", "k:a", "K"]), JSON), min_size=1, max_size=4))
    def check(writes: list[tuple[str, Any]]) -> None:
        for key, value in writes:
            store.state.write(key, value)
        assert {key: store.state.read(key) for key, _ in writes} == dict(writes)

    check()
