"""What an adapter adds to a linear layer's output, computed beside the layer's own product.

Always in float32, whatever the layer computes in. Of two random adapters on SmolLM2, fixed answers of 7 to 38 tokens
came out 0.36 and 0.45 nats from what float32 gives by weights merged in bfloat16, and 0.24 so (root mean square; the
base alone: 0.30); with other adapters it may be the other way round. On a CPU the two small products in float32 take
about half the time of the same in bfloat16.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.utils.hooks import RemovableHandle

Factors = tuple[torch.Tensor, torch.Tensor]
"""(rank, in) and (rank, out), scaled, in float32."""


def is_corrected(weight: torch.Tensor) -> bool:
    """Whether a layer with this weight is served with corrections beside it, else with merged copies of the weight.

    On a GPU each product costs a launch, however small it is, so copies in bfloat16 are merged there.
    """
    return weight.dtype == torch.float32 or weight.device.type == "cpu"


def factors_of(a_RI: torch.Tensor, b_OR: torch.Tensor, scale: float) -> Factors:
    """The correction that adds ``scale * B @ A`` to a layer's weight."""
    return a_RI.float(), (b_OR.float() * scale).t().contiguous()


def correct_(y_TO: torch.Tensor, x_TI: torch.Tensor, factors: Factors, foreign_TR: torch.Tensor | None = None) -> None:
    """Add a correction to what a layer made of its input.

    Args:
        foreign_TR: of which tokens it is not, rank by rank.
    """
    a_RI, b_RO = factors
    h_TR = torch.mm(x_TI.float(), a_RI.t())
    if foreign_TR is not None:
        h_TR.masked_fill_(foreign_TR, 0.0)  # filled, not multiplied: it may be infinite for another's token
    if y_TO.dtype == torch.float32:
        y_TO.addmm_(h_TR, b_RO)
    else:
        y_TO.add_(torch.mm(h_TR, b_RO))


def add_corrections(modules: Mapping[str, torch.nn.Module], factors: Mapping[str, Factors]) -> list[RemovableHandle]:
    """Let linear layers add corrections to their outputs from now on; returns what takes each away again."""
    return [_add(modules[name], pair) for name, pair in factors.items()]


def _add(module: torch.nn.Module, pair: Factors) -> RemovableHandle:
    def correct(_: torch.nn.Module, inputs: tuple[Any, ...], y: torch.Tensor) -> torch.Tensor:
        correct_(y.view(-1, y.shape[-1]), inputs[0].reshape(-1, inputs[0].shape[-1]), pair)
        return y

    return module.register_forward_hook(correct)
