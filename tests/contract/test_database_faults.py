"""What goes wrong below the store: locks, full disks, damaged and lost files, killed servers."""

import ast
import os
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from loraloop.errors import LoraloopError, StoreBusy, StoreError
from loraloop.store import database as database_module
from loraloop.store.artifacts import LocalArtifacts
from loraloop.store.database import Database
from loraloop.store.sql import SqlStore, open_store
from loraloop.testing.adapter_files import plain_adapter
from loraloop.types import Conversation, message
from loraloop.wiring import init_home, open_home

STORE = Path(database_module.__file__).parent


def said(number: int) -> Conversation:
    """An exchange."""
    messages = (message("user", f"what is {number}?"), message("assistant", f"it is {number}, of course."))
    return Conversation(f"cv-{number:016x}", "b", messages, datetime.now(UTC), "chat", "granted")


@pytest.mark.fault(3)
def test_every_connection_makes_commits_durable(tmp_path: Path) -> None:
    """Nothing less than WAL with FULL is ever used, and checkpoints are the program's own."""
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    for opened in (database.read, database.write):
        with opened() as connection:
            asked = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in (
                "journal_mode", "synchronous", "foreign_keys", "secure_delete", "wal_autocheckpoint")}  # fmt: skip
        assert asked == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1,
                         "wal_autocheckpoint": 0}  # fmt: skip
    database.close()


def test_many_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    """None is told that it is locked; SQLite itself tells one of two so, in about every fifth of these rounds."""
    for number in range(40):
        ready = threading.Barrier(4)

        def opened(
            _: int, url: str = f"sqlite:///{tmp_path / f'{number}.db'}", ready: threading.Barrier = ready
        ) -> None:
            database = Database(url)
            ready.wait(10)
            with database.read() as connection:
                assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            database.close()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(opened, [tmp_path / f"{number}.db"] * 4))


@pytest.mark.fault(4)
@pytest.mark.parametrize("version", [(3, 40, 1), (3, 51, 2), (3, 54, 0)])
def test_one_writer_at_a_time_whatever_sqlite_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, version: tuple[int, int, int]
) -> None:
    """A release with the WAL-reset bug is told in the log; the lock is held around writes with any release."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
    caplog.set_level("INFO")
    path = tmp_path / "x.db"
    first, second = (Database(f"sqlite:///{path}", lock_timeout_s=0.1) for _ in range(2))
    assert ("one file lock" in caplog.text) is (version < (3, 51, 3))
    with first.write(), pytest.raises(StoreBusy), second.write():
        pass
    first.close()
    second.close()


@pytest.mark.fault(6)
def test_a_write_never_begins_as_a_read(tmp_path: Path) -> None:
    """A writing transaction begins IMMEDIATE, so it cannot fail half-way for what it has read."""
    heard: list[str] = []
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    sa.event.listen(database.engine, "before_cursor_execute", lambda *given: heard.append(given[2]))
    with database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE t (n INTEGER)")
    with database.read() as connection:
        connection.exec_driver_sql("SELECT * FROM t")
    database.close()
    assert heard == ["BEGIN IMMEDIATE", "CREATE TABLE t (n INTEGER)", "BEGIN", "SELECT * FROM t"]


@pytest.mark.fault(6)
@pytest.mark.parametrize("path", sorted(STORE.glob("*.py")), ids=lambda path: path.name)
def test_nothing_is_changed_through_a_connection_that_reads(path: Path) -> None:
    """No insert, update or delete stands in a block of ``read()``."""
    for node in ast.walk(ast.parse(path.read_text())):
        reads = isinstance(node, ast.With) and any(
            isinstance(item.context_expr, ast.Call)
            and isinstance(item.context_expr.func, ast.Attribute)
            and item.context_expr.func.attr == "read"
            for item in node.items
        )
        for inner in ast.walk(node) if reads else ():
            if isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name) and inner.value.id == "sa":
                assert inner.attr not in {"insert", "update", "delete"}, f"{path}:{inner.lineno}"


@pytest.mark.fault(7)
def test_an_outsider_that_locks_the_file_is_told_in_time_and_gone_forgiven(tmp_path: Path) -> None:
    """Writes end with StoreBusy within the timeout; once the outsider lets go, they work."""
    path = tmp_path / "x.db"
    open_store(path).close()
    database = Database(f"sqlite:///{path}", lock_timeout_s=0.3)
    outsider = sqlite3.connect(path, isolation_level=None)
    outsider.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreBusy), database.write():
        pass
    outsider.execute("ROLLBACK")
    outsider.close()
    with database.write() as connection:
        assert connection.execute(sa.text("SELECT 1")).scalar() == 1
    database.close()


FILLING = """
import resource, signal, sys
sys.path.insert(0, sys.argv[2])
from test_database_faults import said
from loraloop.errors import StoreError
from loraloop.store.sql import open_store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = open_store(sys.argv[1])
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, hard))
kept = 0
try:
    for number in range(10_000):
        store.conversations.add([said(number)])
        kept += 1
except StoreError as error:
    print(type(error).__name__, error.hint)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
