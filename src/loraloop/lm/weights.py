"""The weights of every version that is served: the base once, a merged copy of the adapted layers for each adapter.

Where numbers are float32, versions can also be read in one pass: the base's product and each row's own low-rank
correction, which equals the merged product within float32's rounding and reads the weights once for all versions. In
bfloat16 that would round differently from the weights the gate scored, so there each version is read alone.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from ..errors import EngineError
from .adapters import check_adapter, lora_factors

BASE = "base"
_MOST_RANKS = 512
Factors = dict[str, tuple[torch.Tensor, torch.Tensor, float]]


class _Lanes:
    """Which columns of the low-rank product belong to each token of the pass; set before it, read by every layer."""

    def __init__(self) -> None:
        self.mask_TR = torch.zeros(0)


class _MixedLinear(torch.nn.Module):
    """A linear layer for tokens of several versions: the base's product and each version's own correction."""

    def __init__(self, linear: Any, a_RI: torch.Tensor, b_OR: torch.Tensor, lanes: _Lanes) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        self._a_RI, self._b_RO, self._lanes = a_RI, b_OR.t().contiguous(), lanes

    def forward(self, x_1TI: torch.Tensor) -> torch.Tensor:
        """Shapes: (1, T, in) to (1, T, out)."""
        y_1TO = F.linear(x_1TI, self.weight, self.bias)
        low_TR = F.linear(x_1TI[0], self._a_RI) * self._lanes.mask_TR
        y_1TO[0].addmm_(low_TR, self._b_RO)
        return y_1TO


@dataclass(frozen=True, slots=True)
class Mixed:
    """One model that reads tokens of several versions in one pass.

    Attributes:
        columns: which low-rank columns are each version's; the base has none.
    """

    model: Any
    columns: dict[str, slice]
    ranks: int
    lanes: _Lanes

    def read_as(self, versions: Sequence[tuple[str, int]]) -> None:
        """Say whose the tokens of the next pass are: ``(version, tokens)`` in their order."""
        mask_TR = torch.zeros(sum(n for _, n in versions), self.ranks, device=self.model.device)
        begin = 0
        for version, count in versions:
            if version != BASE:
                mask_TR[begin : begin + count, self.columns[version]] = 1.0
            begin += count
        self.lanes.mask_TR = mask_TR


class Weights:
    """Every version's model. Only ``add`` and ``drop`` change anything, and one thread calls them.

    Args:
        model: the base, frozen, its attention already the one that serves.
    """

    def __init__(self, model: Any) -> None:
        self._models: dict[str, Any] = {BASE: model}
        self._factors: dict[str, Factors] = {}
        self.mixed: Mixed | None = None
        self._can_mix = next(model.parameters()).dtype == torch.float32

    @property
    def versions(self) -> tuple[str, ...]:
        """Names served now."""
        return tuple(self._models)

    def model(self, version: str) -> Any:
        """The model of a version.

        Raises:
            EngineError: it is not loaded.
        """
        if version not in self._models:
            raise EngineError(f"version {version} is not loaded", hint="load it first, or ask for another")
        return self._models[version]

    def add(self, version: str, folder: Path) -> None:
        """Merge an adapter's files into a copy of the layers it adapts; everything else is shared with the base.

        Raises:
            EngineError: the name is taken. ArtifactError: the files are unsafe or made for another base.
        """
        if version in self._models:
            raise EngineError(f"version {version} is loaded already", hint="names are never used twice")
        check_adapter(folder)
        base = self._models[BASE]
        factors = lora_factors(base, folder)
        model = _sharing(base)
        modules = dict(model.named_modules())
        for name, (a_RI, b_OR, scale) in factors.items():
            weight = modules[name].weight
            merged = (weight.float() + (b_OR @ a_RI) * scale).to(weight.dtype)
            modules[name].weight = torch.nn.Parameter(merged, requires_grad=False)
        if self._can_mix:
            self._factors[version] = factors
            self.mixed = _mixed(base, self._factors)
        self._models[version] = model

    def drop(self, version: str) -> None:
        """Forget a version; its own layers are freed with the last pass that reads them."""
        if version == BASE or self._models.pop(version, None) is None:
            return
        if self._factors.pop(version, None) is not None:
            self.mixed = _mixed(self._models[BASE], self._factors)


def _sharing(model: Any) -> Any:
    """A copy of a model's modules around the very same tensors."""
    tensors = itertools.chain(model.parameters(), model.buffers())
    return copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})


def _mixed(base: Any, versions: dict[str, Factors]) -> Mixed | None:
    """One model for all versions; ``None`` where there is nothing to mix or an adapter's layers differ in rank."""
    ranks = {name: {a_RI.shape[0] for a_RI, _, _ in factors.values()} for name, factors in versions.items()}
    if not versions or any(len(found) != 1 for found in ranks.values()):
        return None
    columns, total = {}, 0
    for name, found in ranks.items():
        (rank,) = found
        columns[name] = slice(total, total + rank)
        total += rank
    if total > _MOST_RANKS:
        return None
    model, lanes = _sharing(base), _Lanes()
    for layer in sorted({layer for factors in versions.values() for layer in factors}):
        parent_name, _, leaf = layer.rpartition(".")
        parent = model.get_submodule(parent_name)
        linear = getattr(parent, leaf)
        if not isinstance(linear, torch.nn.Linear):
            return None
        a_RI = torch.zeros(total, linear.in_features, device=linear.weight.device)
        b_OR = torch.zeros(linear.out_features, total, device=linear.weight.device)
        for name, factors in versions.items():
            if layer in factors:
                a, b, scale = factors[layer]
                a_RI[columns[name]], b_OR[:, columns[name]] = a, b * scale
        setattr(parent, leaf, _MixedLinear(linear, a_RI, b_OR, lanes))
    return Mixed(model, columns, total, lanes)
