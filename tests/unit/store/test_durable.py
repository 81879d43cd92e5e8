"""Files that are whole or absent."""

import errno
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loraloop.errors import StoreError
from loraloop.store.durable import file_digest, replace_link, write_durably

SYSTEM_CALLS = ("replace", "fsync", "open", "fdopen")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text(st.characters(exclude_categories=["Cs"])))
def test_what_was_written_is_there_byte_for_byte(tmp_path: Path, content: bytes | str) -> None:
    """Text is UTF-8 without changed line ends; nothing else is left in the folder; the digest is that of the bytes."""
    path = tmp_path / "file"
    write_durably(path, "before")
    write_durably(path, content)
    raw = content.encode() if isinstance(content, str) else content
    assert path.read_bytes() == raw
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
    assert file_digest(path) == hashlib.sha256(raw).hexdigest()


@pytest.mark.parametrize("call", SYSTEM_CALLS)
def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """Wherever the disk fails, the error says so, and the file is the old one or, after the rename, the new one."""
    path = tmp_path / "file"
    write_durably(path, "before")

    def full(*given: Any, **more: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(StoreError, match="No space left"):
            write_durably(path, "after")
    assert path.read_text() == "before"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_folder_that_is_not_there_is_an_error_of_the_store(tmp_path: Path) -> None:
    """The message names the file that could not be written."""
    with pytest.raises(StoreError, match="none/file"):
        write_durably(tmp_path / "none" / "file", "x")


def test_a_reader_sees_the_old_place_or_the_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between any two steps of replacing a link it leads to a whole folder."""
    link, seen = tmp_path / "named" / "link", []
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    replace_link(link, tmp_path / "old")
    replace = os.replace

    def watched(source: Path, target: Path) -> None:
        seen.append(link.resolve().name)
        replace(source, target)
        seen.append(link.resolve().name)

    monkeypatch.setattr(os, "replace", watched)
    replace_link(link, tmp_path / "new")
    assert seen == ["old", "new"]
    assert [one.name for one in link.parent.iterdir()] == ["link"]


def test_a_link_survives_moving_what_holds_both(tmp_path: Path) -> None:
    """It is relative, so a home can be moved."""
    (tmp_path / "home" / "objects").mkdir(parents=True)
    replace_link(tmp_path / "home" / "names" / "link", tmp_path / "home" / "objects")
    (tmp_path / "home").rename(tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere" / "names" / "link").resolve() == tmp_path / "elsewhere" / "objects"


def test_a_link_left_over_by_a_killed_process_is_in_nobodys_way(tmp_path: Path) -> None:
    """What was staged before is replaced."""
    link = tmp_path / "link"
    (tmp_path / f".link.{os.getpid()}.link").symlink_to("nowhere")
    replace_link(link, tmp_path)
    assert link.resolve() == tmp_path


def test_a_real_folder_in_the_way_is_an_error_and_stays(tmp_path: Path) -> None:
    """Nothing of anybody's is removed to make room for a link."""
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "theirs").touch()
    with pytest.raises(StoreError, match="link"):
        replace_link(tmp_path / "link", tmp_path)
    assert (tmp_path / "link" / "theirs").exists()
