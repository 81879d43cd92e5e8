"""One at a time turns a bot's loop."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from loraloop.errors import StoreBusy, StoreError
from loraloop.store.turn_lock import TurnLock

HOLDER = """
import sys
from pathlib import Path
from loraloop.store.turn_lock import TurnLock
with TurnLock(Path(sys.argv[1]), "b").held():
    print("held", flush=True)
    sys.stdin.read()
"""


def busy(lock: TurnLock) -> bool:
    """Whether it cannot be taken now."""
    try:
        with lock.held():
            return False
    except StoreBusy:
        return True


def test_whoever_holds_it_may_take_it_again(tmp_path: Path) -> None:
    """Steps inside a turn take it once more, and it is let go only when the outermost block ends."""
    lock, other = TurnLock(tmp_path, "b"), TurnLock(tmp_path, "b")
    with lock.held():
        with lock.held():
            assert busy(other)
        assert busy(other)
    assert not busy(other)


def test_an_error_lets_go_of_it(tmp_path: Path) -> None:
    """A turn that fails does not keep the next one out."""
    lock = TurnLock(tmp_path, "b")
    with pytest.raises(ValueError, match="broken"), lock.held():
        raise ValueError("broken")
    assert not busy(lock)
    assert not busy(TurnLock(tmp_path, "b"))


def test_another_thread_is_refused_even_with_the_same_lock(tmp_path: Path) -> None:
    """Taking it again is for the thread that holds it alone."""
    lock = TurnLock(tmp_path, "b")
    with ThreadPoolExecutor(1) as pool:
        with lock.held():
            assert pool.submit(busy, lock).result()
        assert not pool.submit(busy, lock).result()


def test_of_eight_at_once_one_gets_it(tmp_path: Path) -> None:
    """Eight that reach for it at the same moment: one holds it, seven hear at once that it is taken."""
    ready, tried = Barrier(8), Barrier(8)

    def reach(_: int) -> bool:
        ready.wait(10)
        try:
            with TurnLock(tmp_path, "b").held():
                tried.wait(10)
                return True
        except StoreBusy:
            tried.wait(10)
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(reach, range(8))) == 1


def test_bots_have_locks_of_their_own(tmp_path: Path) -> None:
    """A turn of one bot keeps no other bot waiting."""
    with TurnLock(tmp_path, "b").held():
        assert not busy(TurnLock(tmp_path, "c"))


def test_a_process_that_is_killed_lets_go_of_it(tmp_path: Path) -> None:
    """Another process holds it for as long as it lives, and not longer."""
    src = str(Path(__file__).parents[3] / "src")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        env={"PYTHONPATH": src},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert busy(TurnLock(tmp_path, "b"))
        holder.kill()
        holder.wait()
    assert not busy(TurnLock(tmp_path, "b"))


def test_a_home_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """Where there is no such folder, that is an error of the store with the path."""
    with pytest.raises(StoreError, match=r"turn-b\.lock"), TurnLock(tmp_path / "none", "b").held():
        pass
