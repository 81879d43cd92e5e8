"""From answers to a report."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from loraloop.evaluate.asking import Answers, Heard
from loraloop.evaluate.questions import Questions, Subject
from loraloop.evaluate.scoring import make_report, mean, overall_score
from loraloop.evaluate.suites import parse_suite
from loraloop.store.codec import encode
from loraloop.types import Report, Sample

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SUITE = parse_suite({"name": "s", "items": [{"prompt": "a?", "any_of": ["rice"]}, {"prompt": "b?"}]}, "s.json")
CASES = [(SUITE, item) for item in SUITE.items]
CANDIDATE, BASE = Subject("candidate", "ad-1", Path("/a")), Subject("base", "tiny", None)
FACTS = {"bot": "b", "adapter_id": "ad-1", "baseline_id": None, "dataset_id": None, "suites": {"s": SUITE.digest}}
ROWS = [Sample((1, 2, 3), (-100, 2, 3), text_bytes=4), Sample((1, 2), (-100, 2), text_bytes=2)]


def made(ours: Answers, theirs: Answers, *, asked: bool = True, rows: bool = False) -> Report:
    """A report on a candidate beside the base."""
    found = {"candidate": ours, "base": theirs}
    heldout = ROWS if rows else []
    cases = CASES if asked else []
    questions = Questions([CANDIDATE, BASE], [item.messages for _, item in cases], heldout)
    return make_report(FACTS, questions, cases, Heard(found), now=NOW)


def test_each_answer_is_scored_and_totalled() -> None:
    """Items keep the answers, totals are means, and times are those of single requests."""
    found = made(Answers(["Warm rice, yes.", "No."], [0.5]), Answers(["Soup, please.", "No."], [0.1, 0.3]))
    ours, theirs = found.score("candidate"), found.score("base")
    assert ours is not None
    assert theirs is not None
    assert [item.passed for item in found.items] == [True, True, False, True]
    assert (ours.keyword_score, theirs.keyword_score) == (1.0, 0.5)
    assert ours.overall_score == pytest.approx(overall_score(1.0, ours.quality_score))
    assert (theirs.avg_response_time, theirs.max_response_time) == (pytest.approx(0.2), 0.3)
    assert [item.latency_s for item in found.items] == [0.5, None, 0.1, 0.3]
    assert found.valid


def test_an_answer_that_was_cut_off_passes_nothing() -> None:
    """Right words in an answer that ran into the limit do not pass."""
    found = made(Answers(["Warm rice", "ok"], [0.1], cut_off=[True, False]), Answers(["x", "y"], [0.1]))
    assert [item.passed for item in found.items if item.subject == "candidate"] == [False, True]


def test_the_loss_is_in_nats_a_token_and_bits_a_byte() -> None:
    """Three supervised tokens and six bytes: the sum of nats is shared among them."""
    found = made(Answers(["a", "b"], [0.1], [2.0, 1.0]), Answers(["a", "b"], [0.1], [4.0, 2.0]), rows=True)
    ours = found.score("candidate")
    assert ours is not None
    assert ours.heldout_loss == pytest.approx(1.0)
    assert ours.perplexity == pytest.approx(2.718281828)
    assert ours.bits_per_byte == pytest.approx(3 / 0.6931471806 / 6)
    assert found.heldout_rows == 2


def test_an_empty_evaluation_is_invalid() -> None:
    """Where nothing was asked and no row measured, the report says so and is invalid."""
    found = made(Answers([], []), Answers([], []), asked=False)
    assert not found.valid
    assert "nothing was asked" in found.reason
    assert found.heldout_rows == 0


def test_answers_that_never_change_are_invalid_unless_the_loss_was_measured() -> None:
    """The same answers with and without the adapter say nothing about it; a measured loss still does."""
    same = Answers(["a", "b"], [0.1])
    assert "never change" in made(same, same).reason
    measured = Answers(["a", "b"], [0.1], [2.0, 1.0])
    assert made(measured, measured, rows=True).valid


def test_a_report_is_named_by_what_it_says() -> None:
    """Equal findings have one id, another answer another one."""
    one, other = Answers(["a", "b"], [0.1]), Answers(["c", "d"], [0.1])
    assert made(one, other).id == made(one, other).id != made(other, one).id
    assert made(one, other).id.startswith("rp-")


def test_a_subject_that_left_answers_out_is_noticed() -> None:
    """Fewer answers than questions are a fault, never silently fewer cases."""
    with pytest.raises(ValueError, match="shorter"):
        made(Answers(["a"], [0.1]), Answers(["a", "b"], [0.1]))


def test_the_mean_of_nothing_is_zero() -> None:
    """No values have the mean 0.0, others their own."""
    assert mean([]) == 0.0
    assert mean([0.1] * 10) == pytest.approx(0.1)


def test_an_answer_of_any_bytes_can_be_kept() -> None:
    """A NUL byte and half a surrogate pair in an answer are shown as what they are: no characters."""
    found = made(Answers(["a\x00b", "c\ud800d"], [0.1]), Answers(["a", "b"], [0.1]))
    assert [item.answer for item in found.items][:2] == ["a\ufffdb", "c\ufffdd"]
    assert "\\u0000" not in encode(found)
