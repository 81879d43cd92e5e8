"""Wrong input on purpose: a clear error, the right exit code, and nothing lost."""

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from loraloop.testing.tiny import tiny_base as make_tiny_base

pytestmark = pytest.mark.real

Command = Callable[..., Any]
Records = Callable[[Path, int, int], Path]


def count(command: Command, home: Path) -> int:
    """Conversations in a home."""
    return int(command(home, "status", "--json").json["conversations"])


def test_a_truncated_file_keeps_its_good_lines_and_names_the_bad_one(
    command: Command, a_home: Path, tmp_path: Path, records: Records
) -> None:
    """A file cut off in the middle of a line gives exit code 3, FILE:LINE, and every whole line."""
    path = records(tmp_path / "cut.jsonl", 500, 10)
    path.write_bytes(path.read_bytes()[:-20])
    before = count(command, a_home)
    said = command(a_home, "import", str(path))
    assert said.code == 3
    assert f"{path}:10:" in said.err
    assert count(command, a_home) == before + 9


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (bytes(range(256)) * 40, "UTF-8"),
        (b"", "empty"),
        ('{"user_input": "안녕하세요 반가워요", "bot_response": "네 반갑습니다"}\n'.encode("cp949") * 3, "UTF-8"),
        (b"[1, 2, 3]\n", ""),
    ],
    ids=["binary", "empty", "wrong encoding", "no conversation"],
)
def test_a_file_that_is_no_conversation_is_refused_with_its_name(
    command: Command, a_home: Path, tmp_path: Path, content: bytes, words: str
) -> None:
    """Binary, empty, wrongly encoded or foreign files store nothing and end with an error that names the file."""
    path = tmp_path / "strange.jsonl"
    path.write_bytes(content)
    before = count(command, a_home)
    said = command(a_home, "import", str(path))
    assert said.code in (3, 4)
    assert "strange.jsonl" in said.err
    assert words in said.err
    assert count(command, a_home) == before


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a b", "", "x" * 65, ".hidden", "한글", "a/b"])
def test_names_that_lead_elsewhere_are_refused_everywhere(command: Command, a_home: Path, name: str) -> None:
    """An adapter's name is checked by every command that takes one, before anything is done."""

    def files() -> list[str]:
        """Everything but the database and the locks, which looking may touch."""
        every = (path for path in a_home.parent.rglob("*") if "loraloop." not in path.name)
        return sorted(str(path) for path in every if path.suffix != ".lock")

    before = files()
    for words in (["turn", "--name", name], ["deploy", name], ["rollback", name], ["evaluate", name]):
        said = command(a_home, *words)
        assert said.code in (2, 7), (words, said)
        assert "error:" in said.err
    assert files() == before


def flip_a_bit(path: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes()[:-64]),
        flip_a_bit,
    ],
    ids=["missing", "truncated", "one bit flipped"],
)
def test_spoilt_adapter_files_are_found_and_never_loaded(
    command: Command, a_home: Path, spoil: Callable[[Path], None]
) -> None:
    """Doctor names the file, answering and evaluating refuse with exit code 5, the base still answers."""
    weights = next((a_home / "objects").glob("*/adapter_model.safetensors"))
    weights.chmod(0o644)
    weights.parent.chmod(0o755)
    spoil(weights)
    doctor = command(a_home, "doctor", "--json")
    assert doctor.code == 1
    assert "adapter_model.safetensors" in json.dumps(doctor.json)
    for words in (["ask", "hello"], ["evaluate", "first"]):
        said = command(a_home, *words)
        assert said.code == 5, said
        assert "adapter_model.safetensors" in said.err
    assert command(a_home, "ask", "hello", "--with", "base").code == 0


