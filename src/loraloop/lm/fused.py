"""Two autograd functions that carry most of a LoRA training step on CPU.

``FusedLoRA`` computes a frozen linear layer and its adapter in four matrix products forward and six backward, in the
base's dtype with float32 master weights. ``FrozenHeadLoss`` takes logits, loss and the gradient of the hidden states
in one pass, a block of positions at a time, because a frozen head needs no weight gradient (4 instead of 6
multiply-adds per weight and token, and no logits kept).
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any

import torch
from torch.nn import functional as F

BLOCK_POSITIONS = 256
_GPU_BLOCK_POSITIONS = 2048
"""Larger where launching a kernel costs more than what it computes; 2 GB of logits at 262,144 words."""


class FusedLoRA(torch.autograd.Function):
    """``y = x W^T + bias + scale * drop(x) A^T B^T``; gradients for x, A and B only."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, layer: Any, a: torch.Tensor, b: torch.Tensor, p: float) -> torch.Tensor:
        """``x``: (..., in). ``a`` (r, in) and ``b`` (out, r) are the float32 masters; p: dropout probability."""
        base, scale = layer.base_layer, layer.scaling["default"]
        x_TI = x.reshape(-1, x.shape[-1])
        a_RI, b_OR = a.to(x.dtype), b.to(x.dtype)
        keep_TI = None
        if p > 0:
            keep_TI = torch.empty_like(x_TI).bernoulli_(1 - p).div_(1 - p)
        h_TR = (x_TI if keep_TI is None else x_TI * keep_TI) @ a_RI.t()
        y_TO = F.linear(x_TI, base.weight, base.bias)
        y_TO.addmm_(h_TR, b_OR.t(), alpha=scale)
        ctx.save_for_backward(x_TI, base.weight, a_RI, b_OR, h_TR, keep_TI)
        ctx.scale, ctx.shape = scale, x.shape
        return y_TO.view(*x.shape[:-1], y_TO.shape[-1])

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x_TI, w_OI, a_RI, b_OR, h_TR, keep_TI = ctx.saved_tensors
        g_TO = grads[0].reshape(-1, grads[0].shape[-1])
        gh_TR = (g_TO @ b_OR).mul_(ctx.scale)
        seen_TI = x_TI if keep_TI is None else x_TI * keep_TI
        grad_a = (gh_TR.t() @ seen_TI).float()
        grad_b = (g_TO.t() @ h_TR).float().mul_(ctx.scale)
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = g_TO @ w_OI
            if keep_TI is None:
                grad_x.addmm_(gh_TR, a_RI)
            else:
                grad_x.add_((gh_TR @ a_RI).mul_(keep_TI))
            grad_x = grad_x.view(ctx.shape)
        return grad_x, None, grad_a, grad_b, None


def _fused_forward(self: Any, x: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    dropout = self.lora_dropout["default"]
    p = float(dropout.p) if self.training and isinstance(dropout, torch.nn.Dropout) else 0.0
    y: torch.Tensor = FusedLoRA.apply(x, self, self.lora_A["default"].weight, self.lora_B["default"].weight, p)  # type: ignore[no-untyped-call]
    return y


def fuse_lora(model: torch.nn.Module) -> int:
    """Give every plain PEFT LoRA linear layer the fused forward; return how many."""
    from peft.tuners.lora import Linear

    count = 0
    for module in model.modules():
        if isinstance(module, Linear) and isinstance(module.base_layer, torch.nn.Linear):
            module.forward = types.MethodType(_fused_forward, module)
            count += 1
    return count


def _blocks(hidden_SE: torch.Tensor) -> Iterator[slice]:
    size = _GPU_BLOCK_POSITIONS if hidden_SE.is_cuda else BLOCK_POSITIONS
    return (slice(begin, begin + size) for begin in range(0, hidden_SE.shape[0], size))


class FrozenHeadLoss(torch.autograd.Function):
    """Sum of cross-entropies of a frozen linear head, its hidden-state gradient computed on the way forward."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden_SE: torch.Tensor,
        weight_VE: torch.Tensor,
        targets_S: torch.Tensor,
        share_S: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """``share_S``: what each position counts for, float32; ``None`` where each counts once."""
        total = hidden_SE.new_zeros((), dtype=torch.float32)
        wanted = ctx.needs_input_grad[0]
        grad_SE = torch.empty_like(hidden_SE) if wanted else None
        for part in _blocks(hidden_SE):
            logits_BV = (hidden_SE[part] @ weight_VE.t()).float()
            targets_B1 = targets_S[part].unsqueeze(1)
            lse_B1 = torch.logsumexp(logits_BV, dim=-1, keepdim=True)
            share_B1 = None if share_S is None else share_S[part].unsqueeze(1)
            nll_B1 = lse_B1 - logits_BV.gather(1, targets_B1)
            total += (nll_B1 if share_B1 is None else nll_B1 * share_B1).sum()
            if grad_SE is not None:
                soft_BV = logits_BV.sub_(lse_B1).exp_()
                soft_BV.scatter_add_(1, targets_B1, torch.full_like(targets_B1, -1, dtype=soft_BV.dtype))
                if share_B1 is not None:
                    soft_BV.mul_(share_B1)
                torch.mm(soft_BV.to(weight_VE.dtype), weight_VE, out=grad_SE[part])
        ctx.save_for_backward(grad_SE)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        (grad_SE,) = ctx.saved_tensors
        return grad_SE * grads[0].to(grad_SE.dtype), None, None, None


@torch.no_grad()
def head_nll(hidden_SE: torch.Tensor, weight_VE: torch.Tensor, targets_S: torch.Tensor) -> torch.Tensor:
    """Negative log-likelihood in nats of each target. Returns (S,), float32."""
    parts = []
    for part in _blocks(hidden_SE):
        logits_BV = (hidden_SE[part] @ weight_VE.t()).float()
        parts.append(F.cross_entropy(logits_BV, targets_S[part], reduction="none"))
    return torch.cat(parts)
