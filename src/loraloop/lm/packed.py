"""Loss and scores of a causal LM over packed rows; falls back, aloud, where a model cannot be packed."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional as F

from ..types import Sample
from . import attention
from .fused import FrozenHeadLoss, head_nll
from .packing import IGNORED, Packed, batches, pack, supervised_tokens

log = logging.getLogger(__name__)

_PROBE_LENGTHS = (9, 5, 14)
_PROBE_SHARED = 10


class PackedModel:
    """A causal LM that reads packed batches.

    Whether packing gives this model's own logits is measured once on random rows; a model where it does not (an
    architecture without transformers' attention interface, say) is run row by row instead, and a warning says so.

    Args:
        model: a transformers causal LM, or a PEFT model around one. Its attention implementation is switched.

    Attributes:
        mode: ``"packed+head"`` (packed, head on supervised positions in one pass), ``"packed"`` (the model's own head)
            or ``"rows"``.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.mode = "rows"
        attention.register()
        self._inner = model.get_base_model() if hasattr(model, "get_base_model") else model
        before = self._inner.config._attn_implementation
        before = "sdpa" if before == attention.NAME else before  # packed once already
        self.mode = self._probe(before)
        if self.mode == "rows":
            self._inner.set_attn_implementation(before)
            log.warning("%s cannot be packed; rows run one by one, slower", type(self._inner).__name__)

    @property
    def on_gpu(self) -> bool:
        """Whether the model is on a GPU."""
        return bool(self._inner.device.type == "cuda")

    def loss_sum(self, samples: Sequence[Sample]) -> torch.Tensor:
        """Sum over supervised positions of the negative log-likelihood in nats; differentiable."""
        packed = self._pack(samples)
        if self.mode == "packed+head":
            hidden_SE = self._hidden(packed)
            total: torch.Tensor = FrozenHeadLoss.apply(hidden_SE, self._head().weight, packed.targets_S)  # type: ignore[no-untyped-call]
            return total
        return F.cross_entropy(self._logits(packed).float(), packed.targets_S, reduction="sum")

    def add_gradients(self, samples: Sequence[Sample], token_budget: int) -> float:
        """Add the gradients of the mean loss of the samples' supervised tokens to the weights; return that loss."""
        supervised = max(1, supervised_tokens(samples))
        total = 0.0
        for batch in batches(samples, token_budget):
            loss = self.loss_sum([samples[row] for row in batch]) / supervised
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        return total

    def rectangle_loss(self, ids_BL: torch.Tensor, targets_BL: torch.Tensor, share_BL: torch.Tensor) -> torch.Tensor:
        """Loss in nats of rows padded on the right, each token counted by its share; differentiable.

        For models of mode ``"packed+head"``.

        Args:
            targets_BL: the token that follows; any where the share is 0. share_BL: float32.
        """
        rows, length = ids_BL.shape
        places_BL = torch.arange(length, device=ids_BL.device).expand(rows, length)
        out = self._inner.base_model(input_ids=ids_BL, position_ids=places_BL, layout=None, use_cache=False)
        hidden_TE = out.last_hidden_state.flatten(0, 1)
        loss: torch.Tensor = FrozenHeadLoss.apply(  # type: ignore[no-untyped-call]
            hidden_TE, self._head().weight, targets_BL.flatten(), share_BL.flatten()
        )
        return loss

    @torch.inference_mode()
    def row_nll(self, samples: Sequence[Sample], token_budget: int = 4096) -> list[float]:
        """Negative log-likelihood in nats summed over each sample's supervised tokens, in the order given."""
        sums = [0.0] * len(samples)
        for batch in batches(samples, token_budget):
            packed = self._pack([samples[row] for row in batch])
            if packed.targets_S.numel() == 0:
                continue
            if self.mode == "packed+head":
                nll_S = head_nll(self._hidden(packed), self._head().weight, packed.targets_S)
            else:
                nll_S = F.cross_entropy(self._logits(packed).float(), packed.targets_S, reduction="none")
            totals = torch.zeros(len(batch), dtype=torch.float64).index_add_(0, packed.row_S, nll_S.double().cpu())
            for row, total in zip(batch, totals.tolist(), strict=True):
                sums[row] = total
        return sums

    def _pack(self, samples: Sequence[Sample]) -> Packed:
        return pack(samples, share=self.mode != "rows", device=self._inner.device)

    def _hidden(self, packed: Packed) -> torch.Tensor:
        out = self._inner.base_model(
            input_ids=packed.input_ids_1T, position_ids=packed.position_ids_1T, layout=packed.layout, use_cache=False
        )
        return out.last_hidden_state[0].index_select(0, packed.supervised_S)  # type: ignore[no-any-return]

    def _head(self) -> Any:
        return self._inner.get_output_embeddings()

    def _logits(self, packed: Packed) -> torch.Tensor:
        """Logits (S, V) by the model's own head."""
        if self.mode == "rows":
            return self._logits_by_row(packed)
        out = self._inner(
            input_ids=packed.input_ids_1T,
            position_ids=packed.position_ids_1T,
            layout=packed.layout,
            use_cache=False,
            logits_to_keep=packed.supervised_S,
        )
        return out.logits[0]  # type: ignore[no-any-return]

    def _logits_by_row(self, packed: Packed) -> torch.Tensor:
        starts = [*(packed.position_ids_1T[0] == 0).nonzero()[:, 0].tolist(), packed.tokens]
        rows = [
            self._inner(input_ids=packed.input_ids_1T[:, begin:end], use_cache=False).logits[0]
            for begin, end in itertools.pairwise(starts)
        ]
        return torch.cat(rows).index_select(0, packed.supervised_S)

    def _probe(self, plain: str) -> str:
        """The fastest mode whose logits equal those of plain rows within the dtype's rounding."""
        generator = torch.Generator().manual_seed(0)
        vocabulary = int(self._inner.get_input_embeddings().weight.shape[0])
        start, *rows = (
            torch.randint(0, vocabulary, (n,), generator=generator).tolist() for n in (_PROBE_SHARED, *_PROBE_LENGTHS)
        )
        samples = [Sample((*start, *row), (*(IGNORED,) * (len(start) + 1), *row[1:])) for row in rows]
        device = self._inner.device
        alone, packed = pack(samples, share=False, device=device), pack(samples, device=device)
        training = self._inner.training
        self._inner.eval()
        try:
            with torch.inference_mode():
                self._inner.set_attn_implementation(plain)
                expected_S = F.cross_entropy(self._logits_by_row(alone).float(), alone.targets_S, reduction="none")
                self._inner.set_attn_implementation(attention.NAME)
                for mode in ("packed+head", "packed"):
                    if self._agrees(mode, packed, expected_S):
                        return mode
        finally:
            self._inner.train(training)
        return "rows"

    def _agrees(self, mode: str, packed: Packed, expected_S: torch.Tensor) -> bool:
        head = self._head()
        if mode == "packed+head" and (head is None or head.bias is not None or head.weight.requires_grad):
            return False
        self.mode = mode
        try:
            if mode == "packed+head":
                found_S = head_nll(self._hidden(packed), head.weight, packed.targets_S)
            else:
                found_S = F.cross_entropy(self._logits(packed).float(), packed.targets_S, reduction="none")
        except (TypeError, ValueError, KeyError, AttributeError, RuntimeError) as error:
            log.info("packing mode %s does not fit %s: %s", mode, type(self._inner).__name__, error)
            return False
        tolerance = 0.15 if expected_S.dtype != torch.float64 and self._inner.dtype != torch.float32 else 2e-3
        return bool((found_S - expected_S).abs().mean() < tolerance)
