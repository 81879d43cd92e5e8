"""A home is saved while others write, and comes back as it was, without whoever was forgotten since."""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loraloop.cli.progress import silent
from loraloop.data.exchanges import record_exchange
from loraloop.errors import BadBackup
from loraloop.jobs import NewJob
from loraloop.processes import identity
from loraloop.restoring import restore
from loraloop.schedule.jobs_config import JobsConfig
from loraloop.schedule.worker import take_back_lost
from loraloop.store.backup_file import BackupWriter, verify
from loraloop.types import message
from loraloop.wiring import open_home

pytestmark = pytest.mark.real

Command = Callable[..., Any]
TOKEN = "Zwetschgenknoedelpflaume"


def say(home: Path, user: str, count: int = 3) -> list[str]:
    """Let a person say something, with consent; returns the ids."""
    with open_home(home) as opened:
        return [
            record_exchange(
                opened.store, bot=opened.bot, messages=[message("user", f"{TOKEN} {user} {n}?")], answer="yes",
                consent="granted", user=user, session=f"{user}{n}", secret=opened.secret,
            ).id
            for n in range(count)
        ]  # fmt: skip


def ids(home: Path) -> set[str]:
    """Every conversation of a home."""
    with open_home(home) as opened:
        return {one.id for one in opened.store.conversations.iterate(opened.bot)}


def bytes_of(folder: Path, needle: str) -> list[str]:
    """Every file of a home that holds some text."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [str(path) for path in files if needle.encode() in path.read_bytes()]


def test_a_restored_home_is_the_one_that_was_saved(a_home: Path, command: Command, tmp_path: Path) -> None:
    """Conversations, the live adapter, its name, settings and key come back; doctor finds nothing."""
    say(a_home, "mina")
    before = command(a_home, "status", "--json").json
    said = command(a_home, "backup", str(tmp_path / "one.tar"), "--json")
    assert said.code == 0
    assert said.json["conversations"] == before["conversations"]
    assert said.json["adapters"] == 1
    assert (tmp_path / "one.tar").stat().st_mode & 0o077 == 0
    made = command(tmp_path / "again", "restore", str(tmp_path / "one.tar"), "--json")
    assert made.code == 0, made
    after = command(tmp_path / "again", "status", "--json").json
    assert {key: after[key] for key in ("live", "conversations", "dataset")} == {
        key: before[key] for key in ("live", "conversations", "dataset")
    }
    assert ids(tmp_path / "again") == ids(a_home)
    for name in ("secret.key", "loraloop.toml"):
        assert (tmp_path / "again" / name).read_bytes() == (a_home / name).read_bytes()
    assert (tmp_path / "again" / "adapters" / "default" / "first" / "adapter_config.json").is_file()
    assert command(tmp_path / "again", "doctor").code == 0
    assert command(tmp_path / "again", "ask", "hello").code == 0


def test_a_folder_gets_a_backup_named_by_the_time(a_home: Path, command: Command, tmp_path: Path) -> None:
    """Nothing else is left in the folder, and a file that is there is never written over."""
    (tmp_path / "kept").mkdir()
    said = command(a_home, "backup", str(tmp_path / "kept"), "--json")
    assert [str(path) for path in (tmp_path / "kept").iterdir()] == [said.json["path"]]
    again = command(a_home, "backup", said.json["path"])
    assert again.code == 2
    assert "there already" in again.err


def test_no_backup_is_written_into_the_home_that_it_should_outlast(a_home: Path, command: Command) -> None:
    """Neither as a folder nor as a file: it would go with the home, and with the next person who is forgotten."""
    for target in (a_home, a_home / "one.tar"):
        said = command(a_home, "backup", str(target))
        assert said.code == 2
        assert "lies in the home" in said.err


@pytest.mark.parametrize("where", ["begin", "middle", "end", "list"])
def test_a_backup_that_was_cut_off_or_changed_is_refused_before_anything_is_written(
    a_home: Path, command: Command, tmp_path: Path, where: str
) -> None:
    """Exit code 8, and there is no home, not even a part of one."""
    path = tmp_path / "one.tar"
    command(a_home, "backup", str(path))
    raw = bytearray(path.read_bytes())
    if where == "list":
        raw[raw.rindex(b'"sha256": "') + 12] ^= 1
    elif where == "middle":
        raw[raw.index(b"SQLite format 3") + 8192] ^= 1
    else:
        raw = raw[: 100 if where == "begin" else len(raw) // 2]
    path.write_bytes(raw)
    said = command(tmp_path / "again", "restore", str(path))
    assert said.code == 8, said
    assert "error:" in said.err
    assert not (tmp_path / "again").exists()
    assert {one.name for one in tmp_path.iterdir()} <= {"home", "home.tombstones", "one.tar"}


@pytest.mark.parametrize(
    "name",
    ["../evil", "/etc/evil", "objects/../../evil", "objects/xyz/a", "loraloop.toml/../x", "receipts/../../x.json"],
)
def test_a_backup_cannot_write_outside_its_folder(tmp_path: Path, name: str) -> None:
    """A name that no home holds is refused, whatever the list says."""
    path = tmp_path / "evil.tar"
    with tarfile.open(path, "w") as tar:
        member = tarfile.TarInfo(name)
        member.size = 4
        tar.addfile(member, io.BytesIO(b"evil"))
    with pytest.raises(BadBackup, match="which no backup holds"):
        verify(path, silent)


@pytest.mark.parametrize("lacking", ["revision", "keys", "names", "left_out", "made_at"])
def test_a_backup_whose_list_is_malformed_is_refused(tmp_path: Path, lacking: str) -> None:
    """Every file is as listed, but the list does not say what a backup's does: told as such, and there is no home."""
    facts: dict[str, Any] = {"revision": "0001", "keys": [], "names": {}, "left_out": {}, "made_at": "2026-01-01"}
    writer = BackupWriter(tmp_path / "bad.tar", silent, 1)
    writer.finish({**facts, lacking: None})
    writer.close()
    with pytest.raises(BadBackup, match=lacking):
        restore(tmp_path / "bad.tar", tmp_path / "again", progress=silent)
    assert not (tmp_path / "again").exists()


