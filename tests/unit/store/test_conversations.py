"""Conversations against the plainest thing that behaves like them; what every database must do is tested beside."""

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loraloop.errors import UnknownThing
from loraloop.store.sql import SqlStore, open_store
from loraloop.testing.clock import START
from loraloop.types import Conversation, Feedback, message

BOTS = st.sampled_from(["a", "b"])
NUMBERS = st.integers(0, 5)


def said(number: int, bot: str = "a", at: int = 0) -> Conversation:
    """A question and its answer; the same number is the same id."""
    turns = (message("user", f"question {number}"), message("assistant", f"answer {number}"))
    return Conversation(f"cv-{number:016x}", bot, turns, START + timedelta(minutes=at), "chat", "granted")


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(st.builds(said, NUMBERS, BOTS, st.integers(0, 3)), max_size=3)),
        st.tuples(st.just("judge"), st.tuples(NUMBERS, st.sampled_from(["thumb_up", "comment"]), st.integers(-1, 2))),
        st.tuples(st.just("drop"), st.tuples(BOTS, st.dictionaries(st.sampled_from("xyz"), st.text("ab"), max_size=2))),
    ),
    max_size=8,
)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(STEPS)
def test_they_behave_like_a_dict_of_conversations(
    tmp_path_factory: pytest.TempPathFactory, empty_database: Path, steps: Any
) -> None:
    """Whatever is added, judged and dropped in whatever order: reading shows what a plain dict would hold."""
    store = open_store(shutil.copyfile(empty_database, tmp_path_factory.mktemp("model") / "x.db"))
    held: dict[str, Conversation] = {}
    drops: dict[str, dict[str, str]] = {"a": {}, "b": {}}
    for step, given_ in steps:
        if step == "add":
            fresh = {one.id: one for one in given_ if one.id not in held}
            assert store.conversations.add(given_) == len(fresh)
            held |= fresh
        elif step == "drop":
            bot, table = given_
            store.conversations.save_drops(bot, table)
            drops[bot] = table
        else:
            number, kind, place = given_
            about, judged = said(number).id, Feedback(place, kind, "words", "kim")
            if about in held and place == 1:
                store.conversations.add_feedback(about, judged)
                held[about] = replace(held[about], feedback=(*held[about].feedback, judged))
            else:
                with pytest.raises(UnknownThing):
                    store.conversations.add_feedback(about, judged)
    for bot in "ab":
        own = sorted((one for one in held.values() if one.bot == bot), key=lambda one: (one.created_at, one.id))
        assert list(store.conversations.iterate(bot)) == own
        assert store.conversations.count(bot) == len(own)
        assert store.conversations.drops(bot) == drops[bot]
    assert all(store.conversations.get(one) == held[one] for one in held)
    store.close()


def test_feedback_of_many_conversations_stays_with_its_own(store: SqlStore) -> None:
    """Over several pages each conversation has its own judgements, in the order in which they were given."""
    store.conversations.add([said(number) for number in range(600)])
    for number in (0, 499, 500, 599):
        for words in ("first", "second"):
            store.conversations.add_feedback(said(number).id, Feedback(1, "comment", f"{words} {number}"))
    found = {one.id: [given.text for given in one.feedback] for one in store.conversations.iterate("a")}
    assert len(found) == 600
    assert {key: texts for key, texts in found.items() if texts} == {
        said(number).id: [f"first {number}", f"second {number}"] for number in (0, 499, 500, 599)
    }


def test_what_comes_while_somebody_reads_disturbs_nobody(store: SqlStore) -> None:
    """Reading page after page while others are added gives each once, in order, and not those that came in front."""
    store.conversations.add([said(number, at=number) for number in range(10, 1010)])
    reading = store.conversations.iterate("a")
    begun = [next(reading).id for _ in range(5)]
    store.conversations.add([said(1, at=1), said(5000, at=5000)])
    rest = [one.id for one in reading]
    assert begun + rest == [said(number).id for number in [*range(10, 1010), 5000]]


def test_each_bot_of_a_call_is_told_of_its_own(store: SqlStore) -> None:
    """One call with conversations of two bots tells each bot's number, and nothing of those that were known."""
    store.conversations.add([said(1, "a")])
    store.conversations.add([said(1, "a"), said(2, "a"), said(3, "b"), said(4, "b")])
    told = {bot: [event["facts"]["count"] for event in store.events.tail(bot)] for bot in "ab"}
    assert told == {"a": [1, 1], "b": [2]}


def test_known_ones_are_found_over_many_pages(store: SqlStore) -> None:
    """Adding over a thousand that are there already stores none of them again."""
    many = [said(number) for number in range(1100)]
    assert store.conversations.add(many) == 1100
    assert store.conversations.add([*many, said(2000)]) == 1


def test_text_is_gone_from_the_file_when_its_row_is(store: SqlStore, tmp_path: Path) -> None:
    """SQLite overwrites what was deleted, so that an erased text is not left in free pages."""
    secret = "xylophonequartz" * 3
    given_ = replace(said(1), messages=(message("user", secret), message("assistant", "yes")))
    store.conversations.add([given_])
    with store._database.write() as connection:
        connection.exec_driver_sql("DELETE FROM conversations")
    store.close()
    assert secret.encode() not in b"".join(path.read_bytes() for path in tmp_path.glob("loraloop.db*"))
