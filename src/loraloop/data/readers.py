"""Bytes of a file -> rows with their line numbers, streaming; what cannot be read is reported by line.

Memory holds one line at a time (at most ``MAX_LINE_BYTES``); only a JSON array, a single JSON object and a YAML corpus
are read whole, and are refused over ``MAX_WHOLE_BYTES``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from ..errors import BadFile
from .messages import BadRow
from .yaml_corpus import yaml_entries

MAX_LINE_BYTES = 10 * 2**20
MAX_WHOLE_BYTES = 256 * 2**20
GIVE_UP_AFTER = 100
"""Bad lines at the start of a file, with no good one among them, after which it is not worth reading on."""

OnBadLine = Callable[[int, str], None]


class Row(NamedTuple):
    """One parsed row: the line it began on (from 1), its value, and how much of the file is read after it, 0..1."""

    line: int
    value: Any
    read_frac: float

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