store.conversations.add([said(20_000)])
assert store.conversations.count("b") == kept + 1, (store.conversations.count("b"), kept)
assert store.faults() == []
print(kept)
"""


@pytest.mark.fault(8)
@pytest.mark.slow
def test_when_no_more_can_be_written_nothing_is_lost_and_it_goes_on_afterwards(tmp_path: Path) -> None:
    """The commit that does not fit is an error of the store; those before stay; with room the next one is kept."""
    words = [sys.executable, "-c", FILLING, str(tmp_path / "x.db"), str(Path(__file__).parent)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "StoreError" in done.stdout
    assert int(done.stdout.split()[-1]) > 5


@pytest.mark.fault(11)
def test_a_lost_database_is_not_silently_replaced_by_an_empty_one(tmp_path: Path) -> None:
    """A home with adapters and no database refuses to open and says how to get it back; nothing is made."""
    home = init_home(tmp_path / "home", base__model="tiny")
    open_home(home).close()
    with open_home(home) as opened:
        opened.artifacts.publish(plain_adapter(opened.artifacts.staging() / "made"), "0" * 64)
    for path in home.glob("loraloop.db*"):
        path.unlink()
    with pytest.raises(StoreError, match="database") as told:
        open_home(home)
    assert "restore" in told.value.hint
    assert not (home / "loraloop.db").exists()
    (home / "loraloop.db").touch()
    with pytest.raises(StoreError, match="database"):
        open_home(home)


@pytest.mark.slow
@pytest.mark.fault(12)
def test_flipped_bytes_are_told_and_never_a_traceback(tmp_path: Path) -> None:
    """A changed head of any page gives an error of ours or a fault that doctor tells, or the page is not in use."""
    path = tmp_path / "x.db"
    store = open_store(path)
    store.conversations.add([said(number) for number in range(200)])
    store.close()
    whole = path.read_bytes()
    found = 0
    for page in range(0, len(whole) // 4096, 3):
        raw = bytearray(whole)
        for place in range(8):
            raw[page * 4096 + place] ^= 0xFF
        path.write_bytes(raw)
        try:
            damaged = open_store(path)
        except LoraloopError:
            found += 1
            continue
        try:
            found += bool(damaged.faults())
        except StoreError:
            found += 1
        finally:
            damaged.close()
    assert found >= len(range(0, len(whole) // 4096, 3)) * 0.9


@pytest.mark.fault(23)
def test_an_adapter_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    """Of 64 lengths none passes for the whole."""
    from loraloop.errors import ArtifactError
    from loraloop.lm.adapter_files import adapter_digest

    weights = plain_adapter(tmp_path / "adapter") / "adapter_model.safetensors"
    whole = weights.read_bytes()
    for n in range(64):
        weights.write_bytes(whole[: len(whole) * n // 64])
        with pytest.raises(ArtifactError):
            adapter_digest(weights.parent)


@pytest.mark.fault(30)
def test_staging_on_another_disk_publishes_nothing_and_says_so(tmp_path: Path) -> None:
    """A rename cannot cross disks; the error names it, and there is no half of an object."""
    elsewhere = next((Path(one) for one in ("/dev/shm", "/tmp", "/var/tmp", "/run")
                      if os.access(one, os.W_OK) and os.stat(one).st_dev != tmp_path.stat().st_dev), None)  # fmt: skip
    if elsewhere is None:
        pytest.xfail("this machine has one disk only")
    place = elsewhere / f"loraloop-test-{os.getpid()}"
    place.mkdir()
    (tmp_path / "staging").symlink_to(place)
    artifacts = LocalArtifacts(tmp_path)
    try:
        staged = plain_adapter(artifacts.staging() / "made")
        with pytest.raises(StoreError, match="cross-device"):
            artifacts.publish(staged, "0" * 64)
        assert artifacts.digests() == []
        assert not staged.exists()
    finally:
        for path in sorted(place.rglob("*"), reverse=True):
            path.rmdir()
        place.rmdir()


@pytest.mark.fault(44)
def test_nothing_in_a_checkpoint_is_unpickled(tmp_path: Path) -> None:
    """A pickle that lies in a checkpoint's folder, or in the place of its numbers, runs no code."""
    import pickle

    import torch

    from loraloop.train.checkpoint import load_newest, save

    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (os.mkdir, (str(tmp_path / "ran"),))

    save(tmp_path / "work", 1, {"w": torch.zeros(2)}, {"run_digest": "r"})
    evil = pickle.dumps(Evil())
    for name in ("rng_state.pth", "optimizer.pt", "state.pkl"):
        (tmp_path / "work" / "checkpoint-0000001" / name).write_bytes(evil)
    assert load_newest(tmp_path / "work", "r") is not None
    (tmp_path / "work" / "checkpoint-0000001" / "state.safetensors").write_bytes(evil)
    assert load_newest(tmp_path / "work", "r") is None
    assert not (tmp_path / "ran").exists()


@pytest.mark.real
@pytest.mark.fault(15)
def test_killed_connections_of_a_server_lose_nothing_acknowledged(location: str, store: SqlStore) -> None:
    """While every connection is cut again and again, what was acknowledged stays, and the next try works."""
    if "://" not in location:
        return  # a file has no server to lose
    import psycopg

    acknowledged, stop = [], threading.Event()

    def cut() -> None:
        with psycopg.connect(location, autocommit=True) as other:
            while not stop.wait(0.05):
                other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                              " AND datname = current_database()")  # fmt: skip

    cutting = threading.Thread(target=cut)
    cutting.start()
    try:
        for number in range(200):
            try:
                store.conversations.add([said(number)])
                acknowledged.append(number)
            except StoreError:
                continue
    finally:
        stop.set()
        cutting.join()
    assert acknowledged
    assert all(store.conversations.get(f"cv-{number:016x}") for number in acknowledged)
    store.conversations.add([said(1_000)])
