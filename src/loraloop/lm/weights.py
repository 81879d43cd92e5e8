"""The weights of every version that is served: the base once, and beside each linear layer what an adapter makes of it.

One tree of modules answers for all versions, and one thread runs it: between two passes a version comes or goes by
entries in tables, a layer at a time.

A version is its low-rank corrections alone (``corrections.py``), as small as its adapter, and one pass reads the tokens
of several. In bfloat16 on a GPU, where each small product costs a launch, it is a merged copy of the layers that it
adapts, read alone.
"""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ..errors import EngineError, TamperedArtifact, WrongBase
from .adapter_files import AdapterFiles, read_adapter
from .adapters import LoraPair, lora_pairs
from .corrections import Factors, correct_, factors_of, is_corrected
from .prepacked import can_prepack, linear, prepacked

BASE = "base"


@dataclass(slots=True)
class _Reading:
    """What the pass under way reads.

    Attributes:
        version: whose weights, where it reads one version.
        mix: the tokens of several versions, where it reads several.
    """

    version: str = BASE
    mix: _Mix | None = None


class _Mix:
    """Whose each token of a pass is.

    Args:
        owners: the version of each token.
    """

    def __init__(self, owners: Sequence[str], device: torch.device) -> None:
        self.versions = tuple(sorted(set(owners)))
        number = {version: n for n, version in enumerate(self.versions)}
        own_TV = torch.nn.functional.one_hot(torch.tensor([number[one] for one in owners]), len(number))
        self._foreign_TV = own_TV.to(device) == 0
        self._masks: dict[tuple[int, ...], torch.Tensor] = {}

    def foreign(self, ranks: tuple[int, ...]) -> torch.Tensor:
        """(T, K): whether a token is of another version than the one whose rank the column is one of."""
        if ranks not in self._masks:
            widths = torch.tensor(ranks, device=self._foreign_TV.device)
            self._masks[ranks] = self._foreign_TV.repeat_interleave(widths, 1)
        return self._masks[ranks]


class _Mixed(NamedTuple):
    """The corrections of several versions in one layer, side by side.

    Attributes:
        ranks: of each version; 0 where it leaves the layer as it is.
        factors: one correction of all their ranks.
    """

    ranks: tuple[int, ...]
    factors: Factors


class _ServedLinear(torch.nn.Module):
    """A linear layer of the base, and of every version that adapts it.

    Attributes:
        own: the base's weight as products take it. weight: as it was read; its form alone where nothing reads it, for
            ``own`` is a copy in blocks, so that the base is in memory once.
        factors: each version's correction. merged: its merged weight, where it has none.
    """

    def __init__(self, linear: torch.nn.Linear, reading: _Reading, in_blocks: bool) -> None:
        super().__init__()
        self.bias = linear.bias
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.own = prepacked(linear) if in_blocks else linear.weight.detach()
        self._corrects = is_corrected(linear.weight)
        weight_OI = linear.weight.detach()
        self.weight = weight_OI.to("meta") if in_blocks and self._corrects else weight_OI
        self._reading = reading
        self.merged: dict[str, torch.Tensor] = {}
        self.factors: dict[str, Factors] = {}
        self._mixed: dict[tuple[str, ...], _Mixed | None] = {}

    def forward(self, x_1TI: torch.Tensor) -> torch.Tensor:
        """Shapes: (1, T, in) to (1, T, out)."""
        mix = self._reading.mix
        y_1TO = linear(x_1TI, self.merged.get(self._reading.version, self.own), self.bias)
        if mix is not None:
            if mixed := self._side_by_side(mix.versions):
                correct_(y_1TO[0], x_1TI[0], mixed.factors, mix.foreign(mixed.ranks))
        elif factors := self.factors.get(self._reading.version):
            correct_(y_1TO[0], x_1TI[0], factors)
        return y_1TO

    def add(self, version: str, a_RI: torch.Tensor, b_OR: torch.Tensor, scale: float) -> None:
        """Take in a version that adapts this layer, and lay its correction beside each other's and none.

        So no pass that reads both has to.
        """
        if not self._corrects:
            delta_OI = (b_OR @ a_RI).mul_(scale).add_(self.weight)  # in float32, to the bit as the gate merges
            self.merged[version] = delta_OI.to(self.weight.dtype)
            return
        self.factors[version] = factors_of(a_RI, b_OR, scale)
        for other in (BASE, *self.factors):
            if other != version:
                self._side_by_side(tuple(sorted((version, other))))

    def forget(self, version: str) -> None:
        """Take a version out."""
        self.factors.pop(version, None)
        self.merged.pop(version, None)
        for versions in [some for some in self._mixed if version in some]:
            del self._mixed[versions]

    def _side_by_side(self, versions: tuple[str, ...]) -> _Mixed | None:
        """The corrections of some versions, sorted; ``None`` where none of them has any."""
        if versions not in self._mixed:
            pairs = [self.factors[version] for version in versions if version in self.factors]
            made = None
            if pairs:
                ranks = tuple(len(self.factors[one][0]) if one in self.factors else 0 for one in versions)
                made = _Mixed(ranks, (torch.cat([a_RI for a_RI, _ in pairs]), torch.cat([b_RO for _, b_RO in pairs])))
            self._mixed[versions] = made
        return self._mixed[versions]


