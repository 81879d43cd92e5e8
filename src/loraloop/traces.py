"""Traces of forgotten people in the files of a home: exports, logs, pages, what a training left behind."""

from __future__ import annotations

import html
import json
import os
import shutil
import time
from collections.abc import Collection, Iterator
from pathlib import Path

SKIPPED_FOLDERS = frozenset({"bases", "objects"})
"""Models and adapters: weights and digests, no text."""
_SKIPPED_ENDS = (".db", ".db-wal", ".db-shm", ".lock", ".key", ".safetensors")
_LINES = frozenset({".jsonl", ".ndjson", ".log", ".csv", ".tsv"})
_LEAST_CHARS = 12


def needles(names: Collection[str], texts: Collection[str]) -> tuple[bytes, ...]:
    """Return what to look for: ids, and each line of each text as it stands in plain text, JSON and HTML."""
    lines = {line.strip() for text in texts for line in (text, *text.splitlines())}
    said = {line for line in lines if len(line) >= _LEAST_CHARS}
    as_json = {json.dumps(line, ensure_ascii=ascii)[1:-1] for line in said for ascii in (True, False)}
    forms = said | as_json | {html.escape(line) for line in said}
    return tuple(sorted(form.encode() for form in {*names, *forms}))


def _files(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not (Path(where) == folder and name in SKIPPED_FOLDERS)]
        yield from (Path(where) / name for name in names if not name.endswith(_SKIPPED_ENDS))


def scrub_files(folder: Path, names: Collection[str], texts: Collection[str]) -> list[str]:
    """Take every mention out of the files of a home: lines out of logs and exports, any other file as a whole.

    Args:
        folder: the home.
        names: pseudonyms and ids.
        texts: what was said.

    Returns:
        The files that were changed or removed, relative to the home.
    """
    sought = needles(names, texts)
    changed: list[str] = []
    for path in _files(folder) if sought else ():
        try:
            raw = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        except OSError:
            continue
        if not any(needle in raw for needle in sought):
            continue
        if _LINES & {suffix.lower() for suffix in path.suffixes}:
            kept = [line for line in raw.splitlines(keepends=True) if not any(needle in line for needle in sought)]
            with path.open("r+b") as file:  # in place: whoever appends to a log goes on with the same file
                file.write(b"".join(kept))
                file.truncate()
                file.flush()
                os.fsync(file.fileno())  # the receipt that says so outlasts a power cut
        else:
            path.unlink()
        changed.append(str(path.relative_to(folder)))
    return sorted(changed)


def drop_unfinished(adapter_dir: Path) -> bool:
    """Remove what trainings that were cut off left behind; returns whether there was anything."""
    work = adapter_dir / ".work"
    there = work.is_dir()
    shutil.rmtree(work, ignore_errors=True)
    return there


def drop_abandoned(adapter_dir: Path, days: float) -> int:
    """Remove what trainings left behind that were cut off so long ago; returns how many."""
    removed = 0
    for work in sorted((adapter_dir / ".work").glob("*")):
        newest = max((path.stat().st_mtime for path in (work, *work.iterdir())), default=0.0) if work.is_dir() else 0.0
        if newest and time.time() - newest > days * 86_400:
            shutil.rmtree(work, ignore_errors=True)
            removed += 1
    return removed


def drop_set_aside(folder: Path, digests: Collection[str]) -> int:
    """Remove damaged copies of adapters that were set aside in a home; returns how many."""
    found = [path for digest in digests for path in (folder / "damaged").glob(f"{digest[:16]}-*")]
    for path in found:
        shutil.rmtree(path, ignore_errors=True)
    return len(found)


def drop_weights(folder: Path, bot: str, touched: Collection[str], live: str | None) -> int:
    """Remove the copies of adapters that learnt from the forgotten, but for the live one; returns how many.

    Args:
        folder: the home.
        touched: ids of adapters. live: id of the one that serves.
    """
    removed = 0
    for place in (folder / "backups" / bot, folder / "production" / bot):
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            if path.is_symlink() or not path.is_dir():
                continue
            try:
                shown = json.loads((path / "deployment.json").read_text(encoding="utf-8")).get("adapter_id")
            except (OSError, ValueError, AttributeError):
                continue
            if shown in touched and shown != live:
                shutil.rmtree(path, ignore_errors=True)
                removed += 1
    links = folder / "adapters" / bot
    for path in sorted(links.iterdir()) if links.is_dir() else ():
        if path.is_symlink() and not path.exists():
            path.unlink()
    return removed
