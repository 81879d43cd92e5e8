"""Rows that are read in one pass: which slot each has, what it reads next, and the start their prompts share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .drawing import Draw
from .ragged import Plan, Pool, Span
from .text_stream import TextStream

_WORTH_KEEPING = 8
"""Tokens of a shared start below which copying it saves less than it costs."""


@dataclass(slots=True)
class Row:
    """One answer being written.

    Attributes:
        version: whose weights answer.
        stream: turns its tokens into text as they come; ``None`` where only tokens are wanted.
        read: tokens of the prompt whose keys and values are in the pool.
        out: tokens of the answer so far.
        finish: why it ended; empty while it goes on.
        scored: a given answer, of which only the likelihood is asked: the tokens that follow the last ones of the
            prompt, one each. Where there are any, nothing is written.
        nats: sum of the log-probabilities of those that were read.
    """

    id: int
    prompt: tuple[int, ...]
    max_tokens: int
    draw: Draw
    version: str = ""
    stream: TextStream | None = None
    read: int = 0
    out: list[int] = field(default_factory=list)
    finish: str = ""
    scored: tuple[int, ...] = ()
    nats: float = 0.0

    @property
    def order(self) -> int:
        """Where it stands among rows: who writes, then who reads a prompt, then who is only scored."""
        return 2 if self.scored else 0 if self.writing else 1

    @property
    def writing(self) -> bool:
        """Whether the whole prompt has been read."""
        return self.read == len(self.prompt)

    @property
    def most_tokens(self) -> int:
        """Tokens it may come to."""
        return len(self.prompt) + self.max_tokens

    @property
    def stored(self) -> int:
        """Tokens whose keys and values are in the pool."""
        return self.read + max(0, len(self.out) - 1) if self.writing else self.read


@dataclass(frozen=True, slots=True)
class Part:
    """What one pass over a lane reads.

    Attributes:
        tokens: laid end to end. owners: the version of each.
        keep: the tokens after which a row writes, then those after which one is scored. writers: the first ones' rows.
        scored: of the others, each one's row and the token that follows.
    """

    plan: Plan
    tokens: list[int]
    owners: list[str]
    keep: list[int]
    writers: list[Row]
    scored: list[tuple[Row, int]]


@dataclass(slots=True)
class _Start:
    """What the last two prompts of a version began with, its keys and values, and the last of those prompts.

    Attributes:
        is_whole: whether it is the only prompt so far, to its end.
    """

    tokens: tuple[int, ...] = ()
    kept: dict[int, Any] = field(default_factory=dict)
    last_prompt: tuple[int, ...] = ()
    is_whole: bool = False


class Lane:
    """Rows: those that write, then those whose prompts are being read, then what is only scored; a place is a slot.

    Keys and values of the start that a version's last two prompts had in common (a system prompt), or of its first
    prompt, are kept, and not computed again for its next.

    Args:
        keeps_starts: whether that is done; else each prompt is read alike, whatever was read before it.
    """

    def __init__(self, *, keeps_starts: bool = True) -> None:
        self.rows: list[Row] = []
        self._keeps_starts = keeps_starts
        self._pool = Pool()
        self._starts: dict[str, _Start] = {}

    def admit(self, row: Row) -> None:
        """Give a row the next slot."""
        self._pool.reserve(len(self.rows) + 1, len(row.prompt) + 1)
        start = self._starts.setdefault(row.version, _Start())
        known = common_start(start.tokens, row.prompt)
        if known >= _WORTH_KEEPING:
            row.read = min(known, len(row.prompt) - max(1, len(row.scored)))
        place = next((n for n, other in enumerate(self.rows) if other.order > row.order), len(self.rows))
        self.rows.append(row)
        if place + 1 < len(self.rows):  # whoever is only scored makes room at the end
            self._move(place, len(self.rows) - 1)
            self.rows[place] = row
        if row.read:
            self._pool.put(place, start.kept, row.read)

    def plan(self, prompt_tokens: int, scored_tokens: int = 0) -> Part:
        """The next token of every row that writes, and some of the prompts still to be read.

        Args:
            prompt_tokens: how many tokens of them at most.
            scored_tokens: how many where answers are only scored, less those read of prompts, and at least one.
        """
        writing = [row for row in self.rows if row.writing]
        lengths = [row.stored for row in writing]
        tokens, owners = [row.out[-1] for row in writing], [row.version for row in writing]
        keep, writers, spans = list(range(len(writing))), list(writing), []
        after: list[int] = []
        scored: list[tuple[Row, int]] = []
        left = prompt_tokens
        left_scored = max(scored_tokens, 1)
        for slot in range(len(writing), len(self.rows)):
            row = self.rows[slot]
            count = min(left_scored if row.scored else left, len(row.prompt) - row.read)
            if not count:
                continue
            if row.scored:
                left_scored -= count
            else:
                left, left_scored = left - count, max(left_scored - count, 1)
            spans.append(Span(slot, row.read, count))
            tokens += row.prompt[row.read : row.read + count]
            owners += [row.version] * count
            row.read += count
            first = len(row.prompt) - len(row.scored)
            for place in range(max(row.read - count, first), row.read):
                after.append(len(tokens) - row.read + place)
                scored.append((row, row.scored[place - first]))
            if row.writing and not row.scored:
                keep.append(len(tokens) - 1)
                writers.append(row)
        self._pool.reserve(len(self.rows), max([0, *lengths, *(s.begin + s.length for s in spans)]) + 1)
        return Part(Plan(self._pool, lengths, tuple(spans)), tokens, owners, [*keep, *after], writers, scored)

    def forget(self, version: str) -> None:
        """Let go of what was kept for a version that has no rows."""
        self._starts.pop(version, None)

    def leave(self, gone: Callable[[Row], bool]) -> None:
        """Take rows out; the others close up, writers first."""
        if self._keeps_starts:
            self._remember()
        for place in range(len(self.rows) - 1, -1, -1):
            if gone(self.rows[place]):
                self._close(place)
        if not self.rows:
            self._pool = Pool()

    def _close(self, hole: int) -> None:
        """Fill a hole with the last row of its order, that one's place with the last of the next, and so on."""
        first = self.rows[hole].order
        for order in range(first, 3):
            last = max((n for n, row in enumerate(self.rows) if row.order == order), default=hole)
            if last > hole:
                self._move(last, hole)
                hole = last
        self.rows.pop()

    def _move(self, source: int, target: int) -> None:
        self._pool.move(source, target, self.rows[source].stored)
        self.rows[target] = self.rows[source]

    def _remember(self) -> None:
        """Keep the start that a version's last two prompts share, when another one than before; of its first, all."""
        for slot, row in enumerate(self.rows):
            start = self._starts[row.version]
            if not row.writing or row.prompt == start.last_prompt or (len(row.out) != 1 and not row.scored):
                continue
            is_first = not start.last_prompt
            shared = common_start(start.last_prompt or row.prompt, row.prompt)
            start.last_prompt = row.prompt
            if shared >= _WORTH_KEEPING and (start.is_whole or row.prompt[:shared] != start.tokens[:shared]):
                start.tokens, start.kept = row.prompt[:shared], self._pool.take(slot, shared)
                start.is_whole = is_first


def common_start(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two prompts begin with alike."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
