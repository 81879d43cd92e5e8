"""``training.lora_deployment_manager`` as its callers know it."""

import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from training.lora_deployment_manager import LoRADeploymentManager

from .callers import GOOD, as_json, reads_like_a_dict, takes

Folders = Mapping[str, Path]
DEPLOYED = {"success", "adapter_name", "deployed_at", "performance", "production_path"}
ROLLED_BACK = {"success", "target_adapter", "rolled_back_from", "deployed_at"}


@pytest.fixture
def manager(tmp_path: Path, adapter_folders: Folders) -> LoRADeploymentManager:
    """A manager over three adapters that were copied there as plain folders."""
    for age, (name, folder) in enumerate(adapter_folders.items()):
        copied = shutil.copytree(folder, tmp_path / "lora_adapters" / name)
        os.utime(copied, (time.time() - 100 + age,) * 2)
    return LoRADeploymentManager(
        str(tmp_path / "lora_adapters"), str(tmp_path / "production"), str(tmp_path / "backups")
    )


def live_weights(tmp_path: Path) -> bytes:
    """What a reader of the production folder gets."""
    return (tmp_path / "production" / "current" / "adapter_model.safetensors").read_bytes()


def weights(folders: Folders, name: str) -> bytes:
    """What an adapter is."""
    return (folders[name] / "adapter_model.safetensors").read_bytes()


def test_every_call_takes_what_it_always_took() -> None:
    """Names, order and defaults of all parameters are the promised ones."""
    takes(
        LoRADeploymentManager.__init__,
        adapter_dir="./outputs/lora_adapters",
        production_dir="./outputs/production_adapters",
        backup_dir="./outputs/adapter_backups",
    )
    takes(LoRADeploymentManager.deploy_adapter, adapter_name=..., performance=..., force_deploy=False)
    takes(LoRADeploymentManager.rollback_adapter, target_adapter=None)
    takes(LoRADeploymentManager.cleanup_old_adapters, keep_count=5)
    takes(LoRADeploymentManager.get_deployment_history, limit=10)
    takes(LoRADeploymentManager.get_current_production_info)


def test_nothing_live_has_its_own_word(manager: LoRADeploymentManager) -> None:
    """Before the first deployment there is no production adapter, no history and no way back."""
    assert manager.get_current_production_info() == {"status": "no_production_adapter"}
    assert manager.get_deployment_history() == []
    back = manager.rollback_adapter()
    assert back["success"] is False
    assert back["error"]


def test_a_deployed_adapter_is_readable_in_production(
    manager: LoRADeploymentManager, tmp_path: Path, adapter_folders: Folders
) -> None:
    """The live adapter's files stand at ``production_dir/current``, and the result and the info say so."""
    result = manager.deploy_adapter("first", GOOD)
    reads_like_a_dict(result, DEPLOYED)
    assert result["success"] is True
    assert result["adapter_name"] == "first"
    assert result["performance"]["overall_score"] == 0.9
    assert (Path(result["production_path"]) / "adapter_config.json").is_file()
    assert live_weights(tmp_path) == weights(adapter_folders, "first")
    info = manager.get_current_production_info()
    keys = {"adapter_name", "production_path", "has_metadata", "deployed_at", "performance", "deployment_method"}
    reads_like_a_dict(info, keys | {"metadata"})
    assert (info["adapter_name"], info["has_metadata"], info["deployment_method"]) == ("first", True, "auto")
    assert info["metadata"]
    assert info["performance"]["overall_score"] == 0.9
    assert info["deployed_at"] == result["deployed_at"]


@pytest.mark.parametrize(
    "change", [{"overall_score": 0.69}, {"avg_response_time": 5.1}, {"test_cases_passed": 4}, {"valid": False}]
)
def test_a_refusal_has_a_reason_and_leaves_what_is_live(
    manager: LoRADeploymentManager, tmp_path: Path, adapter_folders: Folders, change: dict[str, Any]
) -> None:
    """Under 0.7, over 5 s, under half passed or invalid is refused with a reason, unless it is forced."""
    manager.deploy_adapter("first", GOOD)
    refused = manager.deploy_adapter("second", GOOD | change)
    assert refused["success"] is False
    assert refused["reason"]
    assert "error" not in refused
    assert refused["adapter_name"] == "second"
    assert live_weights(tmp_path) == weights(adapter_folders, "first")
    forced = manager.deploy_adapter("second", GOOD | change, force_deploy=True)
    assert forced["success"] is True
    assert manager.get_current_production_info()["deployment_method"] == "force"
    assert live_weights(tmp_path) == weights(adapter_folders, "second")


@pytest.mark.parametrize("name", ["nowhere", "../first", ""])
def test_a_failure_has_an_error_and_leaves_what_is_live(
    manager: LoRADeploymentManager, tmp_path: Path, adapter_folders: Folders, name: str
) -> None:
    """An adapter that is not there, or a name that could lead elsewhere, is told as an error and not raised."""
    manager.deploy_adapter("first", GOOD)
    failed = manager.deploy_adapter(name, GOOD, force_deploy=True)
    assert failed["success"] is False
    assert failed["error"]
    assert live_weights(tmp_path) == weights(adapter_folders, "first")


