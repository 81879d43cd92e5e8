"""``training.lora_data_manager`` as its callers know it."""

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from loraloop.testing.wrappers import Plain, Speaking
from training.lora_data_manager import DataQualityConfig, LoRADataManager

from .callers import Collector, holds_as_config, make_records, takes


def test_the_config_is_the_promised_one() -> None:
    """Every field has its promised default, is taken by place and by keyword, and stays assignable."""
    holds_as_config(
        DataQualityConfig,
        {
            "min_input_length": 3,
            "min_response_length": 5,
            "quality_threshold": 0.7,
            "max_samples_per_batch": 200,
            "exclude_error_patterns": None,
        },
    )


def test_every_call_takes_what_it_always_took() -> None:
    """Names, order and defaults of all parameters are the promised ones."""
    takes(LoRADataManager.collect_training_data, days=7)
    takes(LoRADataManager.is_high_quality_data, data=...)
    takes(LoRADataManager.convert_to_training_samples, data_list=..., tokenizer=..., max_length=512)
    takes(LoRADataManager.get_data_statistics, data_list=...)
    assert LoRADataManager(Collector([]), None).collect_training_data() == []
    assert LoRADataManager(data_collector=Collector([]), quality_config=DataQualityConfig()) is not None


@pytest.mark.parametrize(
    ("change", "good"),
    [
        ({}, True),
        ({"user_input": "밥줘"}, False),
        ({"user_input": "밥 줘"}, True),
        ({"bot_response": "네 그래"}, False),
        ({"bot_response": "네 그래요"}, True),
        ({"user_input": ""}, False),
        ({"bot_response": None}, False),
        ({"quality_score": 0.7}, True),
        ({"quality_score": 0.69}, False),
        ({"bot_response": "죄송합니다. 지금은 추천할 수 없어요."}, False),
        ({"bot_response": "I'm SORRY, an error occurred."}, False),
        ({"user_input": "죄송합니다만 점심 추천해 주세요"}, True),
    ],
)
def test_a_record_is_good_or_not(records: list[dict[str, Any]], change: dict[str, Any], good: bool) -> None:
    """Texts at the least length and a score at the threshold pass; apologies and errors in the answer do not."""
    assert LoRADataManager(Collector([])).is_high_quality_data(records[0] | change) is good


@pytest.mark.parametrize("key", ["user_input", "bot_response", "quality_score"])
def test_a_record_without_one_of_its_keys_is_no_good(records: list[dict[str, Any]], key: str) -> None:
    """What is missing is not guessed."""
    del records[0][key]
    assert LoRADataManager(Collector([])).is_high_quality_data(records[0]) is False


def test_own_phrases_take_the_place_of_the_built_in_list(records: list[dict[str, Any]]) -> None:
    """A caller's list is the whole list, and what is assigned to the config later counts from then on."""
    config = DataQualityConfig(exclude_error_patterns=["국수"])
    manager = LoRADataManager(Collector([]), config)
    sorry = records[0] | {"bot_response": "죄송합니다, 김밥은 어때요?"}
    assert manager.is_high_quality_data(records[0]) is False
    assert manager.is_high_quality_data(sorry) is True
    config.exclude_error_patterns = None
    assert manager.is_high_quality_data(records[0]) is True
    assert manager.is_high_quality_data(sorry) is False
    config.quality_threshold = 0.95
    assert manager.is_high_quality_data(records[0]) is False


def test_collecting_keeps_the_newest_and_changes_nothing_of_the_callers() -> None:
    """Over the limit the newest good records stay, times as datetimes and as text alike; the caller's stay as is."""
    records = make_records(10)
    before = copy.deepcopy(records)
    shuffled = [records[n] for n in (9, 2, 5, 0, 7, 4, 1, 8, 3, 6)]
    collector = Collector(shuffled)
    manager = LoRADataManager(collector, DataQualityConfig(max_samples_per_batch=4))
    found = manager.collect_training_data(days=3)
    assert collector.asked == [3]
    assert {row["user_input"] for row in found} == {row["user_input"] for row in records[6:]}
    assert all(set(row) == set(records[0]) for row in found)
    assert records == before
    manager.collect_training_data()
    assert collector.asked == [3, 7]