def test_a_link_in_a_backup_is_refused(tmp_path: Path) -> None:
    """Only plain files are unpacked."""
    path = tmp_path / "evil.tar"
    with tarfile.open(path, "w") as tar:
        member = tarfile.TarInfo("secret.key")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(member)
    with pytest.raises(BadBackup):
        verify(path, silent)


@pytest.mark.fault(17)
def test_whoever_was_forgotten_since_stays_forgotten(a_home: Path, command: Command, tmp_path: Path) -> None:
    """The ledger beside the home outlasts ``restore --replace``: the person is erased again, to the last byte."""
    say(a_home, "mina")
    say(a_home, "juna")
    command(a_home, "backup", str(tmp_path / "one.tar"))
    command(a_home, "forget", "mina")
    assert bytes_of(a_home, f"{TOKEN} mina") == []
    made = command(a_home, "restore", str(tmp_path / "one.tar"), "--replace", "--json")
    assert made.code == 0, made
    assert any("restored backup" in line for line in made.json["recovered"])
    assert bytes_of(a_home, f"{TOKEN} mina") == []
    assert bytes_of(a_home, f"{TOKEN} juna")
    assert Path(made.json["set_aside"]).is_dir()


@pytest.mark.fault(17)
def test_tombstones_kept_elsewhere_can_be_handed_in(a_home: Path, command: Command, tmp_path: Path) -> None:
    """On another machine, where no ledger stands beside the home, ``--tombstones`` says who was forgotten."""
    say(a_home, "mina")
    command(a_home, "backup", str(tmp_path / "one.tar"))
    command(a_home, "forget", "mina")
    ledger = a_home.with_name("home.tombstones")
    far = tmp_path / "far"
    far.mkdir()
    words = ["restore", str(tmp_path / "one.tar"), "--tombstones", str(ledger)]
    assert command(far / "home", *words, "--json").json["tombstones"] >= 1
    assert bytes_of(far / "home", f"{TOKEN} mina") == []
    (far / "none").touch()
    assert command(far / "other", *words[:3], str(far / "none")).code == 2


