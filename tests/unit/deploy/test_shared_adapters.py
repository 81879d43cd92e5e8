"""Two bots of one home that have the very same adapter."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from loraloop.deploy.adoption import adopt
from loraloop.deploy.config import DeploymentConfig
from loraloop.deploy.manager import LoRADeploymentManager
from loraloop.store.artifacts import LocalArtifacts
from loraloop.store.sql import SqlStore
from loraloop.testing.adapter_files import plain_adapter
from loraloop.testing.clock import MovedClock
from loraloop.types import Adapter, Decision

Managers = Callable[..., LoRADeploymentManager]


@pytest.fixture
def of_bot(tmp_path: Path, store: SqlStore, artifacts: LocalArtifacts, clock: MovedClock) -> Managers:
    """Makes the manager of a bot: its own folders, the home's store and objects."""

    def make(bot: str, **config: object) -> LoRADeploymentManager:
        settings = DeploymentConfig(**{"trial_hours": 0, "keep_adapters": 0, **config})
        folders = [tmp_path / name / bot for name in ("named", "production", "backups")]
        return LoRADeploymentManager(*folders, store=store, artifacts=artifacts, bot=bot, config=settings, clock=clock)

    return make


@pytest.fixture
def trained(tmp_path: Path, store: SqlStore, artifacts: LocalArtifacts, clock: MovedClock) -> Callable[..., Adapter]:
    """Stores adapter number N for a bot, as if it had trained it."""

    def make(bot: str, number: int) -> Adapter:
        clock.move(seconds=1)
        folder = plain_adapter(tmp_path / "made" / bot / f"{bot}{number}", number)
        made = adopt(folder.name, folder.parent, artifacts, store, bot=bot, now=clock.now())
        shutil.rmtree(folder)
        artifacts.alias(tmp_path / "named" / bot, folder.name, made.digest)
        return made

    return make


def go_live(manager: LoRADeploymentManager, adapter: Adapter, clock: MovedClock) -> None:
    """Release an adapter to the manager's bot."""
    clock.move(seconds=1)
    decision = Decision(f"dc-{adapter.id}", adapter.bot, adapter.id, "promote", clock.now(), "loop")
    manager.release(decision, adapter)


def test_each_bot_has_a_value_of_its_own(trained: Callable[..., Adapter], store: SqlStore) -> None:
    """The same weights trained by two bots are one object and two values, each with its bot's name."""
    one, other = trained("b", 1), trained("c", 1)
    assert one.digest == other.digest
    assert (one.bot, one.name, other.bot, other.name) == ("b", "b1", "c", "c1")
    assert store.adapters.list("b") == [one]
    assert store.adapters.list("c") == [other]
    assert trained("c", 1) == other


@pytest.mark.fault(28)
@pytest.mark.parametrize("keeps", ["live", "previous", "on trial", "pinned by name", "newest"])
def test_clean_up_of_one_bot_leaves_what_another_needs(
    of_bot: Managers, trained: Callable[..., Adapter], clock: MovedClock, artifacts: LocalArtifacts, keeps: str
) -> None:
    """An adapter that one bot no longer needs stays while the other serves, tries, pins or keeps it."""
    config = {"on trial": {"trial_hours": 2}, "pinned by name": {"pinned": ("c1",)}, "newest": {"keep_adapters": 1}}
    mine, theirs = (of_bot(bot, **config.get(keeps, {})) for bot in "bc")
    shared = trained("c", 1)
    go_live(mine, trained("b", 1), clock)
    if keeps in ("live", "previous", "on trial"):
        go_live(theirs, shared, clock)
    for number in {"live": (), "previous": (2,), "on trial": (2, 3)}.get(keeps, ()):
        go_live(theirs, trained("c", number), clock)
    for number in (4, 5):
        go_live(mine, trained("b", number), clock)
    for release in mine._store.releases.history("b"):
        mine.confirm(release.id)
    told = mine.cleanup_old_adapters(keep_count=0)
    assert "b1" not in told["deleted_adapter_names"]
    assert artifacts.verified(shared.digest).is_dir()


def test_clean_up_removes_what_no_bot_needs_any_more(
    of_bot: Managers, trained: Callable[..., Adapter], clock: MovedClock, artifacts: LocalArtifacts
) -> None:
    """Once both bots have gone on by two releases, the first clean-up of either removes the shared files."""
    managers = [of_bot(bot) for bot in "bc"]
    for number in (1, 2, 3):
        for manager, bot in zip(managers, "bc", strict=True):
            go_live(manager, trained(bot, number), clock)
    assert managers[0].cleanup_old_adapters(keep_count=0)["deleted_adapter_names"] == ["b1"]
    assert len(artifacts.digests()) == 2


def test_what_an_older_home_kept_once_for_two_bots_is_left_alone(
    of_bot: Managers, trained: Callable[..., Adapter], clock: MovedClock, artifacts: LocalArtifacts
) -> None:
    """A release of one bot that names the other bot's value protects it as well."""
    mine, theirs = of_bot("b"), of_bot("c")
    shared = trained("b", 1)
    go_live(theirs, shared, clock)
    for number in (2, 3):
        go_live(mine, trained("b", number), clock)
    assert mine.cleanup_old_adapters(keep_count=0)["deleted_adapters"] == 0
    assert artifacts.verified(shared.digest).is_dir()


def test_a_plain_folder_that_another_bot_took_over_is_not_ours(
    of_bot: Managers, store: SqlStore, artifacts: LocalArtifacts, clock: MovedClock, tmp_path: Path
) -> None:
    """Where two bots look for names in one folder, clean-up of one leaves the folder of the other's adapter."""
    mine = of_bot("b")
    folder = plain_adapter(mine.adapter_dir / "theirs", 1)
    adopt("theirs", mine.adapter_dir, artifacts, store, bot="c", now=clock.now())
    assert mine.cleanup_old_adapters(keep_count=0)["total_adapters"] == 0
    assert folder.is_dir()
