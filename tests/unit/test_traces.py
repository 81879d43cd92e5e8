"""Mentions of forgotten people are taken out of files, and nothing else is."""

import json
import os
from pathlib import Path

import pytest

from loraloop.traces import scrub_files

SAID = 'mein Drache sagt "가나다라마바사" & mehr'
ID = "cv-00000000000000ff"


def test_lines_go_from_logs_and_exports_and_other_files_go_whole(tmp_path: Path) -> None:
    """A text is found as it stands, in JSON with and without escapes, and in HTML; files without it stay."""
    (tmp_path / "a.jsonl").write_text(json.dumps(SAID) + "\n" + json.dumps(SAID, ensure_ascii=False) + '\n"stays"\n')
    (tmp_path / "loraloop.log.1").write_text(f"x {ID} y\nstays\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "page.html").write_text("<p>mein Drache sagt &quot;가나다라마바사&quot; &amp; mehr</p>")
    (tmp_path / "notes.txt").write_text("nothing of theirs")
    changed = scrub_files(tmp_path, [ID], [SAID])
    assert changed == ["a.jsonl", "loraloop.log.1", "sub/page.html"]
    assert (tmp_path / "a.jsonl").read_text() == '"stays"\n'
    assert (tmp_path / "loraloop.log.1").read_text() == "stays\n"
    assert not (tmp_path / "sub" / "page.html").exists()
    assert (tmp_path / "notes.txt").exists()


def test_models_and_the_database_are_left_alone(tmp_path: Path) -> None:
    """What is erased in other ways, or holds no text, is not touched here."""
    for name in ("loraloop.db", "loraloop.db-wal", "secret.key", "objects/x/manifest.json", "bases/b/tokenizer.json"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{ID} {SAID}")
    assert scrub_files(tmp_path, [ID], [SAID]) == []
    assert scrub_files(tmp_path, [], []) == []


def test_what_was_taken_out_of_a_file_stays_out_after_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is on disk before anybody writes a receipt."""
    forced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda handle: forced.append(os.fstat(handle).st_ino))
    (tmp_path / "a.jsonl").write_text(f"{ID}\nstays\n")
    scrub_files(tmp_path, [ID], [])
    assert (tmp_path / "a.jsonl").stat().st_ino in forced
