"""What counts as new, over every database."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from loraloop.errors import DataError
from loraloop.schedule.arrivals import StoreArrivals
from loraloop.schedule.config import SchedulerConfig
from loraloop.store.sql import SqlStore
from loraloop.testing.clock import START
from loraloop.types import Arrived, Conversation, Dataset, DatasetRow, Feedback, Mark, message


def said(number: int, *, approved: str | None = "review", consent: str = "granted", bot: str = "default",
         user: str | None = None, text: str = "hello", hours: float = 0) -> Conversation:  # fmt: skip
    """A conversation of one answer."""
    messages = (message("user", text), message("assistant", 'an "approved_by": "review" answer', approved))
    at = START + timedelta(hours=hours)
    return Conversation(f"cv-{number:016x}", bot, messages, at, "chat", consent, user=user)


def dataset(number: int, *conversations: int, bot: str = "default") -> Dataset:
    """A dataset of these conversations' answers."""
    rows = tuple(DatasetRow(f"cv-{one:016x}", 1, "train", "0" * 64) for one in conversations)
    return Dataset(f"ds-{number:016x}", bot, rows, START + timedelta(hours=number))


def rows(store: SqlStore, mark: Mark | None) -> int:
    """New rows of the default bot."""
    return store.arrivals.since("default", mark).rows


def test_only_what_may_and_can_be_learnt_is_a_new_row(store: SqlStore) -> None:
    """Consent, and a person who vouched for it: by review, thumb or correction; words in a text prove nothing."""
    store.conversations.add([said(1), said(2, consent="unknown"), said(3, approved=None), said(4, bot="other")])
    assert rows(store, None) == 1
    store.conversations.add_feedback(f"cv-{3:016x}", Feedback(1, "comment", "fine"))
    store.conversations.add_feedback(f"cv-{3:016x}", Feedback(1, "thumb_down"))
    assert rows(store, None) == 1
    store.conversations.add_feedback(f"cv-{3:016x}", Feedback(1, "thumb_up"))
    assert rows(store, None) == 2


def test_a_row_counts_as_new_until_it_is_learnt_and_not_again(store: SqlStore) -> None:
    """What came while the rows were chosen stays new; what was left out does not come back."""
    store.conversations.add([said(1), said(2), said(3)])
    seen = store.arrivals.last_feedback()
    store.conversations.add([said(4)])  # after the rows were chosen, before the dataset is stored
    store.conversations.save_drops("default", {f"cv-{3:016x}#1": "duplicate"})
    store.datasets.put(dataset(1, 1, 2), seen)
    mark = store.arrivals.mark("default")
    assert mark == Mark(dataset(1).id, 0)
    assert rows(store, mark) == 1
    assert rows(store, None) == 3  # a run that failed has learnt nothing
    store.conversations.save_drops("default", {})
    store.datasets.put(dataset(2, 1, 2, 3, 4), seen)
    assert rows(store, store.arrivals.mark("default")) == 0
    store.conversations.add([said(5)])
    assert rows(store, store.arrivals.mark("default")) == 1


def test_an_answer_approved_after_it_was_left_out_is_new(store: SqlStore) -> None:
    """It was left out because nobody had vouched for it; now somebody has."""
    store.conversations.add([said(1, approved=None)])
    store.conversations.save_drops("default", {f"cv-{1:016x}#1": "answer_not_approved"})
    assert rows(store, None) == 0
    store.conversations.add_feedback(f"cv-{1:016x}", Feedback(1, "thumb_up"))
    assert rows(store, None) == 1


def test_corrections_and_judgements_count_from_the_mark_in_order(store: SqlStore) -> None:
    """A correction says that an answer was bad, a comment says nothing, and without consent none teaches."""
    store.conversations.add([said(1), said(2, consent="unknown")])
    for kind in ("thumb_up", "thumb_up", "thumb_down", "comment"):
        store.conversations.add_feedback(f"cv-{1:016x}", Feedback(1, kind))  # type: ignore[arg-type]
    store.datasets.put(dataset(1, 1), store.arrivals.last_feedback())
    mark = store.arrivals.mark("default")
    store.conversations.add_feedback(f"cv-{1:016x}", Feedback(1, "correction", 'say "kind": "thumb_up" instead'))
    store.conversations.add_feedback(f"cv-{2:016x}", Feedback(1, "correction", "better"))
    store.conversations.add_feedback(f"cv-{1:016x}", Feedback(1, "thumb_up"))
    assert store.arrivals.since("default", mark) == Arrived(0, 1, 2, 3, (False, False, True))
    assert store.arrivals.since("default", None) == Arrived(1, 1, 0, 0, (True, True, False, False, False, True))
    assert store.arrivals.since("other", None) == Arrived()


def test_mark_and_dataset_are_one_transaction(store: SqlStore, reopened: Callable[[], SqlStore]) -> None:
    """A dataset that is refused moves no mark; one that is stored again does; each bot has its own."""
    store.conversations.add([said(1), said(2, consent="unknown")])
    with pytest.raises(DataError):
        store.datasets.put(dataset(1, 2), 5)
    assert reopened().arrivals.mark("default") is None
    store.datasets.put(dataset(1, 1), 5)
    store.datasets.put(dataset(1, 1), 7)
    store.datasets.put(dataset(2, 1))  # asked for without a mark
    assert reopened().arrivals.mark("default") == Mark(dataset(1).id, 7)
    assert store.arrivals.mark("other") is None


def test_topics_are_compared_once_for_each_doubling_and_no_word_is_kept(store: SqlStore) -> None:
    """Before there are enough people nothing is said; what is kept are numbers; a changed topic shows."""
    config = SchedulerConfig(drift_min_people=8)
    arrivals = StoreArrivals(store, "default", b"key")
    old = [said(n, user=f"u{n}", text=f"김치 급식 메뉴 밥 반찬 {n % 3}", hours=-5) for n in range(20)]
    store.conversations.add(old)
    store.datasets.put(dataset(1, *range(20)), 0)
    mark = arrivals.mark()
    assert arrivals.drift(mark, config) is None
    new = [said(100 + n, user=f"v{n}", text=f"maths homework exam teacher {n % 3}", hours=5) for n in range(9)]
    store.conversations.add(new)
    assert store.arrivals.people_since("default", START + timedelta(hours=1)) == 9
    found = arrivals.drift(mark, config)
    assert found is not None
    assert (found.before, found.since) == (20, 9)
    assert found.p_value <= found.level
    assert arrivals.drift(mark, config) == found
    assert "급식" not in str(store.state.read("drift:default"))
    assert arrivals.drift(None, config) is None
