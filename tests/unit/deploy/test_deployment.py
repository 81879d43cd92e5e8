"""What is live, what was, and the way back."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from loraloop.deploy.manager import LoRADeploymentManager
from loraloop.errors import DeployError, StaleRelease, StoreError, TamperedArtifact, UnknownThing
from loraloop.store.sql import SqlStore
from loraloop.testing.clock import MovedClock
from loraloop.types import Adapter, Decision, Release

Made = Callable[[int], Adapter]
Decided = Callable[..., Decision]
Managed = Callable[..., LoRADeploymentManager]
WEIGHTS = "adapter_model.safetensors"


@pytest.fixture
def release(
    manager: LoRADeploymentManager, adapter: Made, decided: Decided, clock: MovedClock
) -> Callable[[int], Release]:
    """Makes adapter number N and lets it go live."""

    def make(number: int) -> Release:
        made = adapter(number)
        clock.move(seconds=1)
        return manager.release(decided(made), made, serving={"system_prompt": f"p{number}"})

    return make


def live_bytes(manager: LoRADeploymentManager) -> bytes:
    """The weights that a reader of the production folder sees."""
    return (manager.production_dir / "current" / WEIGHTS).read_bytes()


def test_a_release_is_live_with_its_files(manager: LoRADeploymentManager, release: Callable[[int], Release]) -> None:
    """The first release is version 1, and ``current`` holds exactly its adapter's files and what they are."""
    first = release(1)
    assert (first.version, first.previous_id, first.status) == (1, None, "confirmed")
    current = manager.production_dir / "current"
    assert sorted(path.name for path in current.iterdir()) == ["adapter_config.json", WEIGHTS, "deployment.json",
                                                               "manifest.json"]  # fmt: skip
    assert json.loads((current / "deployment.json").read_text())["release_id"] == first.id
    info = manager.get_current_production_info()
    assert (info["adapter_name"], info["has_metadata"], info["production_path"]) == ("a1", True, str(current))


@pytest.mark.parametrize("verdict", ["hold", "inconclusive", "PROMOTE", ""])
def test_only_an_explicit_promote_goes_live(
    manager: LoRADeploymentManager, adapter: Made, decided: Decided, verdict: str
) -> None:
    """Any other verdict is refused, and nothing serves; a forced release says so in its method."""
    made = adapter(1)
    with pytest.raises(DeployError, match="not promote"):
        manager.release(decided(made, verdict), made)
    assert manager.get_current_production_info() == {"status": "no_production_adapter"}
    assert manager.release(decided(made, verdict), made, method="force").method == "force"


def test_a_decision_about_another_adapter_promotes_nothing(
    manager: LoRADeploymentManager, adapter: Made, decided: Decided
) -> None:
    """A promote is for the adapter it names, even when forced."""
    one, other = adapter(1), adapter(2)
    with pytest.raises(DeployError, match="is about"):
        manager.release(decided(one), other, method="force")


def test_changed_files_never_go_live(
    manager: LoRADeploymentManager, adapter: Made, decided: Decided, release: Callable[[int], Release], tmp_path: Path
) -> None:
    """A flipped bit in the store is found before the release, and the one before still serves."""
    release(1)
    before = live_bytes(manager)
    made = adapter(2)
    weights = tmp_path / "adapters" / "objects" / made.digest / WEIGHTS
    raw = bytearray(weights.read_bytes())
    raw[-1] ^= 1
    weights.write_bytes(raw)
    with pytest.raises(TamperedArtifact, match=WEIGHTS):
        manager.release(decided(made), made)
    assert live_bytes(manager) == before
    assert manager.get_current_production_info()["adapter_name"] == "a1"


def test_who_comes_second_does_not_win(
    manager: LoRADeploymentManager, managed: Managed, store: SqlStore, adapter: Made, decided: Decided,
    release: Callable[[int], Release],
) -> None:  # fmt: skip
    """A release prepared against an older live one is refused, and the files still are the winner's."""
    first = release(1)
    made = adapter(2)
    winner = replace(first, id="rl-winner", version=2, adapter_id=made.id, adapter_name="a2")

    class Beaten:
        """Releases where somebody publishes between the look and the move."""

        def __getattr__(self, name: str) -> object:
            return getattr(store.releases, name)

        def live(self, bot: str) -> Release | None:
            seen = store.releases.live(bot)
            if seen is not None and seen.version == 1:
                store.releases.publish(winner, 1)
            return seen

    class Raced:
        """The store with those releases."""

        releases = Beaten()

        def __getattr__(self, name: str) -> object:
            return getattr(store, name)

    before = live_bytes(manager)
    beaten = managed()
    beaten._given_store = Raced()
    late = adapter(3)
    with pytest.raises(StaleRelease):
        beaten.release(decided(late), late)
    live = store.releases.live("b")
    assert live is not None
    assert live.id == "rl-winner"
    assert live_bytes(manager) == before
    assert manager.recover() == ["production/current leads to the live adapter again"]
    assert live_bytes(manager) != before


