"""Products of a few rows with a large weight, as decoding makes them: the weight stands on the left.

``torch.nn.functional.linear`` multiplies rows by a transposed weight, and the CPU library cuts such a product along its
few rows, so that two rows cost three times what one does. With the weight on the left it is cut along the weight's
thousands. On two cores of an EPYC without AVX-512 (torch 2.13.0, float32, the best of a few times, layers of SmolLM2
and Gemma 3): 2 to 4 rows take 0.25 to 0.7 of the time, 8 to 32 rows 0.45 to 1.2, 64 rows 0.7 to 1.1; on one thread it
pays up to 4 rows only.

The choice is by the number of rows and threads alone, never by a race, so that the same batch is rounded the same way
each time.
"""

from __future__ import annotations

import types

import torch
from torch.nn import functional as F

_MOST_ROWS, _MOST_ROWS_ALONE = 64, 4
"""Rows up to which the weight goes to the left: with several threads, and with one."""


def linear(x: torch.Tensor, weight_OI: torch.Tensor, bias_O: torch.Tensor | None = None) -> torch.Tensor:
    """What ``F.linear`` returns, within rounding. **Shapes**: (..., I) to (..., O)."""
    rows = x.numel() // x.shape[-1]
    if not _is_few(rows, weight_OI):
        return F.linear(x, weight_OI, bias_O)
    y_NO = (weight_OI @ x.reshape(rows, -1).t()).t().contiguous()
    if bias_O is not None:
        y_NO += bias_O
    return y_NO.view(*x.shape[:-1], -1)


def _is_few(rows: int, weight: torch.Tensor) -> bool:
    if rows < 2 or weight.dtype != torch.float32 or weight.device.type != "cpu" or weight.requires_grad:
        return False
    return rows <= (_MOST_ROWS if torch.get_num_threads() > 1 else _MOST_ROWS_ALONE)


def _forward(self: torch.nn.Linear, x: torch.Tensor) -> torch.Tensor:
    return linear(x, self.weight, self.bias)


def multiply_few_rows(model: torch.nn.Module) -> None:
    """Let every plain linear layer of a frozen model multiply few rows so."""
    for module in model.modules():
        if type(module) is torch.nn.Linear:
            module.forward = types.MethodType(_forward, module)  # type: ignore[method-assign]
