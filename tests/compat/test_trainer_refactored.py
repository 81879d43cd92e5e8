"""``training.lora_trainer_refactored`` as its callers know it."""

import json
import shutil
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from loraloop.testing.wrappers import Plain, Speaking
from training.lora_data_manager import LoRADataManager
from training.lora_deployment_manager import LoRADeploymentManager
from training.lora_evaluator import LoRAEvaluator
from training.lora_scheduler import LoRAScheduler
from training.lora_trainer_core import LoRATrainerCore, LoRATrainingConfig
from training.lora_trainer_refactored import (
    NaviyamLoRATrainerRefactored,
    RefactoredLoRAConfig,
    create_lora_trainer,
    start_auto_lora_training,
)

from .callers import GOOD, TRAINING_KEYS, Collector, holds_as_config, make_records, reads_like_a_dict, takes

TRAINING = dict(vars(LoRATrainingConfig()))
DEPLOYED = {"success", "adapter_name", "deployed_at", "performance", "production_path"}
WEIGHTS = "adapter_model.safetensors"


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
    takes(kind.compare_adapter_performance, names=...)
    takes(kind.start_auto_training)
    takes(kind.stop_auto_training)
    takes(create_lora_trainer, model=..., data_collector=..., config=None)
    takes(start_auto_lora_training, trainer=...)


def test_it_is_made_of_the_five_components(speaking: Speaking, tmp_path: Path) -> None:
    """Each stands under its promised attribute and is of the class that its own path gives; at first nothing runs."""
    config = RefactoredLoRAConfig(output_dir=str(tmp_path / "adapters"))
    made = NaviyamLoRATrainerRefactored(speaking, config, Collector([]))
    kinds = (LoRADataManager, LoRATrainerCore, LoRAEvaluator, LoRAScheduler, LoRADeploymentManager)
    names = ("data_manager", "trainer_core", "evaluator", "scheduler", "deployment_manager")
    assert all(type(getattr(made, name)) is kind for name, kind in zip(names, kinds, strict=True))
    assert (made.is_training, made.auto_training_enabled) == (False, False)
    made.close()


def test_unknown_settings_are_refused_by_name(speaking: Speaking, tmp_path: Path) -> None:
    """A key that is no setting is named in the error."""
    with pytest.raises(ValueError, match="lora_rank"):
        create_lora_trainer(speaking, Collector([]), {"lora_rank": 8, "output_dir": str(tmp_path / "a")})


