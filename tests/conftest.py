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
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if not os.environ.get("CI"):  # there Hypothesis has its own profile, with twice as many examples
    settings.register_profile("unhurried", deadline=None, max_examples=50)
    settings.load_profile("unhurried")

MEMORY, ROOM_BYTES = Path("/dev/shm"), 1_000_000_000
FAST = "not real and not slow"
NOT_FAST_AS_A_WHOLE = re.compile(r"^pytestmark = pytest\.mark\.(real|slow)\b", re.MULTILINE)
MOST_CPU_S = 25.0
"""What a fast test and the fixtures made for it may take of the processor, children included, before it fails in CI.
From a second on they are marked slow; the rest is room for a slower machine, and for libraries and fixtures that
whoever comes first pays for."""
NEED_TORCH = {"tiny_base", "tiny_base_without_template"}
"""Fixtures that make a model, for a test or for another fixture."""
HEAVY_CHILDREN = ("loraloop.train.", "loraloop.evaluate.")
"""Modules that train and evaluate when run as a process. No fast test starts one."""
begun_cpu_s, quick = pytest.StashKey[float](), {"now": False}

if TYPE_CHECKING:
    from loraloop.wiring import Home


def is_fast(config: pytest.Config) -> bool:
    """Whether only the fast tests were asked for."""
    return bool(config.option.markexpr == FAST)


def pytest_configure(config: pytest.Config) -> None:
    """The fast tests write to memory where there is room: a third of their time would be waiting for a disk."""
    if is_fast(config) and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ROOM_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The fast tests do not import files that are real or slow as a whole, nor the libraries that only those need."""
    is_file = is_fast(config) and collection_path.suffix == ".py"
    return True if is_file and NOT_FAST_AS_A_WHOLE.search(collection_path.read_text(encoding="utf-8")) else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs a model is slow, even if the test is short: importing torch and transformers takes 5 s a process."""
    for item in items:
        if NEED_TORCH & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """What the imported libraries made stays to the end, so it is not looked through for garbage again and again."""
    gc.collect()
    gc.freeze()


def cpu_s() -> float:
    """Processor seconds of this process and of its children that have ended: other work on the machine adds little."""
    return sum(os.times()[:4])


def refuse_heavy_children(event: str, facts: tuple[object, ...]) -> None:
    """Heard by the interpreter: a fast test that would train or evaluate in a child does not get to."""
    if event == "subprocess.Popen" and quick["now"] and any(str(word).startswith(HEAVY_CHILDREN) for word in facts[1]):  # type: ignore[attr-defined]
        raise AssertionError(f"a fast test starts {facts[1]}: mark it with pytest.mark.real")


sys.addaudithook(refuse_heavy_children)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Note what the processor had done before a test and its fixtures, and whether the test is a fast one."""
    item.stash[begun_cpu_s] = cpu_s()
    quick["now"] = not any(item.get_closest_marker(name) for name in ("real", "slow"))
    try:
        return (yield)
    finally:
        quick["now"] = False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """In CI a test that would skip fails, as a missing optional part is a broken install there; and a slow one does."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} skipped, and in CI nothing may: {report.longrepr[-1]}"
    spent_s = cpu_s() - item.stash[begun_cpu_s]
    if call.when == "call" and quick["now"] and os.environ.get("CI") and report.passed and spent_s > MOST_CPU_S:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} is no fast test: with its fixtures it took {spent_s:.0f} s of the processor"
    return report


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny random Llama and a tokenizer with a chat template; each test process has its own."""
    from loraloop.testing.tiny import tiny_base

    return tiny_base(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture(scope="session")
def tiny_base_without_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same tiny Llama, its tokenizer without a chat template."""
    from loraloop.testing.tiny import tiny_base

    return tiny_base(tmp_path_factory.mktemp("plain") / "tiny", chat=False)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an empty store, migrated once: a copy of it opens faster than a new one."""
    from loraloop.store.sql import open_store

    path = tmp_path_factory.mktemp("database") / "loraloop.db"
    open_store(path).close()
    return path


@pytest.fixture
def home(tmp_path: Path, tiny_base: Path, empty_database: Path) -> Iterator["Home"]:
    """An open, empty home on the tiny base."""
    from loraloop.wiring import init_home, open_home

    init_home(tmp_path / "home", base__model=str(tiny_base))
    shutil.copyfile(empty_database, tmp_path / "home" / "loraloop.db")
    with open_home(tmp_path / "home") as opened:
        yield opened


@pytest.fixture(autouse=True)
def _speak_english() -> None:
    """The command line's language is one for the process: no test hears what another one chose."""
    from loraloop.cli.messages import choose_language

    choose_language("en")