def test_times_with_and_without_a_zone_are_put_in_order() -> None:
    """A naive time, a UTC time and a time of another zone can stand in one collection."""
    hour = datetime(2026, 1, 1, 12, tzinfo=UTC)
    times = [hour.replace(tzinfo=None), (hour + timedelta(hours=1)).isoformat(), "2026-01-01T23:00:00+09:00"]
    records = [one | {"timestamp": moment} for one, moment in zip(make_records(3), times, strict=True)]
    found = LoRADataManager(Collector(records), DataQualityConfig(max_samples_per_batch=2)).collect_training_data()
    assert [row["user_input"] for row in found] == [row["user_input"] for row in records[1:]]


def test_what_is_no_record_is_ignored(records: list[dict[str, Any]]) -> None:
    """Anything else among the records is passed over, not stumbled over."""
    others: list[Any] = [None, "text", 3, {}, {"messages": []}, {"user_input": 5, "bot_response": ["x"]}]
    found = LoRADataManager(Collector([*others, *records])).collect_training_data()
    assert len(found) == len(records)


def test_samples_are_tokenised_for_training(plain: Plain, speaking: Speaking, records: list[dict[str, Any]]) -> None:
    """Each good record gives ids, a mask and labels of one length; loss is on the answer, which is kept whole."""
    samples = LoRADataManager(Collector([])).convert_to_training_samples(records, plain.tokenizer)
    assert len(samples) == len(records)
    for sample, record in zip(samples, records, strict=True):
        assert set(sample) == {"input_ids", "attention_mask", "labels"}
        assert len(sample["input_ids"]) == len(sample["attention_mask"]) == len(sample["labels"]) <= 512
        assert set(sample["attention_mask"]) == {1}
        answer = plain.tokenizer.decode([label for label in sample["labels"] if label != -100])
        assert record["bot_response"] in answer
        assert record["user_input"] not in answer
        assert all(label in (-100, token) for token, label in zip(sample["input_ids"], sample["labels"], strict=True))


def test_the_longest_sample_is_the_callers_choice(plain: Plain, records: list[dict[str, Any]]) -> None:
    """The prompt gives way to ``max_length``, the answer never does; what cannot fit is left out."""
    manager = LoRADataManager(Collector([]))
    long = records[0] | {"user_input": "점심 추천해 줘 " * 60}
    (sample,) = manager.convert_to_training_samples([long], plain.tokenizer, max_length=100)
    assert len(sample["input_ids"]) <= 100
    assert records[0]["bot_response"] in plain.tokenizer.decode(sample["input_ids"])
    endless = records[0] | {"bot_response": "국수가 좋아요. " * 100}
    assert manager.convert_to_training_samples([endless], plain.tokenizer, 64) == []
    assert manager.convert_to_training_samples([], plain.tokenizer) == []


def test_statistics_tell_lengths_and_scores(records: list[dict[str, Any]]) -> None:
    """Counts, average lengths in characters and scores are those of the list; an empty one has a count alone."""
    manager = LoRADataManager(Collector([]))
    two = [
        records[0] | {"user_input": "1234", "bot_response": "123456", "quality_score": 0.8},
        records[1] | {"user_input": "12", "bot_response": "12", "quality_score": 1.0},
    ]
    assert manager.get_data_statistics(two) == {
        "count": 2,
        "avg_input_length": 3.0,
        "avg_response_length": 4.0,
        "avg_quality_score": pytest.approx(0.9),
        "min_quality_score": 0.8,
        "max_quality_score": 1.0,
    }
    assert manager.get_data_statistics([]) == {"count": 0}