@pytest.mark.fault(17)
def test_a_restored_home_ends_no_process_of_the_one_that_was_saved(
    a_home: Path, command: Command, tmp_path: Path
) -> None:
    """A job that ran while it was saved waits in the copy; whoever does it in the first home is left alone."""
    training = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        with open_home(a_home) as home:
            job, lease = home.store.leases.begin(NewJob(home.bot), identity(training.pid), 0.0)
        assert lease is not None
        command(a_home, "backup", str(tmp_path / "one.tar"))
        assert command(tmp_path / "again", "restore", str(tmp_path / "one.tar")).code == 0
        with open_home(tmp_path / "again") as copy:
            take_back_lost(copy.store.leases, JobsConfig())
            found = copy.store.jobs.get(job.id)
            assert copy.store.leases.take("a worker", 60.0) is not None
        assert training.poll() is None, "the training of the first home was killed"
        assert found is not None
        assert (found.status, found.owner, found.process, found.crashes) == ("queued", "", "", 0)
    finally:
        training.communicate(b"\n")


def test_a_copy_of_a_home_ends_no_process_of_the_first(a_home: Path, tmp_path: Path) -> None:
    """``cp -r`` of a home under work: the copy's job waits at once, and whoever does it in the first is left alone."""
    training = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        with open_home(a_home) as home:
            job, lease = home.store.leases.begin(NewJob(home.bot), identity(training.pid), 0.0)
        assert lease is not None
        shutil.copytree(a_home, tmp_path / "copy", symlinks=True)
        with open_home(tmp_path / "copy") as copy:
            take_back_lost(copy.store.leases, JobsConfig())
            found = copy.store.jobs.get(job.id)
        assert training.poll() is None, "the training of the first home was killed"
        assert found is not None
        assert (found.status, found.owner) == ("queued", "")
        with open_home(a_home) as home:
            assert home.store.leases.beat(lease, 60.0).process == identity(training.pid)
    finally:
        training.communicate(b"\n")


def test_without_the_key_a_backup_needs_the_very_same_key(a_home: Path, command: Command, tmp_path: Path) -> None:
    """``--without-key`` leaves it out; a restore without it, or with another, is refused, with it it works."""
    say(a_home, "mina")
    assert "secret.key" in command(a_home, "backup", str(tmp_path / "one.tar"), "--without-key").out
    with tarfile.open(tmp_path / "one.tar") as tar:
        assert "secret.key" not in tar.getnames()
    missing = command(tmp_path / "again", "restore", str(tmp_path / "one.tar"))
    assert missing.code == 2
    assert "--key" in missing.err
    (tmp_path / "other.key").write_text("ab" * 32)
    assert (
        command(tmp_path / "again", "restore", str(tmp_path / "one.tar"), "--key", str(tmp_path / "other.key")).code
        == 2
    )
    assert not (tmp_path / "again").exists()
    right = command(tmp_path / "again", "restore", str(tmp_path / "one.tar"), "--key", str(a_home / "secret.key"))
    assert right.code == 0, right
    assert command(tmp_path / "again", "forget", "mina", "--json").json["conversations"] == 3


