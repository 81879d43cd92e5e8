"""The next token of each row: the likeliest, or one drawn with the row's own randomness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

_LIKELY = 256
"""Tokens that are looked at first; the nucleus of a sure model lies within them, and sorting a vocabulary is slow."""
LEAST_TEMPERATURE = 1e-5
"""Below this the likeliest token is taken: scores that are divided by less are no numbers any more."""


@dataclass(slots=True)
class Draw:
    """How one row's tokens are drawn.

    Attributes:
        temperature: 0 takes the likeliest, as does what is hardly more. top_p: nucleus share, used only when drawing.
        repetition_penalty: divides what speaks for tokens already seen; 1 is none.
        generator: the row's own, so that its draws do not depend on who is answered beside it.
    """

    temperature: float
    top_p: float
    repetition_penalty: float
    generator: torch.Generator

    @property
    def is_sure(self) -> bool:
        """Whether the likeliest token is taken."""
        return self.temperature < LEAST_TEMPERATURE

    @property
    def plain(self) -> bool:
        """Whether it is taken of the scores as they are."""
        return self.is_sure and self.repetition_penalty == 1.0


def next_tokens(logits_BV: torch.Tensor, draws: Sequence[Draw], seen: Sequence[Sequence[int]]) -> list[int]:
    """One token a row.

    Args:
        logits_BV: of each row's last token.
        seen: every token of each row so far, for the repetition penalty.
    """
    best: list[int] = logits_BV.max(-1).indices.tolist()  # in bfloat16 a sixth of what argmax takes
    return [
        token if draw.plain else _drawn(logits_V.float().cpu(), draw, before)
        for token, logits_V, draw, before in zip(best, logits_BV, draws, seen, strict=True)
    ]


def _drawn(logits_V: torch.Tensor, draw: Draw, before: Sequence[int]) -> int:
    if draw.repetition_penalty != 1.0:
        logits_V = _penalised(logits_V, before, draw.repetition_penalty)
    if draw.is_sure:
        return int(logits_V.argmax())
    probs_V = torch.softmax(logits_V / draw.temperature, dim=-1)
    if draw.top_p < 1.0:
        likely, tokens = _nucleus(probs_V, draw.top_p)
        return int(tokens[torch.multinomial(likely, 1, generator=draw.generator)])
    return int(torch.multinomial(probs_V, 1, generator=draw.generator))


def _penalised(logits_V: torch.Tensor, before: Sequence[int], penalty: float) -> torch.Tensor:
    """Source: CTRL, arXiv:1909.05858, section 4.1, with negative scores multiplied, as transformers does."""
    seen = torch.tensor(sorted(set(before)))
    out = logits_V.clone()
    given = out[seen]
    out[seen] = torch.where(given < 0, given * penalty, given / penalty)
    return out


def _nucleus(probs_V: torch.Tensor, top_p: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The fewest likeliest tokens that hold ``top_p`` of the probability, and how likely each is."""
    likely, tokens = probs_V.topk(min(_LIKELY, probs_V.shape[0]))
    if float(likely.sum()) < top_p:
        likely, tokens = probs_V.sort(descending=True)
    before: Any = likely.cumsum(-1) - likely
    kept = max(1, int((before < top_p).sum()))  # in float32 a share may be 0
    return likely[:kept], tokens[:kept]
