"""The evaluator without a model: what older callers ask of it, and what it refuses before it asks."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraloop.errors import UsageError
from loraloop.evaluate.config import EvaluationConfig
from loraloop.evaluate.evaluator import LoRAEvaluator, default_test_cases
from loraloop.evaluate.suites import parse_suite
from loraloop.types import Adapter

GOOD: dict[str, Any] = {
    "overall_score": 0.7,
    "avg_response_time": 5.0,
    "test_cases_passed": 5,
    "total_test_cases": 10,
}
evaluator = LoRAEvaluator(SimpleNamespace())


@pytest.mark.parametrize(
    "change",
    [
        {"overall_score": 0.69},
        {"overall_score": None},
        {"overall_score": float("nan")},
        {"avg_response_time": 5.01},
        {"avg_response_time": float("nan")},
        {"test_cases_passed": 4},
        {"total_test_cases": 0},
        {"error": "no answer"},
        {"valid": False},
    ],
)
def test_each_old_threshold_refuses(change: dict[str, Any]) -> None:
    """On the thresholds an adapter is deployed; beyond any one of them, or with an error, it is not."""
    assert evaluator.should_deploy_adapter("a", GOOD)
    assert not evaluator.should_deploy_adapter("a", {**GOOD, **change})


def test_the_threshold_is_the_callers() -> None:
    """A caller may ask for more or less than 0.7; an empty performance is never enough."""
    assert not evaluator.should_deploy_adapter("a", GOOD, 0.71)
    assert evaluator.should_deploy_adapter("a", {**GOOD, "overall_score": 0.1}, deployment_threshold=0.1)
    assert not evaluator.should_deploy_adapter("a", {}, 0.0)


@given(st.dictionaries(st.text("ab", min_size=1), st.floats(0, 1), max_size=5))
def test_the_best_of_several_is_named(scores: dict[str, float]) -> None:
    """The highest overall score wins, and of nothing there is none."""
    best = evaluator.compare_adapters({name: {"overall_score": score} for name, score in scores.items()})
    assert (best is None) == (not scores)
    assert best is None or scores[best] == max(scores.values())


def test_a_failed_evaluation_is_never_the_best() -> None:
    """An adapter that could not be evaluated is left out of the comparison."""
    assert evaluator.compare_adapters({"a": {"overall_score": 0.0, "error": "x"}}) is None
    assert evaluator.compare_adapters({"a": {"overall_score": 0.9, "error": "x"}, "b": {"overall_score": 0.1}}) == "b"


@pytest.mark.parametrize("name", ["missing", "../secrets", "/etc", "", "A"])
def test_an_adapter_that_cannot_be_found_scores_nothing(tmp_path: Path, name: str) -> None:
    """A missing adapter, or a name that leads elsewhere, gives scores of 0 and an error, no exception."""
    there = LoRAEvaluator(SimpleNamespace(), EvaluationConfig(adapter_dir=str(tmp_path)))
    found = there.evaluate_adapter_performance(name)
    assert found["error"]
    assert (found["overall_score"], found["test_cases_passed"], found["total_test_cases"]) == (0.0, 0, 0)
    assert not there.should_deploy_adapter(name, found)


def test_the_built_in_cases_have_the_older_form() -> None:
    """Each default case has an input, expected keywords and a type, at most two of a type."""
    cases = default_test_cases()
    assert all(set(case) == {"input", "expected_keywords", "type"} and case["expected_keywords"] for case in cases)
    assert max(sum(one["type"] == case["type"] for one in cases) for case in cases) == 2


def test_two_suites_of_one_name_are_refused() -> None:
    """Answers are told apart by suite and item, so a second suite of a name would hide the first one's failures."""
    suites = [parse_suite({"items": [{"prompt": prompt}]}, "mine.json") for prompt in ("a?", "b?")]
    adapter = Adapter("ad-1", "b", "a", "0" * 64, "tiny", "/nowhere", datetime(2026, 3, 1, tzinfo=UTC))
    with pytest.raises(UsageError, match="'mine'"):
        LoRAEvaluator(SimpleNamespace(), suites=suites).evaluate(adapter)


def test_text_scores_are_those_of_the_metrics() -> None:
    """The two text scores are there as methods: none expected is 1.0, case does not matter, short is 0.0."""
    assert evaluator.calculate_keyword_score("RICE and soup", ["rice", "bread"]) == 0.5
    assert evaluator.calculate_keyword_score("", []) == 1.0
    assert evaluator.calculate_response_quality("네!") == 0.0
    assert evaluator.calculate_response_quality("네, 좋아요!") == 1.0
