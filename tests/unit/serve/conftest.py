"""A gateway over an empty store."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from loraloop.store.sql import open_store
from loraloop.testing.gateway_client import GatewayClient


@pytest.fixture
def client(tmp_path: Path, empty_database: Path) -> Iterator[GatewayClient]:
    """Asks it with a key of each role."""
    store = open_store(shutil.copyfile(empty_database, tmp_path / "loraloop.db"))
    made = GatewayClient(store)
    yield made
    made.close()
    store.close()
