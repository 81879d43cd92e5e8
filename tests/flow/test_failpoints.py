"""Every named place at which a process may die: afterwards the home is whole, and nothing acknowledged is lost."""

import ast
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loraloop.errors import UsageError
from loraloop.failpoints import EXIT_CODE, POINTS, armed, reached

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "benchmarks"))  # where the operations of the sweep live

import crash_operations  # noqa: E402 - found only now

CASES = {
    "capture.written": "capture",
    "capture.committed": "capture",
    "artifact.listed": "publish",
    "artifact.renamed": "publish",
    "artifact.published": "publish",
    "checkpoint.staged": "checkpoint",
    "checkpoint.renamed": "checkpoint",
    "migration.begun": "migrate",
    "migration.changed": "migrate",
    "migration.done": "migrate",
    "dataset.written": "dataset",
    "dataset.marked": "dataset",
    "release.backed_up": "deploy",
    "release.switched": "deploy",
    "release.published": "deploy",
    "release.shown": "deploy",
    "rollback.published": "rollback",
    "forget.remembered": "forget",
    "forget.erased": "forget",
    "forget.recorded": "forget",
    "forget.scrubbed": "forget",
    "file.staged": "forget",
    "file.replaced": "forget",
}
"""Failpoint -> the operation that passes it."""


def points_in_source() -> list[str]:
    """The name of every place in the code that calls ``reached``."""
    found = []
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "reached":
                (name,) = node.args
                assert isinstance(name, ast.Constant), f"{path}:{node.lineno}: the name of a failpoint is a literal"
                found.append(str(name.value))
    return found


@pytest.mark.slow
def test_every_failpoint_has_its_place_and_its_test() -> None:
    """No failpoint without a place in the code, a meaning and a case; no case or variable naming one there is not."""
    placed = points_in_source()
    assert sorted(placed) == sorted(set(placed))
    assert set(placed) == set(POINTS) == set(CASES)
    assert set(CASES.values()) <= set(crash_operations.OPERATIONS)
    for path in (ROOT / "tests").rglob("*.py"):
        named = re.findall(r'"([a-z_]+\.[a-z_]+)": "(?:exit|raise|stop|sleep)', path.read_text())
        assert set(named) <= set(POINTS), path


def test_an_unknown_failpoint_or_action_is_refused() -> None:
    """A typo does not silently arm nothing, neither in the variable nor in a test."""
    for actions in ({"no." + "such": "exit"}, {"file.staged": "explode"}, {"file.staged": "sleep"}):
        with pytest.raises(UsageError), armed(actions):
            pass
    done = subprocess.run(
        [sys.executable, "-c", "import loraloop.failpoints"], capture_output=True, text=True, check=False,
        env={**os.environ, "LORALOOP_FAILPOINTS": "no.such=exit"},
    )  # fmt: skip
    assert "there is no failpoint" in done.stderr


def test_the_variable_arms_a_process_and_exit_cleans_nothing_up() -> None:
    """The process ends at the place with its own code, and no ``finally`` runs."""
    code = "from loraloop.failpoints import reached\ntry:\n reached('file.staged')\nfinally:\n print('cleaned up')"
    environment = {**os.environ, "LORALOOP_FAILPOINTS": "file.staged=exit"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, env=environment)
    assert (done.returncode, done.stdout) == (EXIT_CODE, b"")


def test_an_armed_place_fails_or_waits_and_others_do_not() -> None:
    """``raise`` is an error of the disk, ``sleep`` takes its time, and after the block nothing is armed."""
    with armed({"file.staged": "raise", "file.replaced": "sleep:0.05"}):
        with pytest.raises(OSError, match=r"failpoint file\.staged"):
            reached("file.staged")
        begin = time.monotonic()
        reached("file.replaced")
        assert time.monotonic() - begin >= 0.05
        reached("capture.written")
    reached("file.staged")


def test_a_place_that_is_not_armed_is_nearly_free() -> None:
    """A million of them take well under a second."""
    begin = time.perf_counter()
    for _ in range(100_000):
        reached("file.staged")
    assert time.perf_counter() - begin < 0.5


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:
    """A home with two releases, made once; ``old`` beside it has the tables of the first version."""
    folder = tmp_path_factory.mktemp("crash")
    crash_operations.prepare(folder / "home", tiny_base)
    shutil.copytree(folder / "home", folder / "old", symlinks=True)
    shutil.rmtree(folder / "old" / "production")
    crash_operations.first_tables(folder / "old")
    return folder


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    """Forks a child for each case."""
    with crash_operations.serving() as serving:
        yield serving


@pytest.mark.real
@pytest.mark.fault(1)
@pytest.mark.fault(13)
@pytest.mark.fault(21)
@pytest.mark.parametrize("action", ["exit", "raise"])
@pytest.mark.parametrize("point", sorted(CASES))
def test_at_every_failpoint_nothing_breaks_and_nothing_acknowledged_is_lost(
    prepared: Path, server: Any, tmp_path: Path, point: str, action: str
) -> None:
    """Killed, or with a failing disk, at the place: reopened, doctor finds nothing, and the operation can be done."""
    operation = CASES[point]
    home = tmp_path / "home"
    shutil.copytree(prepared / ("old" if operation == "migrate" else "home"), home, symlinks=True)
    server.fork(operation, home, {point: action})
    status, acknowledged, error = server.finish()
    assert status == (EXIT_CODE if action == "exit" else 1), (status, error)
    assert acknowledged == []
    assert crash_operations.broken_after(operation, home, acknowledged) == []
    server.fork(operation, home)
    status, acknowledged, error = server.finish()
    assert status == 0, error
    assert crash_operations.broken_after(operation, home, acknowledged) == []


@pytest.mark.real
def test_stop_waits_for_whoever_lets_it_go_on(prepared: Path, server: Any, tmp_path: Path) -> None:
    """A process that is stopped before its commit and let go on commits then."""
    import signal
    import threading

    shutil.copytree(prepared / "home", tmp_path / "home", symlinks=True)
    pid = server.fork("capture", tmp_path / "home", {"capture.written": "stop"})

    def let_go_on() -> None:
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            time.sleep(0.01)
        os.kill(pid, signal.SIGCONT)

    other = threading.Thread(target=let_go_on)
    other.start()
    status, acknowledged, error = server.finish()
    other.join()
    assert status == 0, error
    assert len(acknowledged) == 1
    assert crash_operations.broken_after("capture", tmp_path / "home", acknowledged) == []
