"""``training.lora_evaluator`` as its callers know it."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from loraloop.testing.wrappers import Plain, Speaking
from training.lora_evaluator import LoRAEvaluator

from .callers import GOOD, PERFORMANCE_KEYS, Unchanged, reads_like_a_dict, takes

CASES = [
    {"input": "안녕하세요", "expected_keywords": [], "type": "greeting"},
    {"input": "점심 추천해 줘", "expected_keywords": ["없을낱말"], "type": "meal"},
]


class Canned(Plain):
    """A wrapper whose answers have nothing to do with its model."""

    def generate_response(self, prompt: str, max_length: int = 150) -> str:
        """Always the same."""
        return "맛있는 메뉴를 추천해 드릴게요."


def asking(model: Any) -> LoRAEvaluator:
    """An evaluator whose test cases were replaced by the caller's."""
    evaluator = LoRAEvaluator(model)
    evaluator.test_cases = [dict(case) for case in CASES]
    return evaluator


def test_every_call_takes_what_it_always_took() -> None:
    """Names, order and defaults of all parameters are the promised ones."""
    takes(LoRAEvaluator.__init__, model=...)
    takes(LoRAEvaluator.evaluate_adapter_performance, adapter_name=..., adapter_path=None)
    takes(LoRAEvaluator.generate_test_response, input_text=...)
    takes(LoRAEvaluator.calculate_keyword_score, response=..., expected_keywords=...)
    takes(LoRAEvaluator.calculate_response_quality, response=...)
    takes(LoRAEvaluator.should_deploy_adapter, adapter_name=..., performance=..., deployment_threshold=0.7)
    assert len(inspect.signature(LoRAEvaluator.compare_adapters).parameters) == 2


def test_there_are_test_cases_from_the_start(speaking: Speaking) -> None:
    """Each has an input, expected keywords and a type."""
    cases = LoRAEvaluator(speaking).test_cases
    assert isinstance(cases, list)
    assert cases
    assert all({"input", "expected_keywords", "type"} <= set(case) for case in cases)


def test_a_performance_is_of_the_adapter_and_of_the_callers_cases(
    speaking: Speaking, adapter_folders: Mapping[str, Path]
) -> None:
    """The adapter is loaded: other answers than the base's, other answers for another adapter; the wrapper stays."""
    before, evaluator = Unchanged(speaking), asking(speaking)
    found = {n: evaluator.evaluate_adapter_performance(n, str(adapter_folders[n])) for n in ("first", "second")}
    for performance in found.values():
        reads_like_a_dict(performance, PERFORMANCE_KEYS)
        assert "error" not in performance
        assert performance["valid"]
        assert performance["total_test_cases"] == 2
        assert performance["keyword_score"] == 0.5
        assert 0 <= performance["test_cases_passed"] <= 1
        assert 0 < performance["avg_response_time"] <= performance["max_response_time"]
        assert all(0 <= performance[key] <= 1 for key in ("overall_score", "keyword_score", "quality_score"))
    assert found["first"]["individual_scores"] != found["second"]["individual_scores"]
    before.check()


