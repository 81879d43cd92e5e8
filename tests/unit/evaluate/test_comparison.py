"""Candidate beside another subject, pair by pair."""

from datetime import UTC, datetime

from loraloop.evaluate.comparison import changed_answers, compare
from loraloop.types import ItemResult, Report, RowLoss, SubjectScore

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def item(subject: str, name: str, answer: str, passed: bool, keyword: float = 0.0, suite: str = "s") -> ItemResult:
    """One answer; its quality is the same everywhere."""
    return ItemResult(
        subject, suite, name, answer, keyword, 0.5, passed, type="food", language="ko", question=f"{name}?"
    )


def report(*items: ItemResult, losses: tuple[RowLoss, ...] = ()) -> Report:
    """A report on a candidate and a live adapter."""
    scores = tuple(SubjectScore(s, s, 0.5, 0.5, 0.5, 0, 0, 0.1, 0.1) for s in ("candidate", "live"))
    return Report("rp-1", "b", "ad-1", NOW, scores, items=items, losses=losses)


def test_cases_are_paired_by_suite_and_item_and_the_repairs_stand_apart() -> None:
    """Won, lost, both and neither are counted on the same questions; corrections and slices of a type each alone."""
    seen = compare(
        report(
            item("candidate", "1", "a", True), item("live", "1", "b", False),
            item("candidate", "2", "a", False), item("live", "2", "b", True),
            item("candidate", "3", "a", True), item("live", "3", "a", True),
            item("candidate", "1", "a", True, suite="repairs"), item("live", "1", "b", False, suite="repairs"),
            item("candidate", "4", "nobody else was asked", True),
        ),
        "live",
    )  # fmt: skip
    assert (seen.cases.won, seen.cases.lost, seen.cases.both, seen.cases.neither) == (("1",), ("2",), 1, 0)
    assert (seen.repairs.won, seen.repairs.asked) == (("1",), 1)
    assert seen.slices[("food", "ko")].asked == 3


def test_a_loss_is_compared_only_on_the_same_rows() -> None:
    """Rows that one side was not measured on make the difference unknown, never a guess."""
    both = (RowLoss("candidate", "cv-1", 1, 5.0, 10), RowLoss("live", "cv-1", 1, 7.0, 10))
    more = (RowLoss("candidate", "cv-2", 1, 2.0, 10), RowLoss("live", "cv-2", 1, 8.0, 10))
    found = compare(report(losses=both + more), "live").loss
    assert found is not None
    assert found.mean == 0.4  # 8 nats over 20 tokens
    assert found.clusters == 2
    assert compare(report(losses=both + more[:1]), "live").loss is None
    assert compare(report(), "live").loss is None


def test_the_answers_that_changed_most_come_first_and_equal_ones_never() -> None:
    """Newly passed cases lead, newly failed ones end, and an answer that stayed is not shown."""
    seen = report(
        item("candidate", "same", "a", True), item("live", "same", "a", True),
        item("candidate", "word", "b", False, 0.5), item("live", "word", "c", False),
        item("candidate", "won", "d", True, 1.0), item("live", "won", "e", False),
        item("candidate", "lost", "f", False), item("live", "lost", "g", True, 1.0),
    )  # fmt: skip
    changes = changed_answers(seen, "live")
    assert [(one.item, one.better) for one in changes] == [("won", True), ("word", True), ("lost", False)]
    assert (changes[0].question, changes[0].before, changes[0].after) == ("won?", "e", "d")
    assert [one.item for one in changed_answers(seen, "live", most=1)] == ["won", "lost"]