def test_another_base_is_refused_by_name(command: Command, a_home: Path, tmp_path: Path) -> None:
    """An adapter made for one base is neither evaluated nor served on another."""
    other = make_tiny_base(tmp_path / "other", seed=7)
    settings = a_home / "loraloop.toml"
    text = settings.read_text()
    line = next(line for line in text.splitlines() if line.startswith("model ="))
    settings.write_text(text.replace(line, f'model = "{other}"'))
    said = command(a_home, "evaluate", "first")
    assert said.code == 5
    assert "made for" in said.err
    assert command(a_home, "doctor").code == 1


@pytest.mark.fault(45)
def test_a_loss_that_is_no_number_stops_the_turn_and_leaves_the_release(
    command: Command, a_home: Path, tmp_path: Path
) -> None:
    """With an absurd learning rate training says it diverged and what to lower; the live release stays."""
    live = command(a_home, "status", "--json").json["live"]
    settings = a_home / "loraloop.toml"
    settings.write_text(settings.read_text().replace("learning_rate = 0.005", "learning_rate = 1e30"))
    said = command(a_home, "turn", "--name", "mad")
    assert said.code == 6
    assert "learning_rate" in said.err
    assert command(a_home, "status", "--json").json["live"] == live
    assert command(a_home, "doctor").code == 0


def test_every_typo_in_the_settings_is_named_with_the_nearest_setting(command: Command, a_home: Path) -> None:
    """Three mistakes are told at once, each with its line, and nothing is opened."""
    settings = a_home / "loraloop.toml"
    settings.write_text("[train]\nlearning_rat = 1\nepochs = -3\n[gaet]\nx = 1\n")
    said = command(a_home, "status")
    assert said.code == 2
    for words in ("learning_rat", "train.learning_rate", "train.epochs", "gaet", "loraloop.toml:2", "3 faults"):
        assert words in said.err, words


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mount a file system of so many bytes; where that is not allowed the test is not for this machine."""
    mounted: list[Path] = []

    def mount(size_bytes: int) -> Path:
        folder = tmp_path / "disk"
        folder.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
        if os.geteuid() != 0:
            words = ["sudo", "-n", *words]
        if subprocess.run(words, capture_output=True, check=False).returncode != 0:
            pytest.xfail("this machine does not let tests mount a small disk")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)  # the log file on it is closed later


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(b"x" * 4096)


@pytest.mark.fault(8)
@pytest.mark.fault(52)
def test_a_full_disk_loses_nothing_and_the_turn_finishes_once_there_is_room(
    command: Command, a_home: Path, tmp_path: Path, small_disk: Callable[[int], Path], records: Records
) -> None:
    """On a disk too small for another adapter the turn ends with a clear error; enlarged, it finishes."""
    used = sum(path.lstat().st_size for path in a_home.rglob("*"))
    disk = small_disk(used + 800_000)
    shutil.copytree(a_home, disk / "home", symlinks=True)
    home = disk / "home"
    more = records(tmp_path / "more.jsonl", 900, 60)
    assert command(home, "import", str(more), "--reviewed", "--consent", "granted").code == 0
    live = command(home, "status", "--json").json["live"]
    fill(disk / "ballast")
    said = command(home, "turn", "--name", "second")
    assert said.code in (6, 8), said
    assert "space" in said.err.lower()
    (disk / "ballast").unlink()
    assert command(home, "status", "--json").json["live"] == live
    subprocess.run(["mount", "-o", f"remount,size={used + 60_000_000}", str(disk)], check=True)
    assert command(home, "turn", "--name", "second").code in (0, 1)
    assert command(home, "doctor", "--json").json["checks"]["adapters"] == []


@pytest.mark.fault(10)
def test_a_read_only_home_says_so(command: Command, a_home: Path, small_disk: Callable[[int], Path]) -> None:
    """Nothing can be written, so commands that write end with exit code 8 and name the folder."""
    disk = small_disk(40_000_000)
    shutil.copytree(a_home, disk / "home", symlinks=True)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    said = command(disk / "home", "turn", "--name", "second")
    assert said.code == 8, said
    assert "read-only" in said.err.lower()