def test_adapters_are_found_by_name_in_the_usual_folder(
    speaking: Speaking, adapter_folders: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a path an adapter is looked for where the trainer puts it."""
    monkeypatch.chdir(tmp_path)
    usual = tmp_path / "outputs" / "lora_adapters"
    usual.mkdir(parents=True)
    (usual / "my_adapter").symlink_to(adapter_folders["first"])
    assert "error" not in asking(speaking).evaluate_adapter_performance("my_adapter")


def test_the_callers_own_method_answers_and_draws_nothing_from_the_callers_dice(
    speaking: Speaking, adapter_folders: Mapping[str, Path]
) -> None:
    """Without an adapter the answer is the wrapper's own, and random numbers drawn afterwards are undisturbed."""
    import torch

    evaluator = asking(speaking)
    assert evaluator.generate_test_response("안녕하세요") == speaking.generate_response("안녕하세요")
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    evaluator.evaluate_adapter_performance("first", adapter_folders["first"])
    assert torch.rand(3).equal(expected)


def test_answers_that_never_change_are_reported_as_invalid(
    tiny_base: Path, adapter_folders: Mapping[str, Path]
) -> None:
    """A canned sentence makes the report invalid, it says so, and nothing is deployed on it."""
    evaluator = asking(Canned(tiny_base))
    found = evaluator.evaluate_adapter_performance("first", adapter_folders["first"])
    assert found["valid"] is False
    assert "never change" in found["reason"]
    assert evaluator.should_deploy_adapter("first", found | GOOD) is False


@pytest.mark.parametrize("broken", ["missing", "empty", "no_model"])
def test_a_failure_scores_nothing_and_says_why(speaking: Speaking, tmp_path: Path, broken: str) -> None:
    """A missing adapter, an empty folder and a model that is none give scores of 0 and an error, and raise nothing."""
    folder = tmp_path / broken
    if broken != "missing":
        folder.mkdir()
    found = asking(object() if broken == "no_model" else speaking).evaluate_adapter_performance("first", folder)
    reads_like_a_dict(found, PERFORMANCE_KEYS)
    assert all(found[key] == 0 for key in PERFORMANCE_KEYS)
    assert found["error"]


@pytest.mark.parametrize(
    ("response", "keywords", "score"),
    [
        ("김밥이 좋아요", ["김밥", "국수"], 0.5),
        ("Try the RICE bowl", ["rice", "Bowl"], 1.0),
        ("아무 말", ["김밥"], 0.0),
        ("아무 말", [], 1.0),
        ("", ["김밥"], 0.0),
        ("", [], 1.0),
    ],
)
def test_keywords_are_counted_case_blind(response: str, keywords: list[str], score: float) -> None:
    """The score is the share of expected keywords found, and 1.0 where none is expected."""
    assert LoRAEvaluator(None).calculate_keyword_score(response, keywords) == score


def test_quality_is_a_share_and_nothing_for_a_stump() -> None:
    """Under 5 characters the quality is 0.0; a clean sentence is better than a loop; all lie in 0..1."""
    quality = LoRAEvaluator(None).calculate_response_quality
    assert [quality(text) for text in ("", "네", "네네네네", "    네    ")] == [0.0] * 4
    assert quality("다섯글자요") > 0.0
    good, loop = quality("따뜻한 국수는 어때요?"), quality("국수 국수 국수 국수 국수 국수 국수 국수")
    assert 0.0 <= loop < good <= 1.0


@pytest.mark.parametrize(
    ("change", "deploys"),
    [
        ({}, True),
        ({"overall_score": 0.7}, True),
        ({"overall_score": 0.69}, False),
        ({"avg_response_time": 5.0}, True),
        ({"avg_response_time": 5.01}, False),
        ({"test_cases_passed": 5}, True),
        ({"test_cases_passed": 4}, False),
    ],
)
def test_the_three_thresholds_decide(change: dict[str, Any], deploys: bool) -> None:
    """Under the score, over 5 s or under half the cases is a no; at each limit it is a yes."""
    assert LoRAEvaluator(None).should_deploy_adapter("first", GOOD | change) is deploys


def test_the_score_threshold_is_the_callers() -> None:
    """Another threshold gives another answer on the same performance."""
    judge = LoRAEvaluator(None)
    assert judge.should_deploy_adapter("first", GOOD, deployment_threshold=0.95) is False
    assert judge.should_deploy_adapter("first", GOOD | {"overall_score": 0.2}, 0.1) is True


def test_the_best_of_several_is_named() -> None:
    """The highest score wins, and nobody wins where there is nobody."""
    judge = LoRAEvaluator(None)
    assert judge.compare_adapters({"a": {"overall_score": 0.2}, "b": {"overall_score": 0.9}}) == "b"
    assert judge.compare_adapters({"a": GOOD}) == "a"
    assert judge.compare_adapters({}) is None
