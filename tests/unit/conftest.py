"""An empty store on SQLite, its clock moved by hand."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from loraloop.store.sql import SqlStore, open_store
from loraloop.testing.clock import MovedClock


@pytest.fixture
def clock() -> MovedClock:
    """Stands still."""
    return MovedClock()


@pytest.fixture
def store(tmp_path: Path, clock: MovedClock, empty_database: Path) -> Iterator[SqlStore]:
    """Empty and open."""
    opened = open_store(shutil.copyfile(empty_database, tmp_path / "loraloop.db"), clock)
    yield opened
    opened.close()
