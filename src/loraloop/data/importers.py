"""Files -> conversations, streaming; a bad line is reported by file and number, the good ones are kept.

Memory holds one line at a time (at most ``MAX_LINE_BYTES``); only a JSON array and a YAML corpus are read whole, and
are refused over ``MAX_WHOLE_BYTES``.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ..errors import BadFile, UsageError
from ..ports import Progress, Store
from ..types import Conversation
from .formats import FORMATS, ImportOptions, detect
from .messages import BadRow
from .quality import DataQualityConfig, reason_to_drop
from .selection import candidates
from .yaml_corpus import yaml_entries

MAX_LINE_BYTES = 10 * 2**20
MAX_WHOLE_BYTES = 256 * 2**20
BATCH = 500
"""Conversations a transaction."""
SUFFIXES = frozenset({".jsonl", ".ndjson", ".json", ".yml", ".yaml"})
"""What is read when a folder is walked."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that was left out, and why. Never quotes the line."""

    file: str
    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What an import did.

    Attributes:
        read: conversations read from the files.
        new: of these, stored for the first time.
        known: of these, stored before.
        bad: lines left out.
        unlearnable: reason -> number of answers read that will not be learnt from as they are (no consent, nobody
            approved them, ...).
    """

    read: int
    new: int
    known: int
    bad: tuple[BadLine, ...]
    unlearnable: dict[str, int]


Row = tuple[int, Any]
OnBad = Callable[[BadLine], None]


def _no_constant(name: str) -> Any:
    raise BadRow(f"{name} is not JSON")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadRow("a key stands twice in one object")
    return found


_DECODER = json.JSONDecoder(parse_constant=_no_constant, object_pairs_hook=_no_duplicates)


def _parse(line: bytes) -> Any:
    """Return the JSON value of a line.

    Raises:
        BadRow: with the reason.
    """
    if b"\x00" in line:
        raise BadRow("binary data")
    try:
        return _DECODER.decode(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadRow("not UTF-8") from error
    except json.JSONDecodeError as error:
        cut = "cut off or " if error.pos >= len(error.doc.rstrip()) - 1 else ""
        raise BadRow(f"{cut}not JSON: {error.msg} at column {error.colno}") from error
    except RecursionError as error:
        raise BadRow("nested too deeply") from error
    except BadRow:
        raise
    except ValueError as error:
        raise BadRow("a number is too long") from error


def _lines(stream: IO[bytes], bad: Callable[[int, str], None]) -> Iterator[tuple[int, bytes]]:
    """Yield non-blank lines with their numbers, from 1; a line over the limit is skipped unread and reported."""
    number = 0
    while line := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
            while (rest := stream.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                pass
            bad(number, f"longer than {MAX_LINE_BYTES // 2**20} MB")
            continue
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line.strip():
            yield number, line.strip()


def _json_lines(stream: IO[bytes], bad: Callable[[int, str], None]) -> Iterator[Row]:
    for number, line in _lines(stream, bad):
        try:
            yield number, _parse(line)
        except BadRow as error:
            bad(number, str(error))


def _json_array(text: str, bad: Callable[[int, str], None]) -> Iterator[Row]:
    """Yield the elements of a JSON array one by one; after a broken one nothing can be found again."""
    place = text.index("[") + 1
    line = 1 + text.count("\n", 0, place)
    while True:
        start = place
        while place < len(text) and text[place] in " \t\r\n,":
            place += 1
        line += text.count("\n", start, place)
        if text[place : place + 1] == "]":
            return
        start = place
        try:
            if place >= len(text):
                raise BadRow("cut off: the array has no end")
            value, place = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            reason = str(error) if isinstance(error, BadRow) else "not JSON; the rest of the array is not read"
            bad(line, reason)
            return
        yield line, value
        line += text.count("\n", start, place)


def _whole(path: Path) -> str:
    """Return the text of a file that must be read in one piece.

    Raises:
        BadFile: too large or not UTF-8.
    """
    if path.stat().st_size > MAX_WHOLE_BYTES:
        raise BadFile(
            f"{path}: over {MAX_WHOLE_BYTES // 2**20} MB in one piece", hint="turn it into JSONL, one row a line"
        )
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadFile(f"{path}: not UTF-8 (byte {error.start})", hint="save it as UTF-8") from error


def _rows(path: Path, format: str, stream: IO[bytes], bad: Callable[[int, str], None]) -> Iterator[Row]:
    head = stream.read(4096)
    stream.seek(0)
    if not head.strip():
        raise BadFile(f"{path}: empty")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadFile(f"{path}: UTF-16, not UTF-8", hint="save it as UTF-8")
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    is_yaml = first.startswith((b"categories:", b"conversations:", b"---")) or path.suffix in (".yml", ".yaml")
    if format == "chatterbot" or (format == "auto" and is_yaml and not first.startswith((b"{", b"["))):
        return yaml_entries(path, _whole(path), bad)
    if first.startswith(b"["):
        return _json_array(_whole(path), bad)
    return _json_lines(stream, bad)


def read_file(path: str | Path, format: str, options: ImportOptions, on_bad: OnBad) -> Iterator[Conversation]:
    """Yield the conversations of one file, redacted, one at a time.

    Args:
        path: a JSONL, JSON array or YAML file.
        format: a key of ``formats.FORMATS``, or ``"auto"`` to judge each row by its keys.
        options: what holds where rows say nothing.
        on_bad: hears of every line that is left out.

    Raises:
        UsageError: no such format.
        BadFile: the file as a whole cannot be read, or is empty.
    """
    if format != "auto" and format not in FORMATS:
        raise UsageError(f"no format {format!r}", hint=f"one of auto, {', '.join(FORMATS)}")
    path = Path(path)

    def bad(line: int, reason: str) -> None:
        on_bad(BadLine(str(path), line, reason))

    try:
        with path.open("rb") as stream:
            for line, row in _rows(path, format, stream, bad):
                try:
                    name = format if format != "auto" else "chatterbot" if isinstance(row, list) else detect(row)
                    if name != "chatterbot" and not isinstance(row, dict):
                        raise BadRow(f"a row is an object, this is {type(row).__name__}")
                    found = FORMATS[name](row, options)
                except BadRow as error:
                    bad(line, str(error))
                    continue
                yield from found
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror or 'cannot be read'}") from error


def files_of(paths: Iterable[str | Path]) -> list[Path]:
    """Return the files meant by paths: a file is itself, a folder its JSONL, JSON and YAML files at any depth, sorted.

    Raises:
        BadFile: a path does not exist, or a folder holds nothing to read.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if not path.is_dir():
            if not path.exists():
                raise BadFile(f"{path}: no such file or folder")
            found.append(path)
            continue
        inside = sorted(
            Path(folder) / name for folder, _, names in os.walk(path) for name in names if Path(name).suffix in SUFFIXES
        )
        if not inside:
            raise BadFile(f"{path}: holds no file ending in {', '.join(sorted(SUFFIXES))}")
        found += inside
    return found


