"""Weights laid out once, in the blocks in which the CPU's products read them.

``torch.nn.functional.linear`` brings the weight into that order anew for every product, which for the few rows of a
decoding step costs more than the product. oneDNN takes a weight that lies so already. On two cores of an EPYC without
AVX-512 (torch 2.13.0, float32, layers of SmolLM2 and Gemma 3, the weights outside the cache) the head takes 0.2 to 0.6
of the time at 1 to 128 rows, the layers below it 0.4 to 1.0 and never clearly more, with one thread and with two. On
two cores of one with AVX-512 bf16 (SmolLM2 in bfloat16) the head takes 0.3 to 0.8 at 1 to 256 rows, the layers 0.4 to
0.9, and every number is the same to the bit.

The choice is by the kind of weight alone, never by a race, so that the same batch is rounded the same way each time.
"""

from __future__ import annotations

import types
from weakref import WeakKeyDictionary

import torch
from torch.nn import functional as F

MOST_BYTES = 4 << 30
"""Linear layers that together take more are left as they are: the copy in blocks takes as much again."""
_ROWS_HINT = 16
"""Rows of which oneDNN is told when it chooses the blocks; those it chooses then are good for 1 to 256."""
_COPIES: WeakKeyDictionary[torch.nn.Module, torch.Tensor] = WeakKeyDictionary()
"""Beside the layers, not in them, for a layer is copied and such a copy cannot be."""


def can_prepack(model: torch.nn.Module) -> bool:
    """Whether the linear layers of a model are of a kind, and together small enough, to be laid out."""
    weights = {id(m.weight): m.weight for m in model.modules() if isinstance(m, torch.nn.Linear)}
    return (
        torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and all(weight.dtype in _formats() and weight.device.type == "cpu" for weight in weights.values())
        and sum(weight.numel() * weight.element_size() for weight in weights.values()) <= MOST_BYTES
    )


def _formats() -> tuple[torch.dtype, ...]:
    """Number formats in which this processor multiplies by blocks; elsewhere bfloat16 is brought into another one."""
    has_bfloat16 = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)()
    return (torch.float32, torch.bfloat16) if has_bfloat16 else (torch.float32,)


def prepack(weight_OI: torch.Tensor) -> torch.Tensor:
    """A copy of a weight in blocks, which ``linear`` takes in its place."""
    return torch.ops.mkldnn._reorder_linear_weight(weight_OI.detach(), _ROWS_HINT)  # type: ignore[no-any-return]


def linear(x: torch.Tensor, weight_OI: torch.Tensor, bias_O: torch.Tensor | None = None) -> torch.Tensor:
    """What ``F.linear`` returns, within rounding, by a weight that lies in blocks or not."""
    if not weight_OI.is_mkldnn:
        return F.linear(x, weight_OI, bias_O)
    return torch.ops.mkldnn._linear_pointwise(x, weight_OI, bias_O, "none", [], "")  # type: ignore[no-any-return]


def prepacked(layer: torch.nn.Linear) -> torch.Tensor:
    """The copy that is kept with a layer, made when it is first asked for."""
    if (kept := _COPIES.get(layer)) is None:
        kept = _COPIES[layer] = prepack(layer.weight)
    return kept


def changed(layer: torch.nn.Module) -> None:
    """Forget the copy that is kept with a layer; whoever writes into a weight calls this."""
    _COPIES.pop(layer, None)


def _forward(self: torch.nn.Linear, x: torch.Tensor) -> torch.Tensor:
    if self.weight.requires_grad or (x.requires_grad and torch.is_grad_enabled()):
        return F.linear(x, self.weight, self.bias)
    return linear(x, prepacked(self), self.bias)


def prepack_linears(model: torch.nn.Module) -> None:
    """Let every plain linear layer of a frozen model multiply so, where it can."""
    if not can_prepack(model):
        return
    for module in model.modules():
        if type(module) is torch.nn.Linear:
            module.forward = types.MethodType(_forward, module)  # type: ignore[method-assign]