class Weights:
    """Every version's weights, for one thread. Only ``adding`` and ``dropping`` change anything.

    Args:
        model: the base, frozen, its attention already the one that serves; its linear layers are replaced by ours.
    """

    def __init__(self, model: Any) -> None:
        self._model, self._reading = model, _Reading()
        self._versions: tuple[str, ...] = (BASE,)
        self._layers: dict[str, _ServedLinear] = {}
        self._can_mix = is_corrected(next(model.parameters()))
        in_blocks = can_prepack(model)
        self._alone: set[str] = set()  # versions that only a pass of their own can read
        for name, module in list(model.named_modules()):
            if isinstance(module, torch.nn.Linear):
                self._layers[name] = _ServedLinear(module, self._reading, in_blocks)
                model.set_submodule(name, self._layers[name])
        gc.collect()  # the layers that were replaced refer to themselves, and hold weights that nothing reads

    @property
    def is_exact(self) -> bool:
        """Whether what stands beside a token changes its numbers by no more than float32's rounding.

        In bfloat16 one number rounded otherwise, in some attention over another number of tokens, came to 0.65 nats at
        the end of a fixed answer of 38 tokens (SmolLM2 on a CPU); the same tokens alone are the same to the bit.
        """
        return bool(next(self._model.parameters()).dtype == torch.float32)

    @property
    def versions(self) -> tuple[str, ...]:
        """Names served now."""
        return self._versions

    def check(self, version: str) -> None:
        """See that a version is served.

        Raises:
            EngineError: it is not loaded.
        """
        if version not in self._versions:
            raise EngineError(f"version {version} is not loaded", hint="load it first, or ask for another")

    @contextmanager
    def reading(self, version: str) -> Iterator[Any]:
        """The model as one version is, for passes inside the block.

        Raises:
            EngineError: it is not loaded.
        """
        self.check(version)
        self._reading.version = version
        try:
            yield self._model
        finally:
            self._reading.version = BASE

    def can_mix(self, versions: Collection[str]) -> bool:
        """Whether one pass can read tokens of all these versions."""
        return self._can_mix and self._alone.isdisjoint(versions)

    @contextmanager
    def mixing(self, owners: Sequence[str]) -> Iterator[Any]:
        """The model for a pass over tokens of several versions, which ``can_mix``.

        Args:
            owners: the version of each token of the pass.
        """
        if len(set(owners)) == 1:
            with self.reading(owners[0]) as model:
                yield model
            return
        self._reading.mix = _Mix(owners, self._model.device)
        try:
            yield self._model
        finally:
            self._reading.mix = None

    def adding(self, version: str, files: AdapterFiles) -> Iterator[None]:
        """Take in what ``read_version`` read, layer by layer: between any two of them other versions may be read.

        Raises:
            EngineError: the name is taken. ArtifactError: the files are made for another base.
        """
        if version in self._versions:
            raise EngineError(f"version {version} is loaded already", hint="names are never used twice")
        pairs: dict[str, LoraPair] = {}
        for name, pair in lora_pairs(self._model, files):
            if name not in self._layers:
                raise WrongBase(f"the adapter adapts {name}, which is no plain linear layer of this model")
            pairs[name] = pair
            yield
        for name, (a_RI, b_OR, scale) in pairs.items():
            with torch.inference_mode():
                self._layers[name].add(version, a_RI, b_OR, scale)
            yield
        head = self._model.get_output_embeddings()
        if any(self._layers[name] is head for name in pairs):
            self._alone.add(version)  # the head reads fewer tokens than the layers below it
        self._versions = (*self._versions, version)

    def dropping(self, version: str) -> Iterator[None]:
        """Forget a version that no pass reads any more, layer by layer, as ``adding`` took it in."""
        if version == BASE or version not in self._versions:
            return
        self._versions = tuple(other for other in self._versions if other != version)
        self._alone.discard(version)
        for layer in self._layers.values():
            layer.forget(version)
            yield


def read_version(folder: Path, digest: str = "") -> AdapterFiles:
    """Read an adapter's files once: what is checked is what ``Weights.adding`` takes.

    Args:
        digest: of the adapter that it must be; empty where only being sound is asked for.

    Raises:
        ArtifactError: the files are unsafe. TamperedArtifact: they are sound and another adapter's.
    """
    files = read_adapter(folder)
    if digest and files.digest != digest:
        raise TamperedArtifact(f"adapter {digest[:16]}: its files now are those of {files.digest[:16]}")
    return files
