"""What every test shares: offline, one thread, a tiny real model, a home; optional parts are demanded in CI."""

import os

os.environ.update(
    HF_HUB_OFFLINE="1",
    HF_DATASETS_OFFLINE="1",
    TRANSFORMERS_OFFLINE="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    DO_NOT_TRACK="1",
    TRACKIO_DISABLE="1",
    TOKENIZERS_PARALLELISM="false",
    OMP_NUM_THREADS="1",
)
for name in [name for name in os.environ if name.startswith("LORALOOP_")]:
    del os.environ[name]  # settings of the person who runs the tests must not reach them

import gc
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if not os.environ.get("CI"):  # there Hypothesis has its own profile, with twice as many examples
    settings.register_profile("unhurried", deadline=None, max_examples=50)
    settings.load_profile("unhurried")

MEMORY, ROOM_BYTES = Path("/dev/shm"), 1_000_000_000

if TYPE_CHECKING:
    from loraloop.wiring import Home


def pytest_configure(config: pytest.Config) -> None:
    """The fast tests write to memory where there is room: a third of their time would be waiting for a disk."""
    is_fast = config.option.markexpr == "not real"
    if is_fast and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_collection_finish() -> None:
    """What the imported libraries made stays to the end, so it is not looked through for garbage again and again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """In CI a test that would skip fails: a missing optional part there is a broken install, not a choice."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} skipped, and in CI nothing may: {report.longrepr[-1]}"
    return report


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny random Llama and a tokenizer with a chat template."""
    from loraloop.testing.tiny import tiny_base

    return tiny_base(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture(scope="session")
def tiny_base_without_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same tiny Llama, its tokenizer without a chat template."""
    from loraloop.testing.tiny import tiny_base

    return tiny_base(tmp_path_factory.mktemp("plain") / "tiny", chat=False)


@pytest.fixture
def home(tmp_path: Path, tiny_base: Path) -> Iterator["Home"]:
    """An open, empty home on the tiny base."""
    from loraloop.wiring import init_home, open_home

    init_home(tmp_path / "home", base__model=str(tiny_base))
    with open_home(tmp_path / "home") as opened:
        yield opened
