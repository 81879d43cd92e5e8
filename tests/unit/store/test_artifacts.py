"""Objects are published whole or not at all, and verified before every use."""

import errno
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loraloop.errors import ArtifactError, LoraloopError, StoreError, TamperedArtifact, UnknownThing
from loraloop.ports import ArtifactStore
from loraloop.processes import place_code
from loraloop.store.artifacts import LocalArtifacts

DIGEST = "ab" * 32
OTHER = "cd" * 32
FILES = {"weights.safetensors": b"\x00\x01" * 50, "config.json": b"{}", "empty": b""}


@pytest.fixture
def artifacts(tmp_path: Path) -> LocalArtifacts:
    """An empty store."""
    return LocalArtifacts(tmp_path / "home")


def staged(artifacts: LocalArtifacts, files: dict[str, bytes] = FILES) -> Path:
    """A folder that is ready to be published."""
    folder = artifacts.staging()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def test_what_was_published_is_there_as_it_was(artifacts: LocalArtifacts) -> None:
    """Its files and facts come back, staging is empty, and publishing it again changes nothing."""
    port: ArtifactStore = artifacts
    folder = port.publish(staged(artifacts), DIGEST, {"loss": 0.5})
    assert folder == port.verified(DIGEST)
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"} == FILES
    assert artifacts.facts(DIGEST) == {"loss": 0.5}
    again = staged(artifacts, {"other": b"x"})
    assert artifacts.publish(again, DIGEST, {"loss": 9}) == folder
    assert artifacts.facts(DIGEST) == {"loss": 0.5}
    assert list(again.parent.iterdir()) == []
    assert artifacts.digests() == [DIGEST]


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def replace_by_link(path: Path) -> None:
    target = path.parent.parent / "outside"
    target.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(target)


SPOILT: dict[str, Callable[[Path], object]] = {
    "one bit flipped": lambda folder: flip(folder / "weights.safetensors"),
    "cut off": lambda folder: (folder / "weights.safetensors").write_bytes(FILES["weights.safetensors"][:-1]),
    "longer": lambda folder: (folder / "empty").write_bytes(b"x"),
    "a file gone": lambda folder: (folder / "config.json").unlink(),
    "a file more": lambda folder: (folder / "more.py").write_bytes(b"x"),
    "a folder more": lambda folder: (folder / "more").mkdir(),
    "a link to the same bytes": lambda folder: replace_by_link(folder / "config.json"),
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "an empty manifest": lambda folder: (folder / "manifest.json").write_text("{}"),
    "a manifest that is a list": lambda folder: (folder / "manifest.json").write_text("[]"),
    "a manifest of another object": lambda folder: (folder / "manifest.json").write_text(
        (folder / "manifest.json").read_text().replace(DIGEST, OTHER)
    ),
    "a manifest of a newer version": lambda folder: (folder / "manifest.json").write_text(
        (folder / "manifest.json").read_text().replace('"schema_version": 1', '"schema_version": 2')
    ),
}


@pytest.mark.fault(26)
@pytest.mark.parametrize("how", SPOILT)
def test_whatever_was_changed_is_found_and_mended_by_publishing_again(artifacts: LocalArtifacts, how: str) -> None:
    """A spoilt object is refused by name; the whole one takes its place, and the spoilt one is kept for a look."""
    folder = artifacts.publish(staged(artifacts), DIGEST)
    SPOILT[how](folder)
    with pytest.raises(TamperedArtifact, match=DIGEST[:16]):
        artifacts.verified(DIGEST)
    artifacts.publish(staged(artifacts), DIGEST)
    assert artifacts.verified(DIGEST) == folder
    (aside,) = (folder.parents[1] / "damaged").glob(f"{DIGEST[:16]}-*")
    os.utime(aside, (0, 0))
    artifacts.sweep_staging()
    assert aside.is_dir(), "it is kept for a look, however old"


@pytest.mark.slow
@pytest.mark.fault(25)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from("abc"), st.binary(max_size=8), min_size=1), st.data())
def test_no_change_of_any_byte_goes_unseen(artifacts: LocalArtifacts, files: dict[str, bytes], data: Any) -> None:
    """Whatever an object holds, other content in one of its files is found."""
    artifacts.remove(DIGEST)
    folder = artifacts.publish(staged(artifacts, files), DIGEST)
    artifacts.verified(DIGEST)
    name = data.draw(st.sampled_from(sorted(files)))
    (folder / name).write_bytes(data.draw(st.binary(max_size=8).filter(lambda other: other != files[name])))
    with pytest.raises(TamperedArtifact, match=name):
        artifacts.verified(DIGEST)


@pytest.mark.parametrize("name", ["model.bin", "a.pkl", "A.PKL", "x.py", "lib.so", "train.ckpt", "w.Pt"])
def test_code_is_not_published(artifacts: LocalArtifacts, name: str) -> None:
    """A file that could run when it is loaded is refused, however its ending is spelt, and staging is cleared."""
    folder = staged(artifacts, {**FILES, name: b"x"})
    with pytest.raises(ArtifactError, match="could run code"):
        artifacts.publish(folder, DIGEST)
    assert artifacts.digests() == []
    assert not folder.exists()


