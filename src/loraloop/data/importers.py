"""Files -> conversations -> store, streaming; a bad line is reported by file and number, the good ones are kept."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from ..collecting import collecting_later
from ..errors import BadFile, UsageError
from ..ports import Progress, Store
from ..prepared_store import KnownRow
from ..types import Conversation
from .candidates import CandidateRow, candidates, row_digest
from .formats import FORMATS, READ_KEYS, ImportOptions, detect
from .known_rows import KnownRows, known_row
from .messages import BadRow
from .near_rows import NearRows
from .quality import DataQualityConfig, reason_under
from .readers import GIVE_UP_AFTER, Row, rows
from .sides import side_of
from .yaml_corpus import PACKAGE_PREFIX, packaged

log = logging.getLogger(__name__)

BATCH = 4000
"""Conversations a transaction. Ids are spread evenly, so that each transaction changes most pages of the indexes, and
fewer of them write those pages less often; others wait a quarter of a second for one."""
MOST_IGNORED = 1000
"""Keys that are counted though no format reads them; with more than that, keys are no names of fields."""
SUFFIXES = frozenset({".jsonl", ".ndjson", ".json", ".yml", ".yaml"})
"""What is read when a folder is walked."""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that was left out, and why. Never quotes the line.

    Attributes:
        line: counted from 1; 0 means the whole file.
    """

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        """Return ``FILE:LINE: REASON``, as compilers do."""
        return f"{self.file}:{self.line}: {self.reason}" if self.line else f"{self.file}: {self.reason}"


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
        ignored: key -> number of rows that have it, though no format reads it: a misspelt one says nothing.
    """

    read: int
    new: int
    known: int
    bad: tuple[BadLine, ...]
    unlearnable: dict[str, int]
    ignored: dict[str, int] = field(default_factory=dict)


OnBad = Callable[[BadLine], None]


def read_file(path: str | Path, format: str, options: ImportOptions, on_bad: OnBad) -> Iterator[Conversation]:
    """Yield the conversations of one file, redacted, one at a time.

    Args:
        path: a JSONL, JSON or YAML file.
        format: a key of ``formats.FORMATS``, or ``"auto"`` to judge each row by its keys.
        options: what holds where rows say nothing.
        on_bad: hears of every line that is left out.

    Raises:
        UsageError: no such format.
        BadFile: the file as a whole cannot be read, is empty, or begins with ``GIVE_UP_AFTER`` bad lines.
    """
    return (found for found, _ in _read(Path(path), format, options, on_bad, Counter()))


def _read(
    path: Path, format: str, options: ImportOptions, on_bad: OnBad, ignored: Counter[str]
) -> Iterator[tuple[Conversation, float]]:
    """Yield each conversation with the share of the file that has been read, 0..1; counts keys that nobody reads."""
    if format != "auto" and format not in FORMATS:
        raise UsageError(f"no format {format!r}", hint=f"one of auto, {', '.join(FORMATS)}")
    good = bad = 0

    def leave_out(line: int, reason: str) -> None:
        nonlocal bad
        bad += 1
        on_bad(BadLine(str(path), line, reason))
        if not good and bad >= GIVE_UP_AFTER:
            raise BadFile(f"{path}: the first {bad} rows are all bad, the last of them: {reason}")

    try:
        with path.open("rb") as stream:
            for row in rows(path, format, stream, leave_out):
                try:
                    found = _conversations(row, format, options)
                except BadRow as error:
                    leave_out(row.line, str(error))
                    continue
                if isinstance(row.value, dict) and not row.value.keys() <= READ_KEYS and len(ignored) < MOST_IGNORED:
                    ignored.update(row.value.keys() - READ_KEYS)
                for conversation in found:
                    good += 1
                    yield conversation, row.read_frac
    except OSError as error:
        raise BadFile(f"{path}: {error.strerror or 'cannot be read'}") from error


def _conversations(row: Row, format: str, options: ImportOptions) -> list[Conversation]:
    """The conversations of one row.

    Raises:
        BadRow: with the reason.
    """
    if row.is_talk:
        return FORMATS["chatterbot"](row.value, options)
    if not isinstance(row.value, dict):
        raise BadRow(f"a row is an object, this is {type(row.value).__name__}")
    return FORMATS[detect(row.value) if format == "auto" else format](row.value, options)


def files_of(paths: Iterable[str | Path]) -> list[Path]:
    """Return the files meant by paths, each once.

    Args:
        paths: a file is itself; a folder is its JSONL, JSON and YAML files at any depth, sorted;
            ``package:NAME/PART`` is a file or folder of an installed Python package.

    Raises:
        BadFile: a path does not exist, or a folder holds nothing to read.
    """
    found: list[Path] = []
    for named in paths:
        path = packaged(str(named)) if str(named).startswith(PACKAGE_PREFIX) else Path(named)
        if not path.is_dir():
            if not path.exists():
                raise BadFile(f"{path}: no such file or folder")
            found.append(path)
            continue
        inside = sorted(
            file
            for file in (Path(folder) / name for folder, _, names in os.walk(path) for name in names)
            if file.suffix in SUFFIXES and (file.is_file() or file.is_symlink())  # reading a pipe would never end
        )
        if not inside:
            raise BadFile(f"{path}: holds no file ending in {', '.join(sorted(SUFFIXES))}")
        found += inside
    return list(dict.fromkeys(found))


class _Import:
    """One run of ``import_files``: batches conversations, counts, and tells the progress in bytes."""

    def __init__(
        self, store: Store, quality: DataQualityConfig, options: ImportOptions, progress: Progress | None, total: int
    ) -> None:
        self._store, self._quality, self._options = store, quality, options
        self._known = KnownRows(store.prepared, quality, options.secret)
        self._near = NearRows(store.signatures, options.bot, quality.cluster_threshold)
        self._progress, self._total_bytes = progress, total
        self._batch: list[Conversation] = []
        self._learnable: list[tuple[str, KnownRow, str]] = []
        self.read = self.new = 0
        self.unlearnable: Counter[str] = Counter()

    def take(self, conversation: Conversation, done_bytes: float) -> None:
        self.read += 1
        self._batch.append(conversation)
        rows = list(candidates(conversation))
        split, learnt = side_of(conversation, rows), list[tuple[CandidateRow, KnownRow]]()
        for row in rows:
            digest = row_digest(row, self._options.secret)
            verdict = self._known.verdict(row, digest)
            reason = reason_under(verdict, row, self._quality)
            if reason:
                self.unlearnable[reason] += 1
            learnt.append((row, known_row(row, digest, verdict, split)))
            if not reason and conversation.bot == self._options.bot:
                self._learnable.append((conversation.id, learnt[-1][1], row.answer))
        self._known.learn(conversation, learnt)
        if len(self._batch) >= BATCH:
            self.flush()
            self.tell(done_bytes)

    def flush(self) -> None:
        """Store a batch, and all that is known of it by now, so that the next dataset need not read it again."""
        if self._batch:
            with self._store.together():
                new = self._store.conversations.add(self._batch)
                self._known.keep()
            if new == len({one.id for one in self._batch}):  # else some are known already, or forgotten
                for conversation_id, row, answer in self._learnable:
                    self._near.take(conversation_id, row.message_index, row.digest, f"{row.asked}\n{answer}")
            self.new += new
            self._batch.clear()
            self._learnable.clear()

    def end(self) -> None:
        """Store what is left."""
        self.flush()
        self._near.sketch()

    def tell(self, done_bytes: float) -> None:
        if self._progress:
            self._progress("import", int(done_bytes), self._total_bytes, conversations=self.read)


@collecting_later()
def import_files(
    paths: Sequence[str | Path],
    format: str,
    options: ImportOptions,
    store: Store,
    progress: Progress | None = None,
    *,
    quality: DataQualityConfig | None = None,
) -> ImportSummary:
    """Read files and store their conversations, ``BATCH`` a transaction.

    A file that cannot be read as a whole is reported as its line 0 when there are others, and the others are kept.

    Args:
        paths: as for ``files_of``.
        format: as for ``read_file``.
        options: as for ``read_file``.
        store: where they go.
        progress: hears ``("import", bytes read, bytes in all, conversations=...)``.
        quality: by which ``unlearnable`` is counted; ``None`` for the defaults. Everything readable is stored.

    Returns:
        What was read, stored and left out.

    Raises:
        UsageError: no such format.
        BadFile: a path does not exist, or the only file cannot be read.
    """
    files, started = files_of(paths), perf_counter()
    sizes = [file.stat().st_size if file.exists() else 0 for file in files]  # a link may lead nowhere
    bad, ignored = list[BadLine](), Counter[str]()
    run = _Import(store, quality or DataQualityConfig(), options, progress, sum(sizes))
    for done, (file, size) in enumerate(zip(files, sizes, strict=True)):
        before = sum(sizes[:done])
        try:
            for conversation, read_frac in _read(file, format, options, bad.append, ignored):
                run.take(conversation, before + read_frac * size)
        except BadFile as error:
            if len(files) == 1:
                raise
            bad.append(BadLine(str(file), 0, str(error).removeprefix(f"{file}: ")))
        run.tell(before + size)
    run.end()
    log.info(
        "imported %d files: %d conversations, %d new, %d bad lines, %.1f s",
        len(files), run.read, run.new, len(bad), perf_counter() - started,
    )  # fmt: skip
    return ImportSummary(
        run.read, run.new, run.read - run.new, tuple(bad), dict(run.unlearnable), dict(ignored.most_common())
    )
