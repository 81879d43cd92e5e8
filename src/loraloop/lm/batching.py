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
from .lanes import Lane, Part, Row
from .ragged import forward
from .text_stream import TextStream
from .weights import Weights

_TOGETHER = ""
"""Whose lane it is that holds all versions which one pass can read."""
BUSY_PROMPT_TOKENS, IDLE_PROMPT_TOKENS = 48, 256
"""Prompt tokens read in one step: few while others are being answered, so that a long prompt does not hold them up."""
BUSY_SCORED_TOKENS, IDLE_SCORED_TOKENS = 8, 64
"""Tokens of fixed answers and what stands before them, likewise, where no prompt is read: nobody waits for them."""
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
        scored: a given answer, the last of whose tokens the prompt leaves out: its likelihood is asked, and no more.
    """

    id: int
    version: str
    prompt: tuple[int, ...]
    max_tokens: int
    draw: Draw
    stops: tuple[str, ...] = ()
    scored: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """What a step added to one answer; ``finish`` is ``""``, ``"stop"``, ``"length"`` or ``"scored"``.

    Attributes:
        nats: where it was scored, the sum of the log-probabilities of the given answer.
    """

    id: int
    text: str
    finish: str
    prompt_tokens: int
    completion_tokens: int
    nats: float = 0.0


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
        self._lanes: dict[tuple[str, bool], Lane] = {}  # by version, and whether its rows are scored apart

    @property
    def load(self) -> tuple[int, int]:
        """Answers being written, and requests not begun."""
        return sum(len(lane.rows) for lane in self._lanes.values()), len(self._waiting)

    def submit(self, request: Request) -> None:
        """Queue a request; one to be scored waits for no other."""
        if request.scored:
            self._let_in(request)
        else:
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
        self._lanes = {of: lane for of, lane in self._lanes.items() if of[0] != version}

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
            most_tokens = len(request.prompt) + request.max_tokens
            if count and cells + most_tokens > MOST_CELLS:
                return
            self._let_in(self._waiting.popleft())
            count, cells = count + 1, cells + most_tokens

    def _let_in(self, request: Request) -> None:
        stream = None if request.scored else TextStream(self._tokenizer, request.stops)
        row = Row(request.id, request.prompt, request.max_tokens, request.draw, request.version, stream,
                  scored=request.scored)  # fmt: skip
        apart = bool(request.scored) and not self._weights.is_exact
        lane = _TOGETHER if self._weights.can_mix([request.version]) and not apart else request.version
        with torch.inference_mode():  # the pools were made in it
            self._lanes.setdefault((lane, apart), Lane(keeps_starts=not apart)).admit(row)

    def _pass(self, lane: Lane) -> list[Said]:
        """One forward pass over a lane; each row whose prompt is read gets its next token."""
        busy = any(row.writing for row in lane.rows)
        limits = (BUSY_PROMPT_TOKENS, BUSY_SCORED_TOKENS) if busy else (IDLE_PROMPT_TOKENS, IDLE_SCORED_TOKENS)
        part = lane.plan(*limits)
        with self._weights.mixing(part.owners) as model:
            logits_BV = forward(model, part.tokens, part.plan, part.keep or [len(part.tokens) - 1])
        said = _scores(part, logits_BV)
        if not part.writers:
            return said
        logits_BV = logits_BV[: len(part.writers)]
        drawn = next_tokens(
            logits_BV, [row.draw for row in part.writers], [(*row.prompt, *row.out) for row in part.writers]
        )
        return [*said, *(self._write(row, token) for row, token in zip(part.writers, drawn, strict=True))]

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


def _scores(part: Part, logits_KV: torch.Tensor) -> list[Said]:
    """Add how likely the given tokens of this pass are; returns those whose answers were read to the end."""
    if not part.scored:
        return []
    targets_S1 = torch.tensor([token for _, token in part.scored], device=logits_KV.device).unsqueeze(1)
    nats_S1 = torch.log_softmax(logits_KV[len(part.writers) :].float(), dim=-1).gather(1, targets_S1)
    ended: dict[int, Row] = {}
    for (row, _), nats in zip(part.scored, nats_S1[:, 0].double().tolist(), strict=True):
        row.nats += nats
        if row.writing:
            row.finish = "scored"
            ended[row.id] = row
    return [Said(row.id, "", row.finish, len(row.prompt), 0, row.nats) for row in ended.values()]