def oldest_config(**settings: Any) -> Any:
    """A config object of the oldest trainer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        from training.lora_trainer import LoRATrainingConfig as Oldest
    return Oldest(**settings)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("made", "switch"),
    [
        (dict, "enable_auto_scheduling"),
        (RefactoredLoRAConfig, "enable_auto_scheduling"),
        (oldest_config, "auto_training_enabled"),
    ],
)
def test_a_config_of_either_generation_reaches_the_components(
    speaking: Speaking, tmp_path: Path, made: Any, switch: str
) -> None:
    """A dict and config objects of both trainers give the same settings to data manager, trainer and scheduler."""
    own = {"lora_r": 7, "quality_threshold": 0.95, "training_interval_hours": 2, "min_samples_for_training": 5}
    config = made(output_dir=str(tmp_path / "adapters"), **{switch: False}, **own)
    trainer = create_lora_trainer(speaking, Collector([]), config)
    record = make_records(1)[0]
    assert trainer.trainer_core.get_training_status()["config"]["lora_r"] == 7
    assert trainer.data_manager.is_high_quality_data(record) is False
    told = trainer.get_training_status()["scheduler"]["config"]
    assert (told["training_interval_hours"], told["min_samples_for_training"]) == (2, 5)
    assert told["enable_auto_scheduling"] is False
    trainer.config.quality_threshold = 0.9
    assert trainer.data_manager.is_high_quality_data(record) is True
    trainer.close()


def test_the_training_config_alone_leaves_the_rest_at_its_defaults(speaking: Speaking, tmp_path: Path) -> None:
    """A config of the trainer core has no schedule of its own; an object that is no config is refused."""
    trainer = create_lora_trainer(speaking, Collector([]), LoRATrainingConfig(output_dir=str(tmp_path / "adapters")))
    assert trainer.get_training_status()["scheduler"]["config"]["min_samples_for_training"] == 50
    trainer.close()
    with pytest.raises(ValueError, match="no config"):
        create_lora_trainer(speaking, Collector([]), object())


def test_a_manual_run_is_accepted_once_it_was_started(speaking: Speaking, tmp_path: Path) -> None:
    """Before the start a manual trigger is refused, after it accepted, after the stop refused again."""
    trainer = create_lora_trainer(speaking, Collector([]), {"output_dir": str(tmp_path / "adapters")})
    assert trainer.manual_trigger_training("custom") is False
    trainer.start_auto_training()
    assert trainer.manual_trigger_training() is True
    assert trainer.manual_trigger_training(adapter_name="custom") is True
    trainer.stop_auto_training()
    assert trainer.manual_trigger_training("custom") is False
    trainer.close()


def test_status_report_and_statistics_have_their_keys(trainer: NaviyamLoRATrainerRefactored) -> None:
    """Before anything happened each tells what it always told, and starting returns to rest when stopped."""
    status = trainer.get_training_status()
    keys = {"is_training", "auto_training_enabled", "current_adapter", "scheduler", "production", "components"}
    reads_like_a_dict(status, keys)
    report = trainer.get_adapter_performance_report()
    keys = {"current_production", "recent_deployments", "total_deployments", "scheduler_stats"}
    reads_like_a_dict(report, keys)
    assert trainer.get_data_statistics()["count"] == 8
    start_auto_lora_training(trainer)
    assert trainer.auto_training_enabled is True
    trainer.stop_auto_training()
    assert trainer.auto_training_enabled is False


def test_what_was_live_is_gone_back_to_by_name(
    trainer: NaviyamLoRATrainerRefactored, adapter_folders: Mapping[str, Path], tmp_path: Path
) -> None:
    """A named adapter that was live before is live again, with the same bytes; an unknown one is an error."""
    for name in ("first", "second", "third"):
        assert trainer.deployment_manager.deploy_adapter(name, GOOD)["success"] is True
    back = trainer.rollback_adapter("first")
    reads_like_a_dict(back, {"success", "target_adapter", "rolled_back_from", "deployed_at"})
    assert (back["success"], back["target_adapter"], back["rolled_back_from"]) == (True, "first", "third")
    live, kept = (
        folder / WEIGHTS for folder in (tmp_path / "production_adapters" / "current", adapter_folders["first"])
    )
    assert live.read_bytes() == kept.read_bytes()
    assert trainer.rollback_adapter("never_there")["success"] is False
    assert trainer.get_training_status()["production"]["adapter_name"] == "first"


def test_cleaning_up_keeps_as_many_as_the_config_says(trainer: NaviyamLoRATrainerRefactored) -> None:
    """Without a number ``keep_adapter_count`` holds, as it is now; a number given goes before it."""
    assert trainer.cleanup_old_adapters()["kept_adapters"] == 3
    trainer.config.keep_adapter_count = 2
    assert trainer.cleanup_old_adapters()["kept_adapters"] == 2
    assert trainer.cleanup_old_adapters(keep_count=1)["kept_adapters"] == 1


@pytest.mark.real
def test_beside_a_live_adapter_the_gate_answers_too(trainer: NaviyamLoRATrainerRefactored) -> None:
    """Evaluated while another is live, both answer the same cases, and the gate's word is a rule of the decision."""
    assert "gate" not in trainer.evaluator.evaluate_adapter_performance("second")
    trainer.deployment_manager.deploy_adapter("first", GOOD)
    beside = trainer.evaluator.evaluate_adapter_performance("second")
    assert beside["live"]["total_test_cases"] == beside["total_test_cases"]
    assert "cases passed beside live" in {rule["rule"] for rule in beside["gate"]["rules"]}
    assert trainer.compare_adapter_performance(["first", "second"]) in {"first", "second"}
    outcome = trainer.force_deploy_adapter("second")
    assert outcome["success"] is True
    assert "gate" in outcome["performance"]


