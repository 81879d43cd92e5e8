"""Deploying by name, as older callers do."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from loraloop.deploy.manager import LoRADeploymentManager
from loraloop.testing.adapter_files import plain_adapter
from loraloop.testing.clock import MovedClock

GOOD: dict[str, Any] = {
    "overall_score": 0.9,
    "avg_response_time": 1.0,
    "test_cases_passed": 9,
    "total_test_cases": 10,
}


@pytest.fixture
def folder(manager: LoRADeploymentManager) -> Path:
    """The adapter folder, with plain folders ``v1`` (oldest) to ``v5``."""
    for number in range(1, 6):
        made = plain_adapter(manager.adapter_dir / f"v{number}", number)
        os.utime(made, (number * 1000, number * 1000))
    return manager.adapter_dir


def test_a_good_performance_deploys(manager: LoRADeploymentManager, folder: Path) -> None:
    """A folder put there by anybody goes live by name, and its files are readable at ``current``."""
    told = manager.deploy_adapter("v1", GOOD)
    assert told["success"] is True
    assert {"adapter_name", "deployed_at", "performance", "production_path"} <= set(told)
    weights = "adapter_model.safetensors"
    assert (Path(told["production_path"]) / weights).read_bytes() == (folder / "v1" / weights).read_bytes()


@pytest.mark.parametrize(
    "change", [{"overall_score": 0.69}, {"avg_response_time": 5.1}, {"test_cases_passed": 4}, {"error": "x"}]
)
def test_a_bad_performance_is_refused_unless_forced(
    manager: LoRADeploymentManager, folder: Path, change: dict[str, Any]
) -> None:
    """Beyond a threshold the answer is no, with the reason; forcing is written into the history."""
    told = manager.deploy_adapter("v1", {**GOOD, **change})
    assert (told["success"], bool(told["reason"])) == (False, True)
    assert manager.get_deployment_history() == []
    assert manager.deploy_adapter("v1", {**GOOD, **change}, force_deploy=True)["success"] is True
    assert manager.get_deployment_history()[0]["deployment_method"] == "force"


@pytest.mark.parametrize("name", ["../x", "/etc", "..", "", "a/b", "A", "missing", "x" * 65, "\x00", "objects"])
def test_a_name_that_leads_elsewhere_is_refused(manager: LoRADeploymentManager, folder: Path, name: str) -> None:
    """Names outside the rule, or of nothing, give an error and write nothing, even when forced."""
    plain_adapter(manager.adapter_dir.parent / "x", 7)
    told = manager.deploy_adapter(name, GOOD, force_deploy=True)
    assert (told["success"], bool(told["error"])) == (False, True)
    assert not manager.production_dir.exists()


def test_code_in_an_adapter_folder_is_refused(manager: LoRADeploymentManager, folder: Path) -> None:
    """A pickle beside the weights keeps an adapter from being deployed."""
    (folder / "v1" / "adapter_model.bin").write_bytes(b"\x80\x04.")
    assert "could run code" in manager.deploy_adapter("v1", GOOD)["error"]


def test_the_history_is_told_newest_first(manager: LoRADeploymentManager, folder: Path, clock: MovedClock) -> None:
    """Each deployment names the one before it and its method; the limit cuts the older ones off."""
    for name in ("v1", "v2"):
        clock.move(seconds=1)
        manager.deploy_adapter(name, GOOD)
    manager.rollback_adapter()
    told = manager.get_deployment_history()
    assert [(one["adapter_name"], one["previous_adapter"], one["deployment_method"]) for one in told] == [
        ("v1", "v2", "rollback"),
        ("v2", "v1", "auto"),
        ("v1", None, "auto"),
    ]
    assert len(manager.get_deployment_history(limit=1)) == 1
    assert told[1]["performance"] == GOOD


def deploy_in_turn(manager: LoRADeploymentManager, clock: MovedClock, *names: str) -> None:
    """Deploy adapters one after another, a second apart."""
    for name in names:
        clock.move(seconds=1)
        manager.deploy_adapter(name, GOOD)


def test_clean_up_keeps_the_newest_and_what_serves(manager: LoRADeploymentManager, folder: Path) -> None:
    """With the oldest of five adapters live and two to keep, it and the newest stay; each counts once."""
    manager.deploy_adapter("v1", GOOD)
    os.utime(folder / "v1", (1000, 1000))
    said = manager.cleanup_old_adapters(keep_count=2, dry_run=True)
    assert all((folder / f"v{number}").is_dir() for number in range(1, 6))
    told = manager.cleanup_old_adapters(keep_count=2)
    assert told["deleted_adapter_names"] == said["deleted_adapter_names"]
    assert (folder / "v1").is_dir()
    assert "v1" not in told["deleted_adapter_names"]
    assert (told["success"], told["total_adapters"], told["current_production"]) == (True, 5, "v1")
    assert told["kept_adapters"] + told["deleted_adapters"] == 5
    assert (manager.production_dir / "current" / "adapter_config.json").is_file()
    assert (folder / "v5").is_dir()


def test_nothing_at_all_may_be_kept_but_what_serves(
    manager: LoRADeploymentManager, folder: Path, clock: MovedClock
) -> None:
    """With zero to keep, the live adapter and the one before it remain, and a rollback still works."""
    deploy_in_turn(manager, clock, "v1", "v2", "v3")
    told = manager.cleanup_old_adapters(keep_count=0)
    assert sorted(told["deleted_adapter_names"]) == ["v1", "v4", "v5"]
    assert sorted(path.name for path in folder.glob("v?")) == ["v2", "v3"]
    assert manager.rollback_adapter()["target_adapter"] == "v2"


def test_a_folder_that_was_filled_anew_is_not_taken_for_what_it_was(
    manager: LoRADeploymentManager, folder: Path, clock: MovedClock
) -> None:
    """Where a deployed adapter's folder holds another adapter now, clean-up of the old one leaves the new files."""
    deploy_in_turn(manager, clock, "v1", "v2", "v3")
    shutil.rmtree(folder / "v1")
    plain_adapter(folder / "v1", 99)
    assert "v1" in manager.cleanup_old_adapters(keep_count=0)["deleted_adapter_names"]
    assert (folder / "v1").is_dir()
    assert manager.deploy_adapter("v1", GOOD)["success"] is True


def test_old_backups_go(manager: LoRADeploymentManager, folder: Path, clock: MovedClock) -> None:
    """Backups over 30 days old are removed, younger ones stay."""
    deploy_in_turn(manager, clock, "v1", "v2", "v3")
    old, young = sorted(manager.backup_dir.iterdir())
    at = clock.now().timestamp()
    os.utime(old, (at - 31 * 86400, at - 31 * 86400))
    os.utime(young, (at - 29 * 86400, at - 29 * 86400))
    assert manager.cleanup_old_adapters()["deleted_backups"] == 1
    assert list(manager.backup_dir.iterdir()) == [young]


def test_clean_up_of_nothing_is_an_answer(manager: LoRADeploymentManager) -> None:
    """Before anything was trained there is nothing to remove."""
    told = manager.cleanup_old_adapters()
    assert (told["success"], told["total_adapters"], told["current_production"]) == (True, 0, None)
