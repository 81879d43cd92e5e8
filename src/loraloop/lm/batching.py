"""Continuous batching: answers of several versions written side by side, rows joining and leaving at every step.

One call of ``Batcher.step`` is one token for every answer that is being written, and a part of the prompts that wait to
be read. Which version a request began with is fixed when it is submitted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from .drawing import Draw, next_tokens
from .lanes import Lane, Row
from .ragged import forward
from .text_stream import TextStream
from .weights import Weights

_TOGETHER = ""
"""The lane of all versions that one pass can read."""
BUSY_PROMPT_TOKENS, IDLE_PROMPT_TOKENS = 48, 256
"""Prompt tokens read in one step: few while others are being answered, so that a long prompt does not hold them up."""
MOST_CELLS = 32_768
"""Tokens of all rows, prompts and longest answers, that are let in at once: what keys and values need memory for."""


@dataclass(frozen=True, slots=True)
class Request:
    """One answer to write.

    Attributes:
        id: the asker's.
        version: whose weights answer.
        prompt: token ids, at least one.
        draw: how tokens are drawn.
        stops: texts that end the answer.
    """

    id: int
    version: str
    prompt: tuple[int, ...]
    max_tokens: int
    draw: Draw
    stops: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """What a step added to one answer; ``finish`` is ``""``, ``"stop"`` or ``"length"``."""

    id: int
    text: str
    finish: str
    prompt_tokens: int
    completion_tokens: int


class Batcher:
    """Writes answers, one token of each a step. One thread at a time may call it.

    Args:
        weights: every version's model.
        tokenizer: turns tokens into text.
        stop_ids: tokens that end an answer.
        max_rows: answers written at once.
    """

    def __init__(self, weights: Weights, tokenizer: Any, stop_ids: Sequence[int], max_rows: int = 16) -> None:
        self._weights, self._tokenizer, self._stop_ids = weights, tokenizer, frozenset(stop_ids)
        self._max_rows = max_rows
        self._waiting: deque[Request] = deque()
        self._lanes: dict[str, Lane] = {}  # one for all versions that one pass can read, and one for each other

    @property
    def load(self) -> tuple[int, int]:
        """Answers being written, and requests not begun."""
        return sum(len(lane.rows) for lane in self._lanes.values()), len(self._waiting)

    def submit(self, request: Request) -> None:
        """Queue a request."""
        self._waiting.append(request)

    def cancel(self, request_id: int) -> None:
        """Forget a request, begun or not; an unknown one changes nothing."""
        self._waiting = deque(r for r in self._waiting if r.id != request_id)
        self._leave(lambda row: row.id == request_id)

    def uses(self, version: str) -> bool:
        """Whether an answer of this version is being written or waits."""
        writing = any(row.version == version for lane in self._lanes.values() for row in lane.rows)
        return writing or any(request.version == version for request in self._waiting)

    def forget(self, version: str) -> None:
        """Let go of what was kept for a version that nobody uses."""
        for lane in self._lanes.values():
            lane.forget(version)
        self._lanes = {name: lane for name, lane in self._lanes.items() if name != version}

    def step(self) -> list[Said]:
        """Read and write one pass of tokens over every lane; returns what it added."""
        with torch.inference_mode():
            self._admit()
            said = [one for lane in self._lanes.values() if lane.rows for one in self._pass(lane)]
        self._leave(lambda row: bool(row.finish))
        return said

    def _admit(self) -> None:
        rows = [row for lane in self._lanes.values() for row in lane.rows]
        count, cells = len(rows), sum(row.most_tokens for row in rows)
        while self._waiting and count < self._max_rows:
            request = self._waiting[0]
            row = Row(request.id, request.prompt, request.max_tokens, request.draw, request.version,
                      TextStream(self._tokenizer, request.stops))  # fmt: skip
            if count and cells + row.most_tokens > MOST_CELLS:
                return
            self._waiting.popleft()
            lane = _TOGETHER if self._weights.can_mix([request.version]) else request.version
            self._lanes.setdefault(lane, Lane()).admit(row)
            count, cells = count + 1, cells + row.most_tokens

    def _pass(self, lane: Lane) -> list[Said]:
        """One forward pass over a lane; each row whose prompt is read gets its next token."""
        busy = any(row.writing for row in lane.rows)
        part = lane.plan(BUSY_PROMPT_TOKENS if busy else IDLE_PROMPT_TOKENS)
        with self._weights.mixing(part.owners) as model:
            logits_BV = forward(model, part.tokens, part.plan, part.keep or [len(part.tokens) - 1])
        if not part.writers:
            return []
        drawn = next_tokens(
            logits_BV, [row.draw for row in part.writers], [(*row.prompt, *row.out) for row in part.writers]
        )
        return [self._write(row, token) for row, token in zip(part.writers, drawn, strict=True)]

    def _write(self, row: Row, token: int) -> Said:
        """Add a token to an answer, or end it."""
        text = ""
        assert row.stream is not None  # every row is admitted with one
        if token in self._stop_ids:
            row.finish = "stop"
        else:
            row.out.append(token)
            text = row.stream.add(token)
            if row.stream.stopped:
                row.finish = "stop"
            elif len(row.out) >= row.max_tokens:
                row.finish = "length"
        if row.finish:
            text += row.stream.end()
        return Said(row.id, text, row.finish, len(row.prompt), len(row.out))

    def _leave(self, gone: Callable[[Row], bool]) -> None:
        with torch.inference_mode():  # the pools were made in it
            for lane in self._lanes.values():
                lane.leave(gone)
