"""Adapter names are the caller's: capitals stay in every result, and no name leads out of the adapter folder."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from loraloop.testing.adapter_files import plain_adapter
from loraloop.testing.wrappers import Plain, Speaking
from training.lora_deployment_manager import LoRADeploymentManager
from training.lora_evaluator import LoRAEvaluator
from training.lora_scheduler import LoRAScheduler
from training.lora_trainer_core import LoRATrainerCore, LoRATrainingConfig

from .callers import GOOD, wait_for

WEIGHTS = "adapter_model.safetensors"

KELVIN = "\u212a2"
"""In lower case its first letter is a plain k."""
REFUSED = ["", ".", "..", "../x", "a/b", "/etc", ".hidden", "-x", "a b", "a\n", "\x00", "x" * 65, "나비얌", KELVIN,
           "Objects", "STAGING"]  # fmt: skip
"""Names that could lead elsewhere, or that no folder of the adapter folder may have."""


@pytest.fixture
def manager(tmp_path: Path) -> LoRADeploymentManager:
    """A manager over two adapters, one of them in a folder that somebody spelt with capitals."""
    for seed, name in enumerate(("Naviyam_V2", "other"), 1):
        plain_adapter(tmp_path / "adapters" / name, seed)
    return LoRADeploymentManager(tmp_path / "adapters", tmp_path / "production", tmp_path / "backups")


@pytest.fixture
def scheduler() -> Iterator[LoRAScheduler]:
    """One at rest, stopped in the end."""
    found = LoRAScheduler()
    yield found
    found.stop_auto_training()


def test_a_name_that_could_lead_elsewhere_is_refused_everywhere(
    manager: LoRADeploymentManager, scheduler: LoRAScheduler, plain: Plain, tmp_path: Path
) -> None:
    """Deploying and evaluating tell an error, training and triggering raise one, and no file is written."""
    plain_adapter(tmp_path / "x", 7)
    core = LoRATrainerCore(plain, LoRATrainingConfig(output_dir=str(tmp_path / "adapters")))
    manager.get_deployment_history()  # opens the database
    before = sorted(tmp_path.rglob("*"))
    for name in REFUSED:
        deployed = manager.deploy_adapter(name, GOOD, force_deploy=True)
        assert (deployed["success"], "cannot be the name" in deployed["error"]) == (False, True)
        found = LoRAEvaluator(plain).evaluate_adapter_performance(name, tmp_path / "x")
        assert (found["overall_score"], "cannot be the name" in found["error"]) == (0.0, True)
        for taking in (core.get_training_arguments, scheduler.manual_trigger_training):
            with pytest.raises(ValueError, match="cannot be the name"):
                taking(name)
        with pytest.raises(ValueError, match="cannot be the name"):
            core.train_lora_adapter(name, [])
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_capitals_stay_in_what_is_told(manager: LoRADeploymentManager, tmp_path: Path) -> None:
    """Results have the caller's spelling, the files are the folder's, and another spelling means the same adapter."""
    assert manager.deploy_adapter("Naviyam_V2", GOOD)["adapter_name"] == "Naviyam_V2"
    assert manager.get_current_production_info()["adapter_name"] == "Naviyam_V2"
    assert manager.deploy_adapter("other", GOOD)["success"] is True
    assert manager.rollback_adapter("NAVIYAM_v2")["target_adapter"] == "Naviyam_V2"
    history = [(entry["adapter_name"], entry["previous_adapter"]) for entry in manager.get_deployment_history()]
    assert history == [("Naviyam_V2", "other"), ("other", "Naviyam_V2"), ("Naviyam_V2", None)]
    assert manager.cleanup_old_adapters(0)["current_production"] == "Naviyam_V2"
    live, kept = (tmp_path / folder / WEIGHTS for folder in ("production/current", "adapters/Naviyam_V2"))
    assert live.read_bytes() == kept.read_bytes()


def test_the_same_weights_under_two_names_are_told_by_the_name_asked_for(
    manager: LoRADeploymentManager, tmp_path: Path
) -> None:
    """A second name for an adapter is deployed and gone back to as that name."""
    shutil.copytree(tmp_path / "adapters" / "Naviyam_V2", tmp_path / "adapters" / "again")
    for name in ("Naviyam_V2", "again"):
        assert manager.deploy_adapter(name, GOOD)["success"] is True
        assert manager.get_current_production_info()["adapter_name"] == name
    assert manager.rollback_adapter("Naviyam_V2")["success"] is True
    assert manager.rollback_adapter("again")["target_adapter"] == "again"


def test_an_adapter_is_evaluated_by_any_spelling(
    speaking: Speaking, adapter_folders: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Capitals in the name or in the folder make no difference."""
    monkeypatch.chdir(tmp_path)
    for folder, name in (("kept_low", "Kept_Low"), ("Kept_High", "kept_high")):
        shutil.copytree(adapter_folders["first"], tmp_path / "outputs" / "lora_adapters" / folder)
        evaluator = LoRAEvaluator(speaking)
        evaluator.test_cases = [{"input": "안녕하세요", "expected_keywords": [], "type": "greeting"}]
        assert "error" not in evaluator.evaluate_adapter_performance(name)


def test_callbacks_and_arguments_get_the_name(scheduler: LoRAScheduler, plain: Plain, tmp_path: Path) -> None:
    """A manual run hands on the caller's spelling; the folder of a training is in lower case."""
    heard: list[Any] = []
    scheduler.set_callbacks(lambda: [1], lambda name, data: heard.append(name) or {})
    scheduler.start_auto_training()
    assert scheduler.manual_trigger_training("Custom_V2") is True
    wait_for(lambda: scheduler.successful_runs == 1, 5)
    assert heard == ["Custom_V2"]
    core = LoRATrainerCore(plain, LoRATrainingConfig(output_dir=str(tmp_path)))
    assert Path(str(core.get_training_arguments("Custom_V2").output_dir)).name == "custom_v2"
