"""A deployment in a folder of its own: real files, a real database, a clock that is moved by hand."""

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

Managed = Callable[..., LoRADeploymentManager]


@pytest.fixture
def artifacts(tmp_path: Path) -> LocalArtifacts:
    """Where adapters live as objects."""
    return LocalArtifacts(tmp_path / "adapters")


@pytest.fixture
def managed(tmp_path: Path, store: SqlStore, artifacts: LocalArtifacts, clock: MovedClock) -> Managed:
    """Makes a manager of this store, with settings of the test's own."""

    def make(**config: object) -> LoRADeploymentManager:
        folders = [tmp_path / name for name in ("adapters", "production", "backups")]
        settings = DeploymentConfig(**{"trial_hours": 0, **config})
        return LoRADeploymentManager(*folders, store=store, artifacts=artifacts, bot="b", config=settings, clock=clock)

    return make


@pytest.fixture
def manager(managed: Managed) -> LoRADeploymentManager:
    """A manager without trial periods."""
    return managed()


@pytest.fixture
def adapter(tmp_path: Path, store: SqlStore, artifacts: LocalArtifacts, clock: MovedClock) -> Callable[[int], Adapter]:
    """Makes adapter number N, named ``aN``, as an object of the store."""

    def make(number: int) -> Adapter:
        clock.move(seconds=1)
        folder = plain_adapter(tmp_path / "adapters" / f"a{number}", number)
        made = adopt(folder.name, folder.parent, artifacts, store, bot="b", now=clock.now())
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        artifacts.alias(folder.parent, folder.name, made.digest)
        return made

    return make


@pytest.fixture
def decided(clock: MovedClock) -> Callable[..., Decision]:
    """Makes a decision about an adapter."""

    def make(about: Adapter, verdict: str = "promote") -> Decision:
        return Decision(f"dc-{about.id}", "b", about.id, verdict, clock.now(), "loop")  # type: ignore[arg-type]

    return make
