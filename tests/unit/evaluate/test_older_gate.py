"""The older interface beside a live adapter: the same cases, the same gate."""

from datetime import UTC, datetime
from typing import Any

from loraloop.evaluate.asking import Answers
from loraloop.evaluate.evaluator import LoRAEvaluator
from loraloop.evaluate.older import best_of, performance_of
from loraloop.evaluate.questions import Subject

CASES = [{"input": f"case {n}?", "expected_keywords": ["warm soup"], "type": "food"} for n in range(12)]
GOOD, BAD = "There is warm soup for you today.", "I do not know that at all today."
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def told(candidate: int, live: int | None, seconds: float = 1.0) -> dict[str, Any]:
    """What is told of a candidate that passes the first so many cases, beside a live adapter that passes the last."""
    answers = {
        "candidate": Answers([GOOD] * candidate + [BAD] * (12 - candidate), [seconds] * 12),
        "base": Answers(["What?"] * 12, [1.0] * 12),
    }
    subjects = [Subject("candidate", "new", None), Subject("base", None, None)]
    if live is not None:
        answers["live"] = Answers([BAD] * (12 - live) + [GOOD] * live, [1.0] * 12)
        subjects.insert(1, Subject("live", "old", None))
    return performance_of(CASES, subjects, answers, now=NOW)


def test_without_a_live_adapter_the_thresholds_decide() -> None:
    """Nothing is told of a gate, and a good performance is deployed."""
    alone = told(12, None)
    assert "gate" not in alone
    assert "live" not in alone
    assert LoRAEvaluator(None).should_deploy_adapter("new", alone)


def test_what_is_surely_worse_than_live_is_not_deployed() -> None:
    """Six of twelve meet the old thresholds; beside a live adapter that passes all of them they do not."""
    alone, beside = told(6, None), told(6, 12)
    evaluator = LoRAEvaluator(None)
    assert evaluator.should_deploy_adapter("new", alone, 0.5)
    assert not evaluator.should_deploy_adapter("new", beside, 0.5)
    assert beside["gate"]["verdict"] == "hold"
    assert "cases passed beside live" in beside["gate"]["reason"]
    assert beside["live"]["test_cases_passed"] == 12


def test_what_is_as_good_as_live_is_deployed() -> None:
    """Two cases more or fewer of twelve are chance; so is the same score."""
    evaluator = LoRAEvaluator(None)
    assert evaluator.should_deploy_adapter("new", told(12, 12))
    assert evaluator.should_deploy_adapter("new", told(10, 12))


def test_what_takes_much_longer_than_live_is_not_deployed() -> None:
    """Two seconds are within the old limit of five, but not within one and a half times the live adapter's one."""
    assert not LoRAEvaluator(None).should_deploy_adapter("new", told(12, 12, seconds=2.0))


def test_the_best_is_never_one_the_gate_holds_while_another_is_not_held() -> None:
    """Slower than it may be beside live is no best, whatever its score; where all are held the score decides."""
    slow, lesser = told(12, 12, seconds=2.0), told(11, 12)
    assert slow["overall_score"] > lesser["overall_score"]
    assert best_of({"slow": slow, "lesser": lesser}) == "lesser"
    assert best_of({"slow": slow, "slower": told(3, 12, seconds=3.0)}) == "slow"