@pytest.mark.fault(27)
@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_only_plain_files_are_published(artifacts: LocalArtifacts, kind: str) -> None:
    """Links, folders and devices are refused by name."""
    folder = staged(artifacts)
    odd = folder / "odd"
    {"link": lambda: odd.symlink_to("/etc/passwd"), "folder": odd.mkdir, "pipe": lambda: os.mkfifo(odd)}[kind]()
    with pytest.raises(ArtifactError, match="odd"):
        artifacts.publish(folder, DIGEST)
    assert artifacts.digests() == []


@pytest.mark.fault(29)
@pytest.mark.parametrize("call", ["replace", "fsync", "open"])
@pytest.mark.parametrize("works", range(0, 6, 2))
def test_a_disk_that_fills_up_leaves_nothing_or_a_whole_object(
    artifacts: LocalArtifacts, monkeypatch: pytest.MonkeyPatch, call: str, works: int
) -> None:
    """Wherever publishing fails, there is no object or a whole one, and doing it again succeeds."""
    folder, real, left = staged(artifacts), getattr(os, call), [works]

    def filling(*given: Any, **more: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, filling)
        with suppress(StoreError):
            artifacts.publish(folder, DIGEST)
    if DIGEST in artifacts.digests():
        artifacts.verified(DIGEST)
    artifacts.publish(staged(artifacts), DIGEST)
    artifacts.verified(DIGEST)


@pytest.mark.parametrize("digest", ["", "ab", "AB" * 32, "../" + DIGEST, DIGEST + "/", "g" * 64])
def test_what_is_no_digest_leads_nowhere(artifacts: LocalArtifacts, tmp_path: Path, digest: str) -> None:
    """No call takes anything but 64 hex digits."""
    calls: list[Callable[[], object]] = [
        lambda: artifacts.verified(digest),
        lambda: artifacts.facts(digest),
        lambda: artifacts.remove(digest),
        lambda: artifacts.alias(tmp_path, "name", digest),
        lambda: artifacts.publish(staged(artifacts), digest),
    ]
    for call in calls:
        with pytest.raises(ArtifactError, match="no SHA-256"):
            call()


def test_what_was_removed_is_gone_and_nothing_else(artifacts: LocalArtifacts, tmp_path: Path) -> None:
    """Removing twice is the same as once; staging is left empty; an unknown object says what to do."""
    for digest in (DIGEST, OTHER):
        artifacts.publish(staged(artifacts), digest)
    for _ in range(2):
        artifacts.remove(DIGEST)
    assert artifacts.digests() == [OTHER]
    with pytest.raises(UnknownThing) as caught:
        artifacts.verified(DIGEST)
    assert caught.value.hint
    assert list((tmp_path / "home" / "staging").iterdir()) == []


def test_only_what_dead_processes_left_is_swept(artifacts: LocalArtifacts) -> None:
    """Folders of living processes, and of other machines', stay for a day; those of dead ones, and older ones, go."""
    mine = staged(artifacts)
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    names = (f"{ended.pid}-{place_code()}-x", f"{os.getpid()}-old", f"{ended.pid}-elsewher-x", "damaged-x")
    dead, old, elsewhere, damaged = (mine.parent / name for name in names)
    for folder in (dead, old, elsewhere, damaged):
        folder.mkdir()
    os.utime(old, (time.time() - 25 * 3600,) * 2)
    assert artifacts.sweep_staging() == 2
    assert sorted(path.name for path in mine.parent.iterdir()) == sorted([mine.name, elsewhere.name, "damaged-x"])


def test_two_processes_may_sweep_at_once(artifacts: LocalArtifacts, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another process removed meanwhile is no error."""
    (staged(artifacts).parent / "1-gone").mkdir()
    stat = Path.stat

    def gone(path: Path, **more: Any) -> Any:
        if path.parent.name == "staging":
            shutil.rmtree(path, ignore_errors=True)
        return stat(path, **more)

    monkeypatch.setattr(Path, "stat", gone)
    assert artifacts.sweep_staging() == 0


def test_a_name_leads_to_an_object_and_moves_what_is_in_its_way(artifacts: LocalArtifacts, tmp_path: Path) -> None:
    """A real folder of that name is kept beside it, each time anew; a link is replaced."""
    folder = artifacts.publish(staged(artifacts), DIGEST)
    for number in range(3):
        if (tmp_path / "names" / "mine").is_symlink():
            (tmp_path / "names" / "mine").unlink()
        (tmp_path / "names" / "mine").mkdir(parents=True)
        (tmp_path / "names" / "mine" / "theirs").write_text(str(number))
        assert artifacts.alias(tmp_path / "names", "mine", DIGEST).resolve() == folder
    kept = sorted((tmp_path / "names").glob("mine.before-*/theirs"))
    assert sorted(path.read_text() for path in kept) == ["0", "1", "2"]
    for name in ("../x", "objects", "A"):
        with pytest.raises(LoraloopError):
            artifacts.alias(tmp_path / "names", name, DIGEST)


def test_a_store_that_may_not_be_written_says_so(tmp_path: Path) -> None:
    """Where the home is a file, staging is an error of the store; there is nothing to list or to sweep."""
    (tmp_path / "home").write_text("x")
    artifacts = LocalArtifacts(tmp_path / "home")
    with pytest.raises(StoreError, match="staging"):
        artifacts.staging()
    assert artifacts.digests() == []
    assert artifacts.sweep_staging() == 0
