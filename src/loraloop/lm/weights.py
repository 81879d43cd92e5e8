"""The weights of every version that is served: the base once, and beside each linear layer what an adapter makes of it.

One tree of modules answers for all versions; which one a pass reads is told to the thread that runs it. So a version
comes and goes by entries in tables, without a lock and without a pass that waits.

Where numbers are float32, a version is its low-rank corrections alone: the base's product and the row's own correction
equal the merged product within float32's rounding. So a version is as small as its adapter, comes and goes in
milliseconds, and one pass reads the tokens of several. In bfloat16 that would round differently from the weights the
gate scored, so there each version is a merged copy of the layers that it adapts, read alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ..errors import EngineError, TamperedArtifact, WrongBase
from .adapters import lora_factors, read_adapter
from .prepacked import can_prepack, linear, prepacked

BASE = "base"


class _Reading(threading.local):
    """What the pass of this thread reads.

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


class _Corrections(NamedTuple):
    """The low-rank corrections of several versions in one layer, side by side.

    Attributes:
        ranks: of each version; 0 where it leaves the layer as it is.
        a_IK: from the layer's input to the K ranks of all of them. b_KO: from there to its output, scaled.
    """

    ranks: tuple[int, ...]
    a_IK: torch.Tensor
    b_KO: torch.Tensor


class _ServedLinear(torch.nn.Module):
    """A linear layer of the base, and of every version that adapts it.

    Attributes:
        own: the base's weight as products take it. merged: each version's, where numbers are not float32.
        factors: its low-rank correction, (rank, in) and (rank, out), scaled, where they are.
    """

    def __init__(self, linear: torch.nn.Linear, reading: _Reading, in_blocks: bool) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.own = prepacked(linear) if in_blocks else linear.weight.detach()
        self._reading = reading
        self.merged: dict[str, torch.Tensor] = {}
        self.factors: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
        self._corrections: dict[tuple[str, ...], _Corrections | None] = {}

    def forward(self, x_1TI: torch.Tensor) -> torch.Tensor:
        """Shapes: (1, T, in) to (1, T, out)."""
        mix = self._reading.mix
        y_1TO = linear(x_1TI, self.merged.get(self._reading.version, self.own), self.bias)
        if mix is None:
            if pair := self.factors.get(self._reading.version):
                a_RI, b_RO = pair
                y_1TO[0].addmm_(torch.mm(x_1TI[0], a_RI.t()), b_RO)
            return y_1TO
        found = self._side_by_side(mix.versions)
        if found is not None:
            h_TK = torch.mm(x_1TI[0], found.a_IK)
            foreign_TK = mix.foreign(found.ranks)
            h_TK.masked_fill_(foreign_TK, 0.0)  # filled, not multiplied: it may be infinite for another's token
            y_1TO[0].addmm_(h_TK, found.b_KO)
        return y_1TO

    def forget(self, version: str) -> torch.Tensor | None:
        """Take a version out; returns its weight, which is then the caller's to free."""
        self.factors.pop(version, None)
        for versions in list(self._corrections):  # a copy, for a pass may lay others side by side meanwhile
            if version in versions:
                self._corrections.pop(versions)
        return self.merged.pop(version, None)

    def pair(self, version: str) -> None:
        """Lay a version's correction beside each other's and none now, so that no pass that reads both has to."""
        for other in (BASE, *self.factors):
            if other != version:
                self._side_by_side(tuple(sorted((version, other))))

    def _side_by_side(self, versions: tuple[str, ...]) -> _Corrections | None:
        """The corrections of some versions, sorted; ``None`` where none of them has any."""
        if versions not in self._corrections:
            pairs = [self.factors[version] for version in versions if version in self.factors]
            made = None
            if pairs:
                ranks = tuple(len(self.factors[one][0]) if one in self.factors else 0 for one in versions)
                a_KI, b_KO = torch.cat([a_RI for a_RI, _ in pairs]), torch.cat([b_RO for _, b_RO in pairs])
                made = _Corrections(ranks, a_KI.t().contiguous(), b_KO)
            self._corrections[versions] = made
        return self._corrections[versions]


class Weights:
    """Every version's weights. Only ``add`` and ``drop`` change anything, and one thread calls them.

    Args:
        model: the base, frozen, its attention already the one that serves; its linear layers are replaced by ours.
    """

    def __init__(self, model: Any) -> None:
        self._model, self._reading = model, _Reading()
        self._versions: tuple[str, ...] = (BASE,)
        self._layers: dict[str, _ServedLinear] = {}
        self._can_mix = next(model.parameters()).dtype == torch.float32
        in_blocks = can_prepack(model)
        self._alone: set[str] = set()  # versions that only a pass of their own can read
        for name, module in list(model.named_modules()):
            if isinstance(module, torch.nn.Linear):
                self._layers[name] = _ServedLinear(module, self._reading, in_blocks)
                model.set_submodule(name, self._layers[name])

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
        """The model as one version is, for passes of this thread inside the block.

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
        """The model for a pass of this thread over tokens of several versions, which ``can_mix``.

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

    def add(self, version: str, folder: Path, digest: str = "", rest: Callable[[], None] = lambda: None) -> None:
        """Take in an adapter's files: its corrections, or a merged copy of the layers it adapts; the rest is shared.

        Its files are read once: what was checked is what is loaded. Passes of other threads go on meanwhile, since
        nothing here holds Python's lock for long.

        Args:
            digest: of the adapter that it must be; empty where only being sound is asked for.
            rest: called after each layer, so that passes of other threads get on with theirs.

        Raises:
            EngineError: the name is taken. ArtifactError: the files are unsafe or made for another base.
            TamperedArtifact: they are sound and another adapter's.
        """
        if version in self._versions:
            raise EngineError(f"version {version} is loaded already", hint="names are never used twice")
        files = read_adapter(folder)
        if digest and files.digest != digest:
            raise TamperedArtifact(f"adapter {digest[:16]}: its files now are those of {files.digest[:16]}")
        factors = lora_factors(self._model, files)
        foreign = next((name for name in factors if name not in self._layers), None)
        if foreign is not None:
            raise WrongBase(f"the adapter adapts {foreign}, which is no plain linear layer of this model")
        with torch.inference_mode():
            for name, (a_RI, b_OR, scale) in factors.items():
                layer = self._layers[name]
                if self._can_mix:
                    layer.factors[version] = a_RI, (b_OR * scale).t().contiguous()
                    layer.pair(version)
                else:  # in float32, to the bit as the gate merges
                    delta_OI = (b_OR @ a_RI).mul_(scale).add_(layer.weight)
                    layer.merged[version] = delta_OI.to(layer.weight.dtype)
                rest()
        if any(self._layers[name] is self._model.get_output_embeddings() for name in factors):
            self._alone.add(version)  # the head reads fewer tokens than the layers below it
        self._versions = (*self._versions, version)

    def drop(self, version: str) -> None:
        """Forget a version that no pass reads any more, and free its weights."""
        if version == BASE or version not in self._versions:
            return
        self._versions = tuple(other for other in self._versions if other != version)
        self._alone.discard(version)
        with torch.inference_mode():
            for layer in self._layers.values():
                weight = layer.forget(version)
                if weight is not None:
                    # frees without Python's lock; a whole version freed under it would hold up passes
                    weight.set_()  # type: ignore[call-overload]  # torch's stub lacks the form without arguments
