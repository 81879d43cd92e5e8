"""What every test shares: offline, one thread, and a tiny real model."""

import os

os.environ.update(
    HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", TOKENIZERS_PARALLELISM="false", OMP_NUM_THREADS="1"
)

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny random Llama and a tokenizer with a chat template."""
    from loraloop.testing.tiny import tiny_base

    return tiny_base(tmp_path_factory.mktemp("base") / "tiny")
