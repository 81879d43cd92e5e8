"""``training.lora_trainer``, the oldest path, as its callers know it."""

import importlib
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from loraloop.testing.wrappers import Speaking

from .callers import PERFORMANCE_KEYS, Collector, holds_as_config, make_records, reads_like_a_dict, takes


@pytest.fixture(scope="module")
def oldest() -> ModuleType:
    """The module, its warning aside."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return importlib.import_module("training.lora_trainer")


@pytest.fixture(scope="module")
def trainer(oldest: ModuleType, speaking: Speaking, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One with eight good records to collect."""
    folder = tmp_path_factory.mktemp("oldest") / "adapters"
    found = oldest.NaviyamLoRATrainer(
        speaking, oldest.LoRATrainingConfig(output_dir=str(folder)), Collector(make_records(8))
    )
    yield found
    found.close()


def test_importing_it_names_the_new_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """The import warns that it is deprecated and says what to use."""
    monkeypatch.delitem(sys.modules, "training.lora_trainer", raising=False)
    with pytest.warns(DeprecationWarning, match="lora_trainer_refactored"):
        importlib.import_module("training.lora_trainer")


def test_the_config_has_the_older_fields_too(oldest: ModuleType) -> None:
    """Beside the training fields there are those of collecting and scheduling, assignable."""
    from training.lora_trainer_core import LoRATrainingConfig

    own = {
        "min_samples_for_training": 50,
        "max_samples_per_batch": 200,
        "quality_threshold": 0.7,
        "training_interval_hours": 6,
        "auto_training_enabled": True,
        "max_daily_trainings": 4,
    }
    holds_as_config(oldest.LoRATrainingConfig, dict(vars(LoRATrainingConfig())) | own)
    takes(oldest.NaviyamLoRATrainer.train_lora_adapter, adapter_name=..., training_data=..., save_best=True)


def test_status_and_report_have_their_keys(trainer: Any) -> None:
    """Both tell what they always told, before anything was trained."""
    keys = {"is_training", "last_training_time", "current_adapter_version", "active_adapters"}
    keys |= {"training_history_count", "auto_training_enabled", "next_training_check"}
    reads_like_a_dict(trainer.get_training_status(), keys)
    report = trainer.get_adapter_performance_report()
    reads_like_a_dict(report, {"total_adapters", "best_adapter", "average_score", "performance_history"})
    assert {"name", "score"} <= set(report["best_adapter"])


def test_data_is_collected_judged_and_converted(trainer: Any) -> None:
    """The calls with an underscore that old callers reach for answer as they did."""
    record = make_records(1)[0]
    assert trainer._is_high_quality_data(record) is True
    assert {"input_ids", "attention_mask", "labels"} <= set(trainer._convert_to_training_sample(record))
    assert len(trainer._collect_training_data()) == 8
    assert trainer._should_trigger_training() is False


@pytest.mark.real
def test_records_and_samples_train_and_the_adapter_can_be_measured_and_deployed(trainer: Any) -> None:
    """Raw and tokenised rows train together; the result, the attributes and the measuring are the older ones."""
    rows = make_records(8)
    mixed = [*rows[:4], *(trainer._convert_to_training_sample(row) for row in rows[4:])]
    result = trainer.train_lora_adapter("old_adapter", mixed)
    keys = {"status", "training_loss", "training_duration_minutes", "training_samples", "eval_samples"}
    reads_like_a_dict(result, keys | {"adapter_path", "timestamp"})
    assert result["status"] == "completed"
    assert result["training_samples"] + result["eval_samples"] == 8
    assert Path(result["adapter_path"]).exists()
    assert len(trainer.training_history) == trainer.current_adapter_version == 1
    assert "old_adapter" in trainer.active_adapters
    assert trainer.last_training_time is not None
    performance = trainer._evaluate_adapter_performance("old_adapter")
    own = {"individual_scores", "test_count", "evaluation_timestamp"}
    reads_like_a_dict(performance, PERFORMANCE_KEYS | own)
    assert "old_adapter" in trainer.adapter_performance
    assert trainer._should_deploy_new_adapter("old_adapter", {"overall_score": 0.1}) is False
    assert trainer._should_deploy_new_adapter("old_adapter", {"overall_score": 0.99}) is True
    trainer._deploy_adapter("old_adapter")
    assert trainer.get_adapter_performance_report()["current_production"]["adapter_name"] == "old_adapter"
