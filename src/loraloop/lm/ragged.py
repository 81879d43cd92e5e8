"""One forward pass over tokens of many answers at once: rows that decode one token each, and prompts being read.

Tokens are laid end to end in one sequence without padding; keys and values lie in a pool of slots that attention itself
fills and reads, so that a row joins or leaves between any two steps and nobody waits for a batch to end.
Source: iteration-level scheduling (Orca, OSDI 2022) with prompts read in chunks beside the decoding rows (Sarathi,
arXiv:2308.16369).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from .prepacked import prepack_linears

NAME = "loraloop_ragged"
_ROOM = 64
"""Positions are allotted in multiples of this."""


class Pool:
    """Keys and values of rows: for each layer (slots x heads, positions, dim).

    It grows as rows come and prompts lengthen, and is dropped whole when nobody uses it.
    """

    def __init__(self) -> None:
        self.slots, self.positions = 0, 0
        self.layers: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def reserve(self, slots: int, positions: int) -> None:
        """Make room for this many rows of this many tokens; what is stored stays."""
        if slots <= self.slots and positions <= self.positions:
            return
        before = self.slots
        self.slots = max(slots, min(2 * before, slots + 8)) if slots > before else before
        self.positions = max(self.positions, -(-positions // _ROOM) * _ROOM)
        for number, pair in self.layers.items():
            self.layers[number] = (self._grown(pair[0], before), self._grown(pair[1], before))

    def layer(self, number: int, key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of one layer, made at its first use in the form of what it holds."""
        if number not in self.layers:
            k, v = (x.new_zeros(self.slots * x.shape[1], self.positions, x.shape[3]) for x in (key, value))
            self.layers[number] = (k, v)
        return self.layers[number]

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first ``length`` positions of one slot to another."""
        for pair in self.layers.values():
            for x in pair:
                heads = x.shape[0] // self.slots
                x[target * heads : (target + 1) * heads, :length] = x[source * heads : (source + 1) * heads, :length]

    def take(self, slot: int, length: int) -> dict[int, tuple[torch.Tensor, torch.Tensor]]:
        """A copy of the first ``length`` positions of a slot."""
        return {n: (self._rows(k, slot, length).clone(), self._rows(v, slot, length).clone())
                for n, (k, v) in self.layers.items()}  # fmt: skip

    def put(self, slot: int, kept: dict[int, tuple[torch.Tensor, torch.Tensor]], length: int) -> None:
        """Fill the first ``length`` positions of a slot from what ``take`` gave."""
        for number, (k, v) in kept.items():
            for own, x in zip(self.layer(number, k.unsqueeze(0), v.unsqueeze(0)), (k, v), strict=True):
                self._rows(own, slot, length).copy_(x[:, :length])

    def _rows(self, x: torch.Tensor, slot: int, length: int) -> torch.Tensor:
        heads = x.shape[0] // self.slots
        return x[slot * heads : (slot + 1) * heads, :length]

    def _grown(self, x: torch.Tensor, before: int) -> torch.Tensor:
        heads = x.shape[0] // before
        new = x.new_zeros(self.slots * heads, self.positions, x.shape[2])
        new[: x.shape[0], : x.shape[1]] = x
        return new


@dataclass(frozen=True, slots=True)
class Span:
    """Tokens of one prompt: which slot they fill, from which position on, and how many."""

    slot: int
    begin: int
    length: int


@dataclass(slots=True)
class Plan:
    """What the tokens of one pool are in this pass: first one of each decoding row, then parts of prompts.

    Attributes:
        pool: where keys and values lie.
        lengths: of the decoding rows, which fill slots 0, 1, ...: tokens before the one that is read now.
        spans: prompts being read.
    """

    pool: Pool
    lengths: list[int]
    spans: tuple[Span, ...] = ()
    _kept: dict[Any, Any] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """How many tokens the pass reads here."""
        return len(self.lengths) + sum(span.length for span in self.spans)

    def positions(self) -> list[int]:
        """The position of each token of the pass."""
        return [*self.lengths, *(p for s in self.spans for p in range(s.begin, s.begin + s.length))]

    def cells(self, heads: int, device: torch.device) -> torch.Tensor:
        """Where each token's keys go, as rows of the layer seen as (slots x heads x positions, dim)."""
        if ("cells", heads) not in self._kept:
            slots = [*range(len(self.lengths)), *(s.slot for s in self.spans for _ in range(s.length))]
            slot_T1, place_T1 = (torch.tensor(x).unsqueeze(1) for x in (slots, self.positions()))
            rows_TK = (slot_T1 * heads + torch.arange(heads)) * self.pool.positions + place_T1
            self._kept["cells", heads] = rows_TK.flatten().to(device)
        return self._kept["cells", heads]  # type: ignore[no-any-return]

    def decoding_bias(self, window: int | None, heads: int, device: torch.device) -> torch.Tensor:
        """(B x K, 1, L): 0 where a decoding row may look, -inf where not."""
        if ("decoding", window, heads) not in self._kept:
            last_B1 = torch.tensor(self.lengths).unsqueeze(1)
            at_1L = torch.arange(max(self.lengths) + 1).unsqueeze(0)
            seen_BL = at_1L <= last_B1
            if window is not None:
                seen_BL &= at_1L > last_B1 - window
            bias_BL = _bias(seen_BL, device)
            self._kept["decoding", window, heads] = bias_BL.repeat_interleave(heads, 0).unsqueeze(1)
        return self._kept["decoding", window, heads]  # type: ignore[no-any-return]

    def span_bias(self, span: Span, window: int | None, device: torch.device) -> torch.Tensor:
        """(P, C): the causal triangle of a span's tokens over everything before and in it."""
        if (span, window) not in self._kept:
            at_P1 = torch.arange(span.begin, span.begin + span.length).unsqueeze(1)
            to_1C = torch.arange(span.begin + span.length).unsqueeze(0)
            seen_PC = to_1C <= at_P1
            if window is not None:
                seen_PC &= to_1C > at_P1 - window
            self._kept[span, window] = _bias(seen_PC, device)
        return self._kept[span, window]  # type: ignore[no-any-return]