def import_files(
    paths: Sequence[str | Path], format: str, options: ImportOptions, store: Store, progress: Progress | None = None
) -> ImportSummary:
    """Read files and store their conversations, ``BATCH`` a transaction.

    A file that cannot be read as a whole is reported as its line 0 when there are others, and the others are kept.

    Args:
        paths: files and folders.
        format: as for ``read_file``.
        options: as for ``read_file``.
        store: where they go.
        progress: hears ``("import", files done, files in all, conversations=...)``.

    Returns:
        What was read, stored and left out.

    Raises:
        UsageError: no such format.
        BadFile: a path does not exist, or the only file cannot be read.
    """
    files = files_of(paths)
    bad: list[BadLine] = []
    unlearnable: Counter[str] = Counter()
    config = DataQualityConfig()
    read = new = 0
    batch: list[Conversation] = []

    def flush() -> None:
        nonlocal new
        if batch:
            new += store.conversations.add(batch)
            batch.clear()

    for done, file in enumerate(files):
        try:
            for conversation in read_file(file, format, options, bad.append):
                read += 1
                batch.append(conversation)
                unlearnable.update(
                    reason for row in candidates(conversation) if (reason := reason_to_drop(row, config))
                )
                if len(batch) >= BATCH:
                    flush()
                    if progress:
                        progress("import", done, len(files), conversations=read)
        except BadFile as error:
            if len(files) == 1:
                raise
            bad.append(BadLine(str(file), 0, str(error).removeprefix(f"{file}: ")))
        if progress:
            progress("import", done + 1, len(files), conversations=read)
    flush()
    return ImportSummary(read=read, new=new, known=read - new, bad=tuple(bad), unlearnable=dict(unlearnable))