def test_a_home_in_use_or_in_the_way_is_not_replaced(a_home: Path, command: Command, tmp_path: Path) -> None:
    """Without ``--replace`` a home is left alone; with it too, while another process has its database open."""
    command(a_home, "backup", str(tmp_path / "one.tar"))
    assert command(a_home, "restore", str(tmp_path / "one.tar")).code == 2
    code = (
        "import sys; from loraloop.wiring import open_home as o; h = o(sys.argv[1]); print('open', flush=True); input()"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(a_home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        busy = command(a_home, "restore", str(tmp_path / "one.tar"), "--replace")
        assert busy.code == 8
        assert "another process uses" in busy.err
    finally:
        other.communicate(b"\n")
    assert command(a_home, "restore", str(tmp_path / "one.tar"), "--replace").code == 0


def test_a_damaged_adapter_is_left_out_aloud(a_home: Path, command: Command, tmp_path: Path) -> None:
    """A live adapter that does not verify is named, and the exit code is 1; the rest is saved."""
    weights = next((a_home / "objects").glob("*/adapter_model.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1])
    said = command(a_home, "backup", str(tmp_path / "one.tar"), "--json")
    assert said.code == 1
    assert said.json["adapters"] == 0
    assert "adapter_model.safetensors" in said.json["left_out"][0]


def test_postgresql_is_told_how_to_be_saved(
    a_home: Path, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is not the home's own is not left out silently: the error names pg_dump."""
    monkeypatch.setenv("LORALOOP_STORE__URL", f"sqlite:///{tmp_path}/elsewhere.db")
    said = command(a_home, "backup", str(tmp_path / "one.tar"))
    assert said.code == 8
    assert "pg_dump" in said.err
    assert not (tmp_path / "one.tar").exists()


def test_a_backup_speaks_korean_too(a_home: Path, command: Command, tmp_path: Path) -> None:
    """What is said of it stands in the catalogue in both languages."""
    assert "저장하고 다시 읽어" in command(a_home, "--lang", "ko", "backup", str(tmp_path / "one.tar")).out
    assert "복원했습니다" in command(tmp_path / "x", "--lang", "ko", "restore", str(tmp_path / "one.tar")).out


WRITER = """
import sys
from loraloop.data.exchanges import record_exchange
from loraloop.types import message
from loraloop.wiring import open_home
with open_home(sys.argv[1]) as home:
    n = 0
    while True:
        said = record_exchange(home.store, bot=home.bot, messages=[message("user", f"load {sys.argv[2]} {n}?")],
                               answer="yes " * 200, consent="granted", user="u", session=f"{sys.argv[2]}{n}",
                               secret=home.secret)
        print(said.id, flush=True)
        n += 1
"""


@pytest.mark.fault(17)
def test_a_backup_under_load_is_one_state(a_home: Path, command: Command, tmp_path: Path) -> None:
    """While two processes write, each of three backups holds all that was acknowledged before, and no gaps after it."""
    logs = [tmp_path / f"writer-{n}" for n in range(2)]
    writers = []
    for n, path in enumerate(logs):
        with path.open("wb") as file:
            writers.append(subprocess.Popen([sys.executable, "-c", WRITER, str(a_home), str(n)], stdout=file))
    try:
        deadline = time.monotonic() + 60
        while not all(path.stat().st_size for path in logs) and time.monotonic() < deadline:
            time.sleep(0.05)
        acknowledged, during = [], []
        for number in range(3):
            time.sleep(0.5)
            acknowledged.append([path.read_text().splitlines()[:-1] for path in logs])
            said = command(a_home, "backup", str(tmp_path / f"{number}.tar"), "--json")
            assert said.code == 0, said
            during.append(sum(len(path.read_text().splitlines()) for path in logs) - sum(map(len, acknowledged[-1])))
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    assert min(during) > 5, "nobody wrote while the backups were made"
    order = [path.read_text().splitlines() for path in logs]
    for number in range(3):
        home = tmp_path / f"again-{number}"
        assert command(home, "restore", str(tmp_path / f"{number}.tar")).code == 0
        there = ids(home)
        for one, said in zip(acknowledged[number], order, strict=True):
            assert set(one) <= there
            held = [identity in there for identity in said]
            assert held == sorted(held, reverse=True), "a later row is in the backup and an earlier one is not"


def test_a_full_disk_leaves_no_part_of_a_backup(a_home: Path, tmp_path: Path) -> None:
    """A file larger than may be written ends in a clear error; no file of it is left."""
    (tmp_path / "kept").mkdir()
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); "
        "from loraloop.cli.main import main; main(sys.argv[1:])"
    )
    words = [sys.executable, "-c", code, "--home", str(a_home), "backup", str(tmp_path / "kept"), "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, "CI": ""})
    assert done.returncode == 8, done.stderr[-2000:]
    assert "exit_code" in json.loads(done.stdout)
    assert list((tmp_path / "kept").iterdir()) == []
