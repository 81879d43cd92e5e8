"""Answers that wait for a person: which, in what order, and what a decision makes of them."""

import logging
from collections.abc import Callable, Iterator

import pytest

from loraloop.data.candidates import candidates
from loraloop.data.quality import DataQualityConfig, reason_to_drop
from loraloop.data.review import ReviewQueue
from loraloop.errors import UnknownThing, UsageError
from loraloop.store.sql import SqlStore
from loraloop.types import Conversation, Feedback

Say = Callable[..., Conversation]
CONFIG = DataQualityConfig()


@pytest.fixture
def queue(store: SqlStore) -> ReviewQueue:
    """Of an empty store."""
    return ReviewQueue(store, "default", CONFIG)


def reason(store: SqlStore, one: Conversation) -> str | None:
    """Why the last answer is not learnt."""
    found = store.conversations.get(one.id)
    assert found is not None
    return reason_to_drop(list(candidates(found))[-1], CONFIG)


def test_only_what_a_person_could_still_approve_waits(say: Say, store: SqlStore, queue: ReviewQueue) -> None:
    """Unjudged answers with consent wait; approved, judged or unconsented ones do not."""
    waits = say("what is rain?", "water from clouds", approved=False)
    store.conversations.add(
        [
            waits,
            say("what is snow?", "frozen water"),
            say("what is hail?", "small ice", approved=False, consent="unknown"),
            say("what is fog?", "a low cloud", approved=False, feedback=["thumb_down"]),
            say("what is wind?", "moving air", approved=False, feedback=["thumb_up"]),
        ]
    )
    assert [one.id for one in queue.waiting()] == [f"{waits.id}#1"]


def test_a_decision_ends_the_waiting_and_approval_alone_makes_a_target(
    say: Say, store: SqlStore, queue: ReviewQueue
) -> None:
    """Approved and edited answers may be learnt, rejected ones and those passed over may not."""
    asked = {name: say(f"what is {name}?", "something of the sky", approved=False) for name in ("a", "b", "c", "d")}
    store.conversations.add(asked.values())
    queue.decide(f"{asked['a'].id}#1", "approve", reviewer="kim")
    queue.decide(f"{asked['b'].id}#1", "edit", text="call me at 010-1234-5678")
    queue.decide(f"{asked['c'].id}#1", "reject")
    assert [one.id for one in queue.waiting()] == [f"{asked['d'].id}#1"]
    assert [reason(store, asked[name]) for name in "abcd"] == [
        None,
        "leads_elsewhere",
        "thumbs_down",
        "answer_not_approved",
    ]
    kept = store.conversations.get(asked["b"].id)
    assert kept is not None
    assert kept.feedback[0].text == "call me at [PHONE]"  # a reviewer's words are redacted like anybody's
    (row,) = candidates(store.conversations.get(asked["a"].id) or kept)
    assert row.approved_by == "review"


def test_talk_of_distress_comes_first_is_never_learnt_and_never_logged(
    say: Say, store: SqlStore, queue: ReviewQueue, caplog: pytest.LogCaptureFixture
) -> None:
    """It waits even without consent, cannot be approved, and leaves when somebody has seen it."""
    caplog.set_level(logging.DEBUG)
    store.conversations.add([say("what is rain?", "water from clouds", approved=False)])
    child = say(
        "아빠가 자꾸 때려요", "많이 힘들겠어요", "죽고 싶어요", "1388에 전화해요", consent="unknown", approved=False
    )
    store.conversations.add([child])
    first, second = queue.waiting()
    assert (first.reason, second.reason) == ("distress_disclosure", "answer_not_approved")
    for decision in ("approve", "edit"):
        with pytest.raises(UsageError, match="distress"):
            queue.decide(first.id, decision, text="괜찮아요")
    queue.decide(first.id, "seen")
    assert [one.reason for one in queue.waiting()] == ["answer_not_approved"]
    assert "때려" not in caplog.text
    assert "죽고" not in caplog.text


def test_what_is_not_there_or_cannot_be_decided_is_named(say: Say, store: SqlStore, queue: ReviewQueue) -> None:
    """Another bot's answers, messages that are no answers and unknown decisions are refused."""
    other = say("what is rain?", "water from clouds", approved=False)
    store.conversations.add([other])
    for id in ("cv-nothing#1", f"{other.id}#0", f"{other.id}#7", other.id):
        with pytest.raises(UnknownThing):
            queue.decide(id, "approve")
    with pytest.raises(UsageError, match="no decision"):
        queue.decide(f"{other.id}#1", "like")
    with pytest.raises(UnknownThing):
        ReviewQueue(store, "another", CONFIG).decide(f"{other.id}#1", "approve")


def test_a_reviewer_s_yes_is_no_vote_of_users(say: Say, store: SqlStore, queue: ReviewQueue) -> None:
    """Approval over time counts what users say; reviewing a queue does not raise it."""
    one, two = (say(f"what is {name}?", "something of the sky", approved=False) for name in ("this", "that"))
    store.conversations.add([one, two])
    queue.decide(f"{one.id}#1", "approve")
    store.conversations.add_feedback(two.id, Feedback(1, "thumb_down"))
    arrived = store.arrivals.since("default", None)
    assert arrived.since == (False,)
    assert arrived.rows == 1


def test_the_first_that_wait_are_found_in_one_reading_that_ends_with_enough_distress(
    say: Say, store: SqlStore, queue: ReviewQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same answers in the same order as going through everything; a gateway's clients ask again and again."""
    store.conversations.add([
        one for n in range(4) for one in (
            say(f"what is rain number {n}?", "water from clouds", approved=False),
            say(f"죽고 싶어요 {n}", "1388에 전화해요", consent="unknown", approved=False),
        )
    ])  # fmt: skip
    whole, read = list(queue.all()), []
    iterate = store.conversations.iterate

    def counted(bot: str) -> Iterator[Conversation]:
        for one in iterate(bot):
            read.append(one.id)
            yield one

    monkeypatch.setattr(store.conversations, "iterate", counted)
    assert [one.reason for one in whole] == ["distress_disclosure"] * 4 + ["answer_not_approved"] * 4
    assert (queue.waiting(6), len(read)) == (whole[:6], 8)
    read.clear()
    assert queue.waiting(1) == whole[:1]
    assert len(read) < 8
