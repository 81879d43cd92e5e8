"""How likely a model finds fixed answers: one pass over all of them, the same attention and weights that serve."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from .lanes import common_start
from .prepacked import prepack_linears
from .ragged import NAME, Plan, Pool, Span, forward, register

_TOKENS_A_PASS = 256
_WORTH_READING_ONCE = 8
"""Tokens of a shared start below which a second pass costs more than it saves."""
Fixed = tuple[Sequence[int], Sequence[int]]
"""A prompt's token ids, and its answer's."""


def answer_logprobs(model: Any, fixed: Sequence[Fixed]) -> list[float]:
    """Sum of each answer's log-probabilities in nats, teacher-forced.

    What the prompts begin with alike (a system prompt) is read once.

    Args:
        model: a causal LM whose attention is ``ragged.NAME``.
    """
    sums: list[float] = []
    with torch.inference_mode():
        for batch in _batches(fixed):
            pool = Pool()
            pool.reserve(len(batch), max(len(prompt) + len(answer) for prompt, answer in batch))
            shared = _shared_start(batch)
            first = 1 if shared else len(batch)
            sums += _read(model, pool, batch[:first], slot=0, known=0)
            if shared:
                start = pool.take(0, shared)
                for slot in range(1, len(batch)):
                    pool.put(slot, start, shared)
                sums += _read(model, pool, batch[1:], slot=1, known=shared)
    return sums


def _shared_start(batch: Sequence[Fixed]) -> int:
    """Tokens that all prompts begin with, less than any whole prompt; 0 where it is not worth a pass of its own."""
    first = batch[0][0]
    shared = min(min(common_start(first, prompt), len(prompt) - 1) for prompt, _ in batch)
    return shared if len(batch) > 1 and shared >= _WORTH_READING_ONCE else 0


def _read(model: Any, pool: Pool, batch: Sequence[Fixed], *, slot: int, known: int) -> list[float]:
    """Read rows in one pass into the slots from ``slot`` on, whose first ``known`` tokens are in the pool already."""
    tokens: list[int] = []
    keep: list[int] = []
    targets: list[int] = []
    spans: list[Span] = []
    for prompt, answer in batch:
        row = [*prompt, *answer][known:]
        keep += range(len(tokens) + len(prompt) - known - 1, len(tokens) + len(row) - 1)
        targets += answer
        spans.append(Span(slot + len(spans), known, len(row)))
        tokens += row
    logits_SV = forward(model, tokens, Plan(pool, [], tuple(spans)), keep)
    targets_S1 = torch.tensor(targets, device=logits_SV.device).unsqueeze(1)
    said_S = torch.log_softmax(logits_SV.float(), dim=-1).gather(1, targets_S1)[:, 0]
    return [float(part.double().sum()) for part in torch.split(said_S, [len(answer) for _, answer in batch])]


def _batches(fixed: Sequence[Fixed]) -> Iterator[list[Fixed]]:
    batch: list[Fixed] = []
    count = 0
    for one in fixed:
        size = len(one[0]) + len(one[1])
        if batch and count + size > _TOKENS_A_PASS:
            yield batch
            batch, count = [], 0
        batch.append(one)
        count += size
    if batch:
        yield batch


def serve_with_ragged_attention(model: Any) -> bool:
    """Switch a frozen model to ragged attention and prepacked weights; returns whether its logits are still its own.

    Some architectures do not call transformers' attention interface; they are told by their answers, not their names.
    """
    generator = torch.Generator().manual_seed(0)
    size = int(model.get_input_embeddings().weight.shape[0])
    rows = [torch.randint(0, size, (n,), generator=generator).tolist() for n in (7, 4)]
    with torch.inference_mode():
        inputs = [torch.tensor([row], device=model.device) for row in rows]
        own_SV = torch.cat([model(input_ids=ids, use_cache=False).logits[0] for ids in inputs]).float()
    register()
    prepack_linears(model)
    try:
        model.set_attn_implementation(NAME)
        pool = Pool()
        pool.reserve(2, 8)
        spans = (Span(0, 0, 7), Span(1, 0, 4))
        ours_SV = forward(model, [*rows[0], *rows[1]], Plan(pool, [], spans), list(range(11))).float()
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError):
        return False
    tolerance = 1e-3 if model.dtype == torch.float32 else 0.05
    return bool((ours_SV - own_SV).abs().mean() <= tolerance * own_SV.abs().mean())