@pytest.mark.real
def test_forced_deployment_goes_live_and_back(trainer: NaviyamLoRATrainerRefactored) -> None:
    """A forced adapter is live whatever it scored, the way back works, and the live one outlives a clean-up."""
    for name in ("first", "second"):
        outcome: dict[str, Any] = trainer.force_deploy_adapter(name)
        assert outcome["success"] is True
        reads_like_a_dict(outcome, DEPLOYED)
        assert trainer.get_training_status()["production"]["deployment_method"] == "force"
    assert trainer.rollback_adapter()["target_adapter"] == "first"
    assert trainer.get_adapter_performance_report()["total_deployments"] == 3
    assert trainer.cleanup_old_adapters(0)["current_production"] == "first"


class Guide(Plain):
    """Answers in a whole sentence that holds a number of its model's: every change of the weights changes it."""

    def generate_response(self, prompt: str, max_length: int = 150) -> str:
        """A sentence with the keyword that is expected, and the number."""
        import torch

        ids = self.tokenizer(prompt, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            number = int(self.model(ids).logits.double().abs().sum() * 1e6)
        return f"따뜻한 국수를 추천해요. 가게는 {number}번 골목에 있어요."


@pytest.mark.real
def test_a_trained_adapter_that_is_good_enough_goes_live_by_itself(tiny_base: Path, tmp_path: Path) -> None:
    """Training tells a good performance and an unforced deployment; its files are live, again under the same name."""
    config = {"output_dir": str(tmp_path / "adapters"), "learning_rate": 0.01, "target_modules": ["q_proj"]}
    trainer = create_lora_trainer(Guide(tiny_base), Collector(make_records(8)), config)
    trainer.evaluator.test_cases = [{"input": "점심 추천해 줘", "expected_keywords": ["국수"], "type": "meal"}]
    result = trainer.train_lora_adapter("Naviyam_V2", [], 0.25)
    reads_like_a_dict(result, TRAINING_KEYS | {"performance", "deployment"})
    assert (result["adapter_name"], result["train_samples"], result["eval_samples"]) == ("Naviyam_V2", 6, 2)
    assert result["performance"]["overall_score"] > 0.7
    reads_like_a_dict(result["deployment"], DEPLOYED)
    assert (result["deployment"]["success"], result["deployment"]["adapter_name"]) == (True, "Naviyam_V2")
    live, kept = (
        Path(folder) / WEIGHTS for folder in (result["deployment"]["production_path"], result["adapter_path"])
    )
    assert live.read_bytes() == kept.read_bytes()
    modules = json.loads((Path(result["adapter_path"]) / "adapter_config.json").read_text())["target_modules"]
    assert modules == ["q_proj"]
    info = trainer.get_training_status()["production"]
    assert (info["adapter_name"], info["deployment_method"]) == ("Naviyam_V2", "auto")
    first = live.read_bytes()
    again = trainer.train_lora_adapter("Naviyam_V2", [], 0.5)
    assert again["adapter_path"] == result["adapter_path"]
    assert again["deployment"]["success"] is True
    assert live.read_bytes() == kept.read_bytes() != first
    recent = trainer.get_adapter_performance_report()["recent_deployments"]
    assert [(one["adapter_name"], one["deployment_method"]) for one in recent] == [("Naviyam_V2", "auto")] * 2
    trainer.close()


@pytest.mark.real
def test_the_better_of_two_is_named(trainer: NaviyamLoRATrainerRefactored) -> None:
    """Comparing gives the name of one of those asked about."""
    assert trainer.compare_adapter_performance(["first", "second"]) in ("first", "second")
