"""``training.lora_trainer_refactored`` as its callers know it."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from loraloop.testing.wrappers import Speaking
from training.lora_trainer_core import LoRATrainingConfig
from training.lora_trainer_refactored import (
    NaviyamLoRATrainerRefactored,
    RefactoredLoRAConfig,
    create_lora_trainer,
    start_auto_lora_training,
)

from .callers import Collector, holds_as_config, make_records, reads_like_a_dict, takes

TRAINING = dict(vars(LoRATrainingConfig()))


@pytest.fixture
def trainer(
    speaking: Speaking, adapter_folders: Mapping[str, Path], tmp_path: Path
) -> Iterator[NaviyamLoRATrainerRefactored]:
    """One with three adapters on disk."""
    for name, folder in adapter_folders.items():
        shutil.copytree(folder, tmp_path / "adapters" / name)
    config = {"output_dir": str(tmp_path / "adapters")}
    found = create_lora_trainer(speaking, Collector(make_records(8)), config_dict=config)
    yield found
    found.close()


def test_the_config_is_the_promised_one() -> None:
    """Every field has its promised default, is taken by place and by keyword, and stays assignable."""
    own = {
        "min_samples_for_training": 50,
        "max_samples_per_batch": 200,
        "quality_threshold": 0.7,
        "training_interval_hours": 6,
        "enable_auto_scheduling": True,
        "deployment_threshold": 0.7,
        "keep_adapter_count": 5,
    }
    holds_as_config(RefactoredLoRAConfig, TRAINING | own)


def test_every_call_takes_what_it_always_took() -> None:
    """Names, order and defaults of all parameters are the promised ones."""
    kind = NaviyamLoRATrainerRefactored
    takes(kind.__init__, model=..., config=..., data_collector=...)
    takes(kind.train_lora_adapter, adapter_name=..., training_data=..., validation_split=0.1)
    takes(kind.cleanup_old_adapters, keep_count=None)
    takes(kind.manual_trigger_training, adapter_name=None)
    takes(kind.rollback_adapter, target_adapter=None)
    takes(kind.force_deploy_adapter, adapter_name=...)
    takes(start_auto_lora_training, trainer=...)


def test_unknown_settings_are_refused_by_name(speaking: Speaking, tmp_path: Path) -> None:
    """A key that is no setting is named in the error."""
    with pytest.raises(ValueError, match="lora_rank"):
        create_lora_trainer(speaking, Collector([]), {"lora_rank": 8, "output_dir": str(tmp_path / "a")})


def test_status_report_and_statistics_have_their_keys(trainer: NaviyamLoRATrainerRefactored) -> None:
    """Before anything happened each tells what it always told, and starting returns to rest when stopped."""
    status = trainer.get_training_status()
    keys = {"is_training", "auto_training_enabled", "current_adapter", "scheduler", "production", "components"}
    reads_like_a_dict(status, keys)
    report = trainer.get_adapter_performance_report()
    keys = {"current_production", "recent_deployments", "total_deployments", "scheduler_stats"}
    reads_like_a_dict(report, keys)
    assert trainer.get_data_statistics()["count"] == 8
    assert trainer.manual_trigger_training("custom") is False
    start_auto_lora_training(trainer)
    assert trainer.auto_training_enabled is True
    trainer.stop_auto_training()
    assert trainer.auto_training_enabled is False


@pytest.mark.real
def test_forced_deployment_goes_live_and_back(trainer: NaviyamLoRATrainerRefactored) -> None:
    """A forced adapter is live whatever it scored, the way back works, and the live one outlives a clean-up."""
    for name in ("first", "second"):
        outcome: dict[str, Any] = trainer.force_deploy_adapter(name)
        assert outcome["success"] is True
    assert trainer.rollback_adapter()["target_adapter"] == "first"
    assert trainer.get_adapter_performance_report()["total_deployments"] == 3
    assert trainer.cleanup_old_adapters(0)["current_production"] == "first"


@pytest.mark.real
def test_the_better_of_two_is_named(trainer: NaviyamLoRATrainerRefactored) -> None:
    """Comparing gives the name of one of those asked about."""
    assert trainer.compare_adapter_performance(["first", "second"]) in ("first", "second")
