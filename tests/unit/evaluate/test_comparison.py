"""Candidate beside another subject, pair by pair."""

import math
import random
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from loraloop.evaluate.comparison import changed_answers, compare
from loraloop.evaluate.config import GateConfig
from loraloop.evaluate.gate import decide
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


def on_two_bases(shift_bits: float, size_bytes: int = 20, other_bytes: int = 20, rows: int = 40) -> Report:
    """A candidate whose tokenizer makes twice the tokens; it needs ``shift_bits`` fewer bits for each of 20 bytes.

    Nats per token always look better for the candidate by half, whatever it is worth.
    """
    draws = random.Random(3)
    losses = []
    for n in range(rows):
        bits = draws.gauss(2.0, 0.2)
        losses.append(RowLoss("live", f"cv-{n}", 1, 20 * bits * math.log(2), 5, other_bytes))
        losses.append(RowLoss("candidate", f"cv-{n}", 1, 20 * (bits - shift_bits) * math.log(2), 10, size_bytes))
    made = report(losses=tuple(losses))
    totals = {
        s: sum(r.nats for r in losses if r.subject == s) / sum(r.tokens for r in losses if r.subject == s)
        for s in ("candidate", "live")
    }
    scores = tuple(replace(one, heldout_loss=totals[one.subject], base_id=f"base-{one.subject}") for one in made.scores)
    return replace(made, scores=scores, heldout_rows=rows)


def test_losses_of_two_bases_are_compared_in_bits_per_byte() -> None:
    """Tokens of two tokenizers are not the same thing, bytes are; the margin is turned into bits too."""
    seen = compare(on_two_bases(0.25), "live")
    assert (seen.per_byte, seen.unit) == (True, "bits per byte")
    assert seen.loss is not None
    assert seen.loss.mean == pytest.approx(0.25)
    ours, theirs = seen.totals
    assert ours is not None
    assert theirs is not None
    assert theirs - ours == pytest.approx(0.25)
    assert seen.margin(0.02) == pytest.approx(0.02 * 10 / 20 / math.log(2))
    same = on_two_bases(0.25)
    same = replace(same, scores=tuple(replace(score, base_id="one") for score in same.scores))
    assert compare(same, "live").unit == "nats per token"
    assert compare(same, "live").margin(0.02) == 0.02


@pytest.mark.parametrize(("shift_bits", "verdict"), [(0.25, "promote"), (-0.25, "hold"), (0.0, "inconclusive")])
def test_the_gate_is_not_fooled_by_a_tokenizer_with_shorter_tokens(shift_bits: float, verdict: str) -> None:
    """Half the nats per token is no merit when there are twice the tokens: bytes decide."""
    seen = on_two_bases(shift_bits)
    ours, theirs = (seen.score(subject) for subject in ("candidate", "live"))
    assert ours is not None
    assert theirs is not None
    assert (ours.heldout_loss or 0) < 0.7 * (theirs.heldout_loss or 0)  # what a naive comparison would see
    assert decide(seen, GateConfig(), actor="t", now=NOW).verdict == verdict


@pytest.mark.parametrize("sizes", [(0, 20), (20, 0), (0, 0), (21, 20)])
def test_without_the_bytes_two_bases_are_not_compared_at_all(sizes: tuple[int, int]) -> None:
    """Unknown bytes, or those of other texts, hold the candidate instead of comparing tokens."""
    seen = on_two_bases(0.25, *sizes)
    assert compare(seen, "live").loss is None
    decision = decide(seen, GateConfig(), actor="t", now=NOW)
    assert decision.verdict == "hold"
    assert "cannot be compared" in decision.reason


def test_a_case_that_was_taught_proves_nothing_and_still_guards() -> None:
    """A guarded item with a training row of the same question counts among no cases, and losing it is held."""
    won = tuple(
        replace(item(s, "1", s, s == "candidate"), taught="cv-1#1", kind="guard") for s in ("candidate", "live")
    )
    seen = compare(report(*won), "live")
    assert (seen.cases.asked, seen.slices) == (0, {})
    lost = tuple(replace(one, passed=not one.passed) for one in won)
    decision = decide(report(*lost), GateConfig(), actor="t", now=NOW)
    assert decision.verdict == "hold"
    assert "guarded" in decision.reason
