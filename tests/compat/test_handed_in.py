"""What callers hand in, and what may not happen to it: wrappers that answer by themselves, collectors that count."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from loraloop.testing.wrappers import Plain, Speaking
from training.lora_evaluator import LoRAEvaluator
from training.lora_trainer_refactored import NaviyamLoRATrainerRefactored, create_lora_trainer

from .callers import PERFORMANCE_KEYS, Collector, CountingCollector, Unchanged, make_records, reads_like_a_dict

CASES = [{"input": "안녕하세요", "expected_keywords": [], "type": "greeting"}]


class Told(Speaking):
    """Writes down who is asked, on a list that its shallow copies share."""

    def __init__(self, other: Plain) -> None:
        self.model, self.tokenizer = other.model, other.tokenizer
        self.asked: list[Told] = []

    def generate_response(self, prompt: str, max_length: int = 150) -> str:
        """The model's own answer."""
        self.asked.append(self)
        return super().generate_response(prompt, max_length)


class Writing:
    """Answers through ``generate_text`` alone, and writes down how it is asked."""

    def __init__(self, other: Plain) -> None:
        self.model, self.tokenizer = other.model, other.tokenizer
        self.asked: list[tuple[Writing, int | None]] = []

    def generate_text(
        self,
        prompt: str,
        max_new_tokens: int | None = None,
        temperature: float | None = None,
        stop_words: list[str] | None = None,
    ) -> dict[str, Any]:
        """The model's own answer in a dict."""
        self.asked.append((self, max_new_tokens))
        return {"text": Told(self).generate_response(prompt)}  # type: ignore[arg-type]


class Failing(Told):
    """One whose own code fails."""

    def generate_response(self, prompt: str, max_length: int = 150) -> str:
        """No answer."""
        raise ConnectionError("the tokenizer service is away")


def judged(wrapper: Any, folder: Path) -> dict[str, Any]:
    """The performance of an adapter, on one case."""
    evaluator = LoRAEvaluator(wrapper)
    evaluator.test_cases = [dict(case) for case in CASES]
    return evaluator.evaluate_adapter_performance("first", folder)


def test_the_method_is_called_on_a_shallow_copy_with_a_model_of_its_own(
    plain: Plain, adapter_folders: Mapping[str, Path]
) -> None:
    """Whoever is asked is of the caller's class and shares its attributes, but for the model, which is a copy."""
    wrapper = Told(plain)
    before = Unchanged(wrapper)
    assert judged(wrapper, adapter_folders["first"])["valid"] is True
    assert len(wrapper.asked) == 2
    for one in wrapper.asked:
        assert type(one) is Told
        assert one is not wrapper
        assert one.model is not wrapper.model
        assert one.tokenizer is wrapper.tokenizer
    before.check()


def test_a_wrapper_with_generate_text_alone_answers_through_it(
    plain: Plain, adapter_folders: Mapping[str, Path]
) -> None:
    """The ``"text"`` of its own method is what is scored, on a copy with the adapter; the wrapper stays as it was."""
    wrapper = Writing(plain)
    before = Unchanged(wrapper)
    found = judged(wrapper, adapter_folders["first"])
    reads_like_a_dict(found, PERFORMANCE_KEYS)
    assert found["valid"] is True
    assert [limit for _, limit in wrapper.asked] == [150, 150]
    assert all(one is not wrapper and one.model is not wrapper.model for one, _ in wrapper.asked)
    before.check()
    assert LoRAEvaluator(wrapper).generate_test_response("안녕하세요") == wrapper.generate_text("안녕하세요")["text"]


def test_where_there_are_both_ways_to_answer_the_response_is_asked_for(
    plain: Plain, adapter_folders: Mapping[str, Path]
) -> None:
    """``generate_response`` goes before ``generate_text``."""
    wrapper = Told(plain)
    assert callable(wrapper.generate_text)
    assert LoRAEvaluator(wrapper).model is wrapper
    judged(wrapper, adapter_folders["first"])
    assert wrapper.asked


def test_a_wrapper_that_fails_scores_nothing_and_says_why(plain: Plain, adapter_folders: Mapping[str, Path]) -> None:
    """What the caller's own code raises is told as the error of the evaluation, and nothing is deployed on it."""
    found = judged(Failing(plain), adapter_folders["first"])
    reads_like_a_dict(found, PERFORMANCE_KEYS)
    assert all(found[key] == 0 for key in PERFORMANCE_KEYS)
    assert "ConnectionError" in found["error"]
    assert LoRAEvaluator(None).should_deploy_adapter("first", found) is False


class Said(CountingCollector):
    """Tells the number of valid samples that a test sets, or what else it says in its place."""

    def __init__(self, statistics: Any) -> None:
        super().__init__(make_records(8))
        self.statistics = statistics

    def get_collection_statistics(self) -> Any:
        """As set."""
        return self.statistics


def valid(count: int) -> dict[str, Any]:
    """Statistics with a number of valid samples."""
    return {"quality_stats": {"valid_samples": count}}


@pytest.fixture
def trainers(plain: Plain, tmp_path: Path) -> Iterator[Any]:
    """Makes trainers with the usual fifty samples to wait for, and lets go of them in the end."""
    made: list[NaviyamLoRATrainerRefactored] = []

    def make(collector: Collector) -> NaviyamLoRATrainerRefactored:
        folder = tmp_path / str(len(made)) / "adapters"
        made.append(create_lora_trainer(plain, collector, {"output_dir": str(folder)}))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_the_collectors_own_count_says_whether_there_is_enough(trainers: Any) -> None:
    """Fifty valid samples by its statistics trigger a training, 49 do not, and no text is read for it."""
    collector = Said(valid(49))
    trainer = trainers(collector)
    assert trainer.scheduler.should_trigger_training() is False
    collector.statistics = valid(50)
    assert trainer.scheduler.should_trigger_training() is True
    assert collector.asked == []


@pytest.mark.parametrize("statistics", [None, {"quality_stats": {"valid_samples": "?"}}])
def test_statistics_that_say_nothing_are_replaced_by_the_records(trainers: Any, statistics: Any) -> None:
    """Where the number is not there, the good records themselves are counted, bad ones not."""
    collector = Said(statistics)
    collector.records = make_records(49) + [{**record, "quality_score": 0.1} for record in make_records(9)]
    trainer = trainers(collector)
    assert trainer.scheduler.should_trigger_training() is False
    collector.records = make_records(50)
    assert trainers(collector).scheduler.should_trigger_training() is True


def test_a_collector_without_statistics_is_counted_by_its_good_records(trainers: Any) -> None:
    """Fifty good records trigger a training, bad ones none."""
    collector = Collector([{**record, "quality_score": 0.1} for record in make_records(50)])
    trainer = trainers(collector)
    assert trainer.scheduler.should_trigger_training() is False
    collector.records = make_records(50)
    assert trainer.scheduler.should_trigger_training() is True