def test_current_is_readable_at_each_step(
    manager: LoRADeploymentManager, release: Callable[[int], Release], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader between any two renames or links of a release finds a whole adapter, the old one or the new."""
    release(1)
    old = live_bytes(manager)
    seen: list[bytes] = []
    replace_file = os.replace

    def watched(source: Path, target: Path) -> None:
        seen.append(live_bytes(manager))
        replace_file(source, target)
        seen.append(live_bytes(manager))

    monkeypatch.setattr(os, "replace", watched)
    release(2)
    assert set(seen) == {old, live_bytes(manager)}
    assert len(seen) >= 6
    assert seen == sorted(seen, key=lambda found: found != old)


def test_a_rollback_brings_back_the_same_bytes_and_prompt(
    manager: LoRADeploymentManager, release: Callable[[int], Release], store: SqlStore
) -> None:
    """Going back serves the very files and serving facts of the release before, as a new version."""
    release(1)
    before = live_bytes(manager)
    second = release(2)
    told = manager.rollback_adapter()
    assert (told["success"], told["target_adapter"], told["rolled_back_from"]) == (True, "a1", "a2")
    assert live_bytes(manager) == before
    live = store.releases.live("b")
    assert live is not None
    assert (live.version, live.method, live.status, live.serving["system_prompt"]) == (3, "rollback", "confirmed", "p1")
    undone = store.releases.get(second.id)
    assert undone is not None
    assert undone.status == "reverted"


def test_a_backup_that_cannot_be_written_does_not_keep_a_release_from_being_withdrawn(
    manager: LoRADeploymentManager, release: Callable[[int], Release], store: SqlStore
) -> None:
    """Users come before copies: where there is no room for a backup the pointer moves all the same."""
    release(1)
    release(2)
    shutil.rmtree(manager.backup_dir)
    manager.backup_dir.write_text("in the way")
    assert manager.rollback_adapter()["success"]
    live = store.releases.live("b")
    assert live is not None
    assert (live.adapter_name, live.method) == ("a1", "rollback")
    with pytest.raises(StoreError):
        release(3)


def test_going_back_twice_goes_back_two_releases(
    manager: LoRADeploymentManager, release: Callable[[int], Release]
) -> None:
    """Each rollback goes one further, down to the base alone, and then says that there is nothing left."""
    for number in (1, 2, 3):
        release(number)
    assert [manager.rollback_adapter()["target_adapter"] for _ in range(3)] == ["a2", "a1", "base"]
    assert not (manager.production_dir / "current").exists()
    assert manager.get_current_production_info() == {"status": "no_production_adapter"}
    last = manager.rollback_adapter()
    assert (last["success"], "already" in last["error"]) == (False, True)


@pytest.mark.parametrize("target", ["a1", "1", "adapter", "release"])
def test_a_target_is_named_in_any_way(
    manager: LoRADeploymentManager, release: Callable[[int], Release], target: str
) -> None:
    """A rollback takes an adapter's name or id, or a release's id or version."""
    first = release(1)
    release(2)
    release(3)
    named = {"adapter": first.adapter_id, "release": first.id}.get(target, target)
    assert manager.rollback_adapter(named)["target_adapter"] == "a1"


@pytest.mark.parametrize("target", ["../x", "never", "9", "/etc/passwd", ""])
def test_an_unknown_target_changes_nothing(
    manager: LoRADeploymentManager, release: Callable[[int], Release], target: str
) -> None:
    """What was never released is refused in words, and the live adapter still serves."""
    release(1)
    told = manager.rollback_adapter(target)
    assert (told["success"], bool(told["error"])) == (False, True)
    assert manager.get_current_production_info()["adapter_name"] == "a1"


def test_before_the_first_release_there_is_no_way_back(manager: LoRADeploymentManager) -> None:
    """A rollback of nothing is an answer, no exception."""
    assert manager.rollback_adapter()["success"] is False
    assert manager.get_deployment_history() == []
    assert manager.recover() == []


@pytest.mark.fault(21)
def test_a_trial_that_is_not_confirmed_ends(
    managed: Managed, adapter: Made, decided: Decided, clock: MovedClock, store: SqlStore
) -> None:
    """Until the deadline a release on trial stays; after it, the next start goes back and says so."""
    manager = managed(trial_hours=2)
    first, second = adapter(1), adapter(2)
    manager.confirm(manager.release(decided(first), first).id)
    clock.move(hours=100)
    manager.release(decided(second), second)
    clock.move(hours=2)
    assert manager.recover() == []
    clock.move(seconds=1)
    said = manager.recover()
    assert len(said) == 1
    assert "a2" in said[0]
    assert "a1" in said[0]
    live = store.releases.live("b")
    assert live is not None
    assert (live.adapter_name, live.actor, live.status) == ("a1", "trial deadline", "confirmed")
    assert manager.recover() == []


def test_a_confirmed_release_stays(managed: Managed, adapter: Made, decided: Decided, clock: MovedClock) -> None:
    """Once confirmed, no deadline takes a release back; only releases of this bot can be confirmed."""
    manager = managed(trial_hours=2)
    made = adapter(1)
    manager.release(decided(made), made)
    assert manager.confirm().status == "confirmed"
    clock.move(hours=1000)
    assert manager.recover() == []
    with pytest.raises(UnknownThing):
        manager.confirm("rl-unknown")


@pytest.mark.parametrize("spoilt", ["missing", "elsewhere", "folder gone"])
def test_current_is_put_right_at_the_next_start(
    manager: LoRADeploymentManager, release: Callable[[int], Release], tmp_path: Path, spoilt: str
) -> None:
    """Where a crash left ``current`` behind the database, recovering lets it lead to the live adapter again."""
    release(1)
    release(2)
    right = live_bytes(manager)
    current = manager.production_dir / "current"
    if spoilt == "folder gone":
        current.resolve().rename(tmp_path / "gone")
    else:
        current.unlink()
    if spoilt == "elsewhere":
        current.symlink_to(tmp_path)
    assert manager.recover() == ["production/current leads to the live adapter again"]
    assert live_bytes(manager) == right
    assert manager.recover() == []