def test_the_way_back_leads_to_the_same_bytes(
    manager: LoRADeploymentManager, tmp_path: Path, adapter_folders: Folders
) -> None:
    """Without a target the one before is live again; with one, that; an unknown one is an error and changes nothing."""
    for name in ("first", "second", "third"):
        assert manager.deploy_adapter(name, GOOD)["success"]
    back = manager.rollback_adapter()
    reads_like_a_dict(back, ROLLED_BACK)
    assert (back["success"], back["target_adapter"], back["rolled_back_from"]) == (True, "second", "third")
    assert live_weights(tmp_path) == weights(adapter_folders, "second")
    back = manager.rollback_adapter("first")
    assert (back["target_adapter"], back["rolled_back_from"]) == ("first", "second")
    assert live_weights(tmp_path) == weights(adapter_folders, "first")
    assert manager.get_current_production_info()["deployment_method"] == "rollback"
    unknown = manager.rollback_adapter("never_there")
    assert unknown["success"] is False
    assert unknown["error"]
    assert live_weights(tmp_path) == weights(adapter_folders, "first")


def test_history_tells_newest_first_how_each_went_live(manager: LoRADeploymentManager, tmp_path: Path) -> None:
    """Each entry has what was live before and its method; the limit is kept; another process reads the same."""
    manager.deploy_adapter("first", GOOD)
    manager.deploy_adapter("second", GOOD, force_deploy=True)
    manager.rollback_adapter()
    history = manager.get_deployment_history()
    for entry in history:
        keys = {"adapter_name", "deployed_at", "performance", "previous_adapter", "deployment_method"}
        reads_like_a_dict(entry, keys)
    told = [(e["adapter_name"], e["previous_adapter"], e["deployment_method"]) for e in history]
    assert told == [("first", "second", "rollback"), ("second", "first", "force"), ("first", None, "auto")]
    assert manager.get_deployment_history(limit=2) == history[:2]
    again = LoRADeploymentManager(tmp_path / "lora_adapters", tmp_path / "production", tmp_path / "backups")
    assert [as_json(entry) for entry in again.get_deployment_history()] == [as_json(entry) for entry in history]


def test_a_name_may_be_used_again(manager: LoRADeploymentManager, tmp_path: Path, adapter_folders: Folders) -> None:
    """A second adapter under the same name goes live as itself, and the way back leads to the first one's bytes."""
    manager.deploy_adapter("first", GOOD)
    shutil.copytree(adapter_folders["third"], tmp_path / "lora_adapters" / "first", dirs_exist_ok=True)
    assert manager.deploy_adapter("first", GOOD)["success"]
    assert live_weights(tmp_path) == weights(adapter_folders, "third")
    assert manager.rollback_adapter()["success"]
    assert live_weights(tmp_path) == weights(adapter_folders, "first")


def test_cleaning_up_never_takes_the_live_one(
    manager: LoRADeploymentManager, tmp_path: Path, adapter_folders: Folders
) -> None:
    """Beyond ``keep_count`` old adapters go, the live one stays whatever its age, and the numbers add up."""
    manager.deploy_adapter("first", GOOD)
    result = manager.cleanup_old_adapters(keep_count=0)
    keys = {"success", "total_adapters", "kept_adapters", "deleted_adapters", "deleted_adapter_names"}
    reads_like_a_dict(result, keys | {"deleted_backups", "current_production"})
    assert result["success"] is True
    assert result["current_production"] == "first"
    assert sorted(result["deleted_adapter_names"]) == ["second", "third"]
    assert (result["total_adapters"], result["kept_adapters"], result["deleted_adapters"]) == (3, 1, 2)
    assert not (tmp_path / "lora_adapters" / "second").exists()
    assert (tmp_path / "lora_adapters" / "first").is_dir()
    assert live_weights(tmp_path) == weights(adapter_folders, "first")
    assert manager.cleanup_old_adapters()["deleted_adapters"] == 0


def test_an_adapter_that_is_cleaned_up_is_gone_wherever_it_was_kept(
    manager: LoRADeploymentManager, tmp_path: Path
) -> None:
    """One that was live long ago is counted once and goes with the folder the caller had it in."""
    for name in ("first", "second", "third"):
        manager.deploy_adapter(name, GOOD)
    result = manager.cleanup_old_adapters(keep_count=0)
    assert (result["total_adapters"], result["deleted_adapter_names"]) == (3, ["first"])
    left = sorted(path.name for path in (tmp_path / "lora_adapters").iterdir() if not path.name.startswith("."))
    assert "first" not in left
    assert {"second", "third"} <= set(left)


def test_old_backups_go(manager: LoRADeploymentManager, tmp_path: Path) -> None:
    """A replaced adapter is backed up; backups over 30 days are removed by the clean-up, younger ones stay."""
    for name in ("first", "second", "third"):
        manager.deploy_adapter(name, GOOD)
    backups = sorted(path for path in (tmp_path / "backups").iterdir() if path.is_dir())
    assert len(backups) == 2
    for path, days in zip(backups, (31, 29), strict=True):
        os.utime(path, (time.time() - days * 86400,) * 2)
    assert manager.cleanup_old_adapters()["deleted_backups"] == 1
    assert [path.exists() for path in backups] == [False, True]
