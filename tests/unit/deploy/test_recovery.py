"""What opening a home puts right when the way back is damaged, too."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loraloop.deploy.history import next_release, return_to, way_back
from loraloop.deploy.manager import LoRADeploymentManager
from loraloop.store.artifacts import LocalArtifacts
from loraloop.store.sql import SqlStore
from loraloop.testing.clock import START, MovedClock
from loraloop.types import Adapter, Decision, Release

Made = Callable[[int], Adapter]
Decided = Callable[..., Decision]
WEIGHTS = "adapter_model.safetensors"


@pytest.fixture
def overdue(
    managed: Callable[..., LoRADeploymentManager], adapter: Made, decided: Decided, clock: MovedClock
) -> tuple[LoRADeploymentManager, list[Adapter]]:
    """Three confirmed releases and a fourth whose trial is over."""
    manager, adapters = managed(trial_hours=2), [adapter(number) for number in (1, 2, 3, 4)]
    for made in adapters:
        clock.move(seconds=1)
        released = manager.release(decided(made), made)
        if made is not adapters[-1]:
            manager.confirm(released.id)
    clock.move(hours=3)
    return manager, adapters


def spoil(artifacts: LocalArtifacts, adapter: Adapter) -> None:
    """Change one byte of an adapter's weights."""
    weights = artifacts.verified(adapter.digest) / WEIGHTS
    raw = bytearray(weights.read_bytes())
    raw[-1] ^= 1
    weights.write_bytes(raw)


@pytest.mark.fault(33)
@pytest.mark.parametrize(("damaged", "reached"), [((), "a3"), ((3,), "a2"), ((3, 2), "a1"), ((3, 2, 1), "base")])
def test_an_ended_trial_goes_back_to_the_newest_release_that_is_whole(
    overdue: tuple[LoRADeploymentManager, list[Adapter]],
    artifacts: LocalArtifacts,
    store: SqlStore,
    damaged: tuple[int, ...],
    reached: str,
) -> None:
    """Damaged releases are passed over and named; where none is whole, the base alone serves."""
    manager, adapters = overdue
    for number in damaged:
        spoil(artifacts, adapters[number - 1])
    (said,) = [line for line in manager.recover() if "not confirmed" in line]
    assert f"went back to {reached}" in said
    assert all(f"a{number} cannot serve" in said for number in damaged)
    live = store.releases.live("b")
    assert live is not None
    assert (live.adapter_name, live.method, live.actor) == (reached, "rollback", "trial deadline")
    assert manager.production_dir.joinpath("current").is_dir() is (reached != "base")
    assert manager.recover() == []


def test_a_release_whose_adapter_is_gone_is_passed_over_too(
    overdue: tuple[LoRADeploymentManager, list[Adapter]], artifacts: LocalArtifacts
) -> None:
    """Files that were removed by hand are no way back, and do not stop the way further back."""
    manager, adapters = overdue
    artifacts.remove(adapters[2].digest)
    assert "went back to a2" in manager.recover()[0]


def test_a_home_opens_although_the_live_adapter_is_damaged(
    managed: Callable[..., LoRADeploymentManager], adapter: Made, decided: Decided, artifacts: LocalArtifacts
) -> None:
    """Where neither the production folder nor the adapter's files are whole, that is said instead of raised."""
    manager, made = managed(), adapter(1)
    manager.release(decided(made), made)
    spoil(artifacts, made)
    (manager.production_dir / "current").unlink()
    (said,) = manager.recover()
    assert "does not show the live adapter" in said
    assert WEIGHTS in said


@pytest.mark.parametrize("hours", [0, 0.5])
def test_without_a_trial_a_release_is_confirmed_at_once(
    managed: Callable[..., LoRADeploymentManager],
    adapter: Made,
    decided: Decided,
    clock: MovedClock,
    store: SqlStore,
    hours: float,
) -> None:
    """With ``trial_hours`` 0 a release is confirmed and stays; with any trial it begins on trial."""
    manager, made = managed(trial_hours=hours), adapter(1)
    release = manager.release(decided(made), made)
    live = store.releases.live("b")
    assert live is not None
    assert live.status == release.status == manager.get_current_production_info()["status"]
    assert release.status == ("on_trial" if hours else "confirmed")
    clock.move(hours=10_000)
    assert (manager.recover() == []) is (hours == 0)


def history_of(steps: list[int]) -> list[Release]:
    """Releases, newest first: 0 makes a new one, N goes back to the Nth newest so far, or to the base alone."""
    releases: list[Release] = []
    for number, step in enumerate(steps):
        newest = releases[0] if releases else None
        if step and newest is not None:
            target = releases[step - 1] if step <= len(releases) else None
            releases.insert(0, return_to(target, newest, newest, actor="a", now=START))
        else:
            facts = {"adapter_id": f"ad-{number}", "adapter_name": f"a{number}", "base_id": "tiny", "method": "auto"}
            releases.insert(0, next_release(newest, newest, "b", {**facts, "actor": "a", "created_at": START}))
    return releases


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12))
def test_the_way_back_ends_at_the_base_and_never_turns_round(steps: list[int]) -> None:
    """Whatever was released and rolled back: each step leads to an older release, the last one to the base alone."""
    releases = history_of(steps)
    way = list(way_back(releases[0], releases))
    versions = [release.version for release in way if release is not None]
    assert way[-1] is None
    assert way.count(None) == 1
    assert versions == sorted(set(versions), reverse=True)
    assert all(version < releases[0].version for version in versions)