def _bias(seen: torch.Tensor, device: torch.device) -> torch.Tensor:
    return torch.zeros(seen.shape, device=device).masked_fill(~seen.to(device), float("-inf"))


def ragged_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Store the tokens' keys and values in their pools, then let each token attend within its own row.

    Args:
        query: (1, H, T, D); key, value: (1, K, T, D) with H a multiple of K (grouped queries).
        attention_mask: ignored; the plan says which tokens belong together.
        **kwargs: ``plan``; ``scaling``; where the model has them ``sliding_window``, ``softcap``.

    Returns:
        (1, T, H, E) with E the width of the values, and no weights.
    """
    rule = _Rule(
        int(module.layer_idx),  # type: ignore[arg-type]
        kwargs.get("scaling") or query.shape[-1] ** -0.5,
        kwargs.get("sliding_window"),
        kwargs.get("softcap"),
    )
    parts = _attend(kwargs["plan"], query, key, value, rule)
    return (parts[0] if len(parts) == 1 else torch.cat(parts)).unsqueeze(0), None


class _Rule(NamedTuple):
    """What one layer's attention does to its scores."""

    layer: int
    scaling: float
    window: int | None
    softcap: float | None


def _attend(plan: Plan, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, rule: _Rule) -> list[torch.Tensor]:
    """Attention of the tokens of one plan: (B, H, E) of its decoding rows, (P, H, E) of each span."""
    keys, values = plan.pool.layer(rule.layer, key, value)
    heads, rows = key.shape[1], len(plan.lengths)
    cells = plan.cells(heads, key.device)
    for store, given in ((keys, key), (values, value)):
        store.view(-1, store.shape[2]).index_copy_(0, cells, given[0].transpose(0, 1).reshape(-1, store.shape[2]))
    together = query.shape[1] // heads
    parts = []
    if rows:
        q = query[0, :, :rows].transpose(0, 1).reshape(rows * heads, together, -1) * rule.scaling
        longest = max(plan.lengths) + 1
        k, v = keys[: rows * heads, :longest], values[: rows * heads, :longest]
        bias = plan.decoding_bias(rule.window, heads, key.device)
        parts.append(_weighed(q, k, v, bias, rule.softcap).view(rows, heads * together, -1))
    begin = rows
    for span in plan.spans:
        own = slice(span.slot * heads, (span.slot + 1) * heads)
        k, v = keys[own, : span.begin + span.length], values[own, : span.begin + span.length]
        q = query[0, :, begin : begin + span.length].reshape(heads, together * span.length, -1) * rule.scaling
        bias = plan.span_bias(span, rule.window, key.device).repeat(together, 1)
        out = _weighed(q, k, v, bias, rule.softcap).view(heads * together, span.length, -1)
        parts.append(out.transpose(0, 1))
        begin += span.length
    return parts


def _weighed(
    q_NGD: torch.Tensor, k_NCD: torch.Tensor, v_NCE: torch.Tensor, bias: torch.Tensor, softcap: float | None
) -> torch.Tensor:
    """Plain attention: scores in the model's dtype, softmax in float32. Returns (N, G, E)."""
    scores = torch.bmm(q_NGD, k_NCD.transpose(1, 2))
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    return torch.bmm(torch.softmax(scores + bias, dim=-1).to(v_NCE.dtype), v_NCE)


def register() -> None:
    """Make ``ragged_attention`` known to transformers under ``NAME``."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, ragged_attention)


def forward(model: Any, tokens: list[int], plan: Plan, keep: list[int]) -> torch.Tensor:
    """Logits (len(keep), V) after the tokens at ``keep``; the pools then hold every token's keys and values.

    Args:
        model: a causal LM whose attention is ``NAME``.
        tokens: of the plan, laid end to end.
        keep: indices into ``tokens``.
    """
    with torch.inference_mode():
        out = model(
            input_ids=torch.tensor([tokens], device=model.device),
            position_ids=torch.tensor([plan.positions()], device=model.device),
            plan=plan,
            use_cache=False,
            logits_to_keep=torch.tensor(keep, device=model.device),
        )
    return out.logits[0]  # type: ignore[no-any-return]


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
