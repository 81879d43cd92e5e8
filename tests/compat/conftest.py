"""Wrappers round the tiny base, adapters of it, and records."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from loraloop.testing.wrappers import Plain, Speaking, random_adapter

from .callers import make_records


@pytest.fixture(scope="session")
def plain(tiny_base: Path) -> Plain:
    """A wrapper that cannot answer by itself."""
    return Plain(tiny_base)


@pytest.fixture(scope="session")
def speaking(tiny_base: Path) -> Speaking:
    """A wrapper that answers by itself."""
    return Speaking(tiny_base)


@pytest.fixture(scope="session")
def adapter_folders(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Adapters with different weights on disk: ``first``, ``second`` and ``third``."""
    folder = tmp_path_factory.mktemp("adapters")
    return {
        name: random_adapter(tiny_base, folder / name, seed=seed)
        for seed, name in enumerate(("first", "second", "third"), 1)
    }


@pytest.fixture
def records() -> list[dict[str, Any]]:
    """Eight good records."""
    return make_records(8)
