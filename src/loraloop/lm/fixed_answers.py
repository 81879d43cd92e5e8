"""How likely a model finds fixed answers: one pass over all of them, the same attention and weights that serve."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from .ragged import NAME, Plan, Pool, Span, forward, register

_TOKENS_A_PASS = 256
Fixed = tuple[Sequence[int], Sequence[int]]
"""A prompt's token ids, and its answer's."""


def answer_logprobs(model: Any, fixed: Sequence[Fixed]) -> list[float]:
    """Sum of each answer's log-probabilities in nats, teacher-forced.

    Args:
        model: a causal LM whose attention is ``ragged.NAME``.
    """
    sums: list[float] = []
    for batch in _batches(fixed):
        tokens: list[int] = []
        keep: list[int] = []
        targets: list[int] = []
        spans: list[Span] = []
        for prompt, answer in batch:
            row = [*prompt, *answer]
            keep += range(len(tokens) + len(prompt) - 1, len(tokens) + len(row) - 1)
            targets += answer
            spans.append(Span(len(spans), 0, len(row)))
            tokens += row
        pool = Pool()
        pool.reserve(len(spans), max(span.length for span in spans))
        logits_SV = forward(model, tokens, [Plan(pool, [], tuple(spans))], keep)
        targets_S1 = torch.tensor(targets, device=logits_SV.device).unsqueeze(1)
        said_S = torch.log_softmax(logits_SV.float(), dim=-1).gather(1, targets_S1)[:, 0]
        sums += [float(part.double().sum()) for part in torch.split(said_S, [len(answer) for _, answer in batch])]
    return sums


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
    """Switch a model to ragged attention; returns whether its logits then are still its own.

    Some architectures do not call transformers' attention interface; they are told by their answers, not their names.
    """
    generator = torch.Generator().manual_seed(0)
    size = int(model.get_input_embeddings().weight.shape[0])
    rows = [torch.randint(0, size, (n,), generator=generator).tolist() for n in (7, 4)]
    with torch.inference_mode():
        inputs = [torch.tensor([row], device=model.device) for row in rows]
        own_SV = torch.cat([model(input_ids=ids, use_cache=False).logits[0] for ids in inputs]).float()
    register()
    try:
        model.set_attn_implementation(NAME)
        pool = Pool()
        pool.reserve(2, 8)
        spans = (Span(0, 0, 7), Span(1, 0, 4))
        ours_SV = forward(model, [*rows[0], *rows[1]], [Plan(pool, [], spans)], list(range(11))).float()
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError):
        return False
    tolerance = 1e-3 if model.dtype == torch.float32 else 0.05
    return bool((ours_SV - own_SV).abs().mean() <= tolerance * own_SV.abs().mean())
