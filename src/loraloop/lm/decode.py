"""Many answers at once, each stopped at the end of its turn: end to end without padding, or in padded batches."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from .loader import quiet_transformers
from .own_time import own_s

log = logging.getLogger(__name__)

MOST_CELLS = 16_384
"""Tokens of one batch, prompts, answers and padding: what its keys and values need memory for."""
PROMPT_TOKENS = 512
"""Prompt tokens read in one pass, beside one token of every answer."""
_CAN_BE_RAGGED: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Decoding:
    """How answers are drawn; belongs to a release.

    Attributes:
        max_new_tokens: longest answer, in tokens.
        temperature: 0 is greedy.
        top_p: nucleus share, used only when sampling.
        seed: of the sampling, so that both sides of a comparison draw alike.
        repetition_penalty: 1 is none.
    """

    max_new_tokens: int = 48
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    repetition_penalty: float = 1.0


def generate(
    model: Any,
    prompts: Sequence[Sequence[int]],
    stop_ids: Sequence[int],
    decoding: Decoding,
    *,
    batch_size: int = 16,
    on_answer: Callable[[int, Sequence[int]], None] | None = None,
) -> list[list[int]]:
    """Answer every prompt; returns new token ids without the stop token, in the order given.

    Rows leave as they end and others take their place, as in serving (``lanes.py``); a model that cannot be read so is
    answered for in padded batches. Each row draws with randomness of its own, so who is answered beside it changes
    nothing.

    Args:
        prompts: token ids; none may be empty.
        batch_size: prompts answered at once, at most; fewer where they are long, so that memory stays bounded.
        on_answer: hears each answer as soon as it is there: the number of its prompt, and its ids.
    """
    answers: list[list[int]] = [[] for _ in prompts]

    def hear(number: int, ids: list[int]) -> None:
        answers[number] = ids
        if on_answer is not None:
            on_answer(number, ids)

    with _ragged(model) as possible:
        if possible:
            _side_by_side(model, prompts, stop_ids, decoding, (batch_size, hear))
            return answers
    for members in _batches([len(prompt) + decoding.max_new_tokens for prompt in prompts], batch_size):
        for n, ids in zip(members, _one_batch(model, [prompts[n] for n in members], stop_ids, decoding), strict=True):
            hear(n, ids)
    return answers


def _side_by_side(
    model: Any,
    prompts: Sequence[Sequence[int]],
    stop_ids: Sequence[int],
    decoding: Decoding,
    terms: tuple[int, Callable[[int, list[int]], None]],
) -> None:
    """One token of every answer a pass, and a part of the prompts that come next."""
    import torch

    from .drawing import Draw, next_tokens
    from .lanes import Lane, Row
    from .ragged import forward

    batch_size, hear = terms
    waiting = deque(sorted(range(len(prompts)), key=lambda n: (len(prompts[n]), n)))
    lane, stops = Lane(), frozenset(stop_ids)
    with torch.inference_mode():
        while waiting or lane.rows:
            cells = sum(row.most_tokens for row in lane.rows)
            while waiting and len(lane.rows) < batch_size:
                number = waiting[0]
                own = torch.Generator().manual_seed(decoding.seed)
                draw = Draw(decoding.temperature, decoding.top_p, decoding.repetition_penalty, own)
                row = Row(number, tuple(prompts[number]), decoding.max_new_tokens, draw)
                cells += row.most_tokens
                if lane.rows and cells > MOST_CELLS:
                    break
                waiting.popleft()
                lane.admit(row)
            part = lane.plan(PROMPT_TOKENS)
            logits_BV = forward(model, part.tokens, part.plan, part.keep or [len(part.tokens) - 1])
            if not part.writers:
                continue
            draws, seen = [row.draw for row in part.writers], [(*row.prompt, *row.out) for row in part.writers]
            for row, token in zip(part.writers, next_tokens(logits_BV, draws, seen), strict=True):
                if token not in stops:
                    row.out.append(token)
                if token in stops or len(row.out) >= row.max_tokens:
                    row.finish = "ended"
                    hear(row.id, row.out)
            lane.leave(lambda row: bool(row.finish))


@contextmanager
def _ragged(model: Any) -> Iterator[bool]:
    """Let a model read answers end to end, where its logits stay its own; told once for each model."""
    from .ragged import NAME, serve_with_ragged_attention

    before = model.config._attn_implementation
    if model not in _CAN_BE_RAGGED:
        _CAN_BE_RAGGED[model] = serve_with_ragged_attention(model)
        if not _CAN_BE_RAGGED[model]:
            log.warning("%s is answered for in padded batches, slower", type(model).__name__)
    elif _CAN_BE_RAGGED[model]:
        model.set_attn_implementation(NAME)
    try:
        yield _CAN_BE_RAGGED[model]
    finally:
        model.set_attn_implementation(before)


def _batches(lengths: Sequence[int], batch_size: int) -> Iterator[list[int]]:
    """Yield indices, shortest first, at most ``batch_size`` and, padding counted, ``MOST_CELLS`` tokens at once."""
    batch: list[int] = []
    for n in sorted(range(len(lengths)), key=lambda n: (lengths[n], n)):
        if batch and (len(batch) == batch_size or lengths[n] * (len(batch) + 1) > MOST_CELLS):
            yield batch
            batch = []
        batch.append(n)
    if batch:
        yield batch


def timed_answer(
    model: Any, prompt: Sequence[int], stop_ids: Sequence[int], decoding: Decoding
) -> tuple[list[int], float]:
    """Answer one prompt alone; returns its ids and the seconds it took."""
    start = own_s()
    ids = generate(model, [prompt], stop_ids, decoding, batch_size=1)[0]
    return ids, own_s() - start


def _one_batch(
    model: Any, prompts: Sequence[Sequence[int]], stop_ids: Sequence[int], decoding: Decoding
) -> list[list[int]]:
    import torch
    from transformers import GenerationConfig

    longest = max(len(p) for p in prompts)
    pad = stop_ids[0] if stop_ids else 0
    ids_BL = torch.tensor([[pad] * (longest - len(p)) + list(p) for p in prompts], device=model.device)
    mask_BL = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=model.device)
    sampling = decoding.temperature > 0
    config = GenerationConfig(
        max_new_tokens=decoding.max_new_tokens,
        do_sample=sampling,
        temperature=decoding.temperature if sampling else None,
        top_p=decoding.top_p if sampling else None,
        repetition_penalty=decoding.repetition_penalty,
        eos_token_id=list(stop_ids) or None,
        pad_token_id=pad,
    )
    torch.manual_seed(decoding.seed)
    with torch.inference_mode(), quiet_transformers(), _contiguous_head_input(model):
        out_BN = model.generate(input_ids=ids_BL, attention_mask=mask_BL, generation_config=config)
    return [_until_stop(row[longest:].tolist(), stop_ids) for row in out_BN]


@contextmanager
def _contiguous_head_input(model: Any) -> Iterator[None]:
    """Hand the LM head whole rows.

    After the prompt, generate() gives it the last position of each row as a view with gaps, and torch then copies the
    head once for every row of the batch: 12.7 s of 13.2 s for 16 prompts on a vocabulary of 262,144.
    """
    head = model.get_output_embeddings()
    if head is None:
        yield
        return
    hook = head.register_forward_pre_hook(lambda _, given: (given[0].contiguous(), *given[1:]))
    try:
        yield
    finally:
        hook.remove()


def _until_stop(ids: list[int], stop_ids: Sequence[int]) -> list[int]:
    cut = next((n for n, token in enumerate(ids) if token in stop_ids), len(ids))
    return ids[:cut]
