"""``training.lora_trainer``, the oldest path, as its callers know it."""

import importlib
import sys
import warnings
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from loraloop.testing.wrappers import Speaking

from .callers import PERFORMANCE_KEYS, Collector, holds_as_config, make_records, reads_like_a_dict, takes, wait_for


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


def test_everything_of_the_refactored_trainer_is_there_too(oldest: ModuleType, trainer: Any) -> None:
    """Its methods and attributes are those of the refactored one, and the attributes of its own are empty at first."""
    from training.lora_trainer_refactored import NaviyamLoRATrainerRefactored

    assert isinstance(trainer, NaviyamLoRATrainerRefactored)
    takes(oldest.NaviyamLoRATrainer.__init__, model=..., config=..., data_collector=...)
    assert trainer.get_data_statistics()["count"] == 8
    assert trainer.manual_trigger_training("custom") is False
    assert trainer.rollback_adapter("never_there")["success"] is False
    assert trainer.compare_adapter_performance(["never_there"]) == ""
    assert (trainer.training_history, trainer.active_adapters, trainer.adapter_performance) == ([], {}, {})
    assert (trainer.current_adapter_version, trainer.last_training_time) == (0, None)


def test_an_adapter_that_is_not_there_is_told_in_the_older_keys(trainer: Any) -> None:
    """Evaluating one scores nothing and has an error; deploying one is a ValueError, as is a name that leads away."""
    performance = trainer._evaluate_adapter_performance("never_there")
    keys = {"overall_score", "individual_scores", "test_count", "evaluation_timestamp"}
    reads_like_a_dict(performance, keys)
    assert (performance["overall_score"], performance["individual_scores"]) == (0.0, [])
    assert performance["error"]
    assert trainer.adapter_performance == {}
    for name in ("never_there", "../adapters"):
        with pytest.raises(ValueError, match="adapter"):
            trainer._deploy_adapter(name)


def test_after_the_last_training_of_a_day_only_what_is_asked_for_is_trained(
    oldest: ModuleType, speaking: Speaking, tmp_path: Path
) -> None:
    """``max_daily_trainings`` of today stop automatic runs until tomorrow, yesterday's do not; manual runs are done."""
    config = oldest.LoRATrainingConfig(
        output_dir=str(tmp_path / "adapters"), min_samples_for_training=8, max_daily_trainings=2
    )
    trainer = oldest.NaviyamLoRATrainer(speaking, config, Collector(make_records(8)))
    now, asked = datetime.now(), []
    trainer.training_history += [{"timestamp": now - timedelta(days=1)}, {"timestamp": now}]
    assert trainer._should_trigger_training() is True
    trainer.training_history.append({"timestamp": now})
    assert trainer._should_trigger_training() is False
    trainer.scheduler.set_callbacks(
        trainer=lambda name, data: asked.append(name) or {},
        evaluator=lambda name: {"overall_score": 0.1},
        deployment_manager=lambda name, performance: {"success": False, "reason": "not good enough"},
    )
    trainer.start_auto_training()
    assert trainer.manual_trigger_training("custom") is True
    wait_for(lambda: trainer.scheduler.successful_runs == 1, 10)
    trainer.close()
    assert asked == ["custom"]
    config.max_daily_trainings = 3
    assert trainer.scheduler.config.frozen().enable_auto_scheduling is True


def test_auto_training_that_is_off_is_not_started(oldest: ModuleType, speaking: Speaking, tmp_path: Path) -> None:
    """With ``auto_training_enabled`` off nothing is due and starting starts nothing."""
    config = oldest.LoRATrainingConfig(
        output_dir=str(tmp_path / "adapters"), min_samples_for_training=1, auto_training_enabled=False
    )
    trainer = oldest.NaviyamLoRATrainer(speaking, config, Collector(make_records(8)))
    assert trainer._should_trigger_training() is False
    trainer.start_auto_training()
    assert trainer.get_training_status()["auto_training_enabled"] is False
    assert trainer.scheduler.is_running is False
    trainer.close()


@pytest.mark.real
def test_records_and_samples_train_and_the_adapter_can_be_measured_and_deployed(trainer: Any) -> None:
    """Raw and tokenised rows train together; the result, the attributes and the measuring are the older ones."""
    rows = make_records(8)
    mixed = [*rows[:4], *(trainer._convert_to_training_sample(row) for row in rows[4:])]
    result = trainer.train_lora_adapter("old_adapter", mixed)
    keys = {"status", "training_loss", "training_duration_minutes", "training_samples", "eval_samples"}
    reads_like_a_dict(result, keys | {"adapter_path", "timestamp"})
    assert result["status"] == "completed"
    assert (result["training_samples"], result["eval_samples"]) == (7, 1)
    assert result["eval_loss"] > 0
    assert Path(result["adapter_path"]).exists()
    assert len(trainer.training_history) == trainer.current_adapter_version == 1
    assert "old_adapter" in trainer.active_adapters
    assert trainer.last_training_time is not None
    performance = trainer._evaluate_adapter_performance("old_adapter")
    own = {"individual_scores", "test_count", "evaluation_timestamp"}
    reads_like_a_dict(performance, PERFORMANCE_KEYS | own)
    assert "old_adapter" in trainer.adapter_performance
    assert performance["test_count"] == len(trainer.evaluator.test_cases) == len(performance["individual_scores"])
    report = trainer.get_adapter_performance_report()
    score = performance["overall_score"]
    assert report["best_adapter"] == {"name": "old_adapter", "score": score}
    assert (report["total_adapters"], report["average_score"]) == (1, score)
    assert len(report["performance_history"]) == 1
    assert trainer._should_deploy_new_adapter("old_adapter", {"overall_score": 0.1}) is False
    assert trainer._should_deploy_new_adapter("old_adapter", {"overall_score": 0.99}) is True
    trainer._deploy_adapter("old_adapter")
    assert trainer.get_adapter_performance_report()["current_production"]["adapter_name"] == "old_adapter"


@pytest.mark.real
def test_where_the_last_weights_are_wanted_no_row_is_held_out(trainer: Any) -> None:
    """With ``save_best=False`` all rows are trained and the last weights kept; the status goes on counting."""
    before = trainer.current_adapter_version
    result = trainer.train_lora_adapter("last_kept", make_records(8), save_best=False)
    assert (result["training_samples"], result["eval_samples"], result["eval_loss"]) == (8, 0, None)
    status = trainer.get_training_status()
    assert status["current_adapter_version"] == before + 1
    assert "last_kept" in status["active_adapters"]
    assert status["last_training_time"] == result["timestamp"].isoformat()
    assert status["training_history_count"] == len(trainer.training_history)
