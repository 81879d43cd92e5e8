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
GIVE_UP_AFTER = 1000
"""Bad lines at the start of a file, with no good one among them, after which it is not worth reading on."""

OnBadLine = Callable[[int, str], None]


class Row(NamedTuple):
    """One parsed row.

    Attributes:
        line: on which it began, from 1.
        read_frac: share of the file that is read after it, 0..1.
        is_talk: whether it came from a chatterbot corpus; a bare JSON list never passes for one.
    """

    line: int
    value: Any
    read_frac: float
    is_talk: bool = False


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
        raise BadRow("not UTF-8; save the file as UTF-8") from error
    except json.JSONDecodeError as error:
        cut = "cut off or " if error.pos >= len(error.doc.rstrip()) - 1 else ""
        raise BadRow(f"{cut}not JSON: {error.msg} at column {error.colno}") from error
    except RecursionError as error:
        raise BadRow("nested too deeply") from error
    except BadRow:
        raise
    except ValueError as error:
        raise BadRow("a number is too long") from error


def _lines(stream: IO[bytes], size: int, bad: OnBadLine) -> Iterator[tuple[int, bytes, float]]:
    """Yield non-blank lines, numbered from 1, with the share read; a line over the limit is skipped and reported."""
    number = read = 0
    while line := stream.readline(MAX_LINE_BYTES + 1):
        number += 1
        read += len(line)
        if len(line) > MAX_LINE_BYTES and not line.endswith(b"\n"):
            while (rest := stream.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                read += len(rest)
            read += len(rest)
            bad(number, f"longer than {MAX_LINE_BYTES // 2**20} MB")
            continue
        if number == 1:
            line = line.removeprefix(b"\xef\xbb\xbf")
        if line.strip():
            yield number, line.strip(), min(1.0, read / max(1, size))


def _json_lines(stream: IO[bytes], size: int, bad: OnBadLine) -> Iterator[Row]:
    for number, line, read_frac in _lines(stream, size, bad):
        try:
            yield Row(number, _parse(line), read_frac)
        except BadRow as error:
            bad(number, str(error))


def _json_array(text: str, bad: OnBadLine) -> Iterator[Row]:
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
        yield Row(line, value, place / len(text))
        line += text.count("\n", start, place)


def _one_object(text: str) -> Any | None:
    """The object that a whole file is, if it is one (written over many lines), else ``None``."""
    try:
        value, end = _DECODER.raw_decode(text.strip())
    except (ValueError, RecursionError):
        return None
    return value if end == len(text.strip()) else None


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


def _refuse_binary(path: Path, head: bytes) -> None:
    """Refuse what is no UTF-8 text at first sight.

    Raises:
        BadFile: empty, UTF-16 or binary.
    """
    if not head.strip():
        raise BadFile(f"{path}: empty", hint="check the path; nothing was imported from it")
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in head[:2]:
        raise BadFile(f"{path}: UTF-16, not UTF-8", hint="save it as UTF-8")
    if b"\x00" in head and not head.lstrip().startswith((b"{", b"[")):
        raise BadFile(f"{path}: binary, not text", hint="unpack or convert it first")


def rows(path: Path, format: str, stream: IO[bytes], bad: OnBadLine) -> Iterator[Row]:
    """Yield the parsed rows of a file.

    Args:
        path: the file; named in errors.
        format: ``"auto"``, or the format the caller named; ``"chatterbot"`` reads as YAML.
        stream: the file, opened for reading bytes.
        bad: hears of lines that cannot be read.

    Raises:
        BadFile: the file as a whole cannot be read.
    """
    head = stream.read(4096)
    stream.seek(0)
    _refuse_binary(path, head)
    first = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    is_json = first.startswith((b"{", b"["))
    is_yaml = first.startswith((b"categories:", b"conversations:", b"---")) or path.suffix in (".yml", ".yaml")
    if format == "chatterbot" or (format == "auto" and is_yaml and not is_json):
        text = _whole(path)
        lines = 1 + text.count("\n")
        return (Row(line, texts, line / lines, is_talk=True) for line, texts in yaml_entries(path, text, bad))
    if first.startswith(b"["):
        return _json_array(_whole(path), bad)
    if path.suffix == ".json" and (value := _one_object(_whole(path))) is not None:
        return iter((Row(1, value, 1.0),))
    return _json_lines(stream, path.stat().st_size, bad)
