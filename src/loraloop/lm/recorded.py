"""Gradients on a GPU by recorded passes: one launch for forward and backward instead of thousands.

On chat rows a GPU waits for Python to launch its kernels (an H100 computed a twentieth of the time). A CUDA graph holds
the kernels of one pass over rows of one size; so rows are laid in rectangles of few sizes, padded on the right, where a
causal mask keeps padding unseen, and each size is recorded once.

Source: docs.pytorch.org/docs/stable/notes/cuda.html, "CUDA Graphs".
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

from ..types import Sample
from .packed import PackedModel
from .packing import IGNORED, supervised_tokens

log = logging.getLogger(__name__)

_LEAST_STEP_TOKENS = 64
_WARM_UPS = 1


class Rectangle(NamedTuple):
    """The size of a recorded pass: rows, and tokens a row."""

    rows: int
    length: int

    @classmethod
    def around(cls, rows: int, longest: int) -> Rectangle:
        """The smallest of the few sizes that hold so many rows of so many tokens.

        Example:
            >>> Rectangle.around(5, 70), Rectangle.around(1, 600)
            (Rectangle(rows=8, length=128), Rectangle(rows=1, length=640))
        """
        step = max(_LEAST_STEP_TOKENS, 1 << max(0, longest.bit_length() - 3))
        return cls(1 << (rows - 1).bit_length(), -(-longest // step) * step)

    @property
    def cells(self) -> int:
        """Tokens computed, padding included."""
        return self.rows * self.length


def rectangles(samples: Sequence[Sample], most_cells: int) -> Iterator[tuple[Rectangle, list[Sample]]]:
    """Yield all samples, longest first, in rectangles of at most so many cells (or of one row)."""
    part: list[Sample] = []
    for sample in sorted(samples, key=lambda one: -len(one.input_ids)):
        longest = len((part or [sample])[0].input_ids)
        if part and Rectangle.around(len(part) + 1, longest).cells > most_cells:
            yield Rectangle.around(len(part), longest), part
            part = []
        part.append(sample)
    if part:
        yield Rectangle.around(len(part), len(part[0].input_ids)), part


def laid(rectangle: Rectangle, samples: Sequence[Sample], divisor: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Lay samples into a rectangle.

    Returns:
        ids and the tokens that follow (2, B, L), and what each counts for (B, L): ``1 / divisor`` where it is learnt.
    """
    words_2BL = torch.zeros(2, *rectangle, dtype=torch.long)
    share_BL = torch.zeros(*rectangle)
    for row, sample in enumerate(samples):
        labels = torch.tensor(sample.labels[1:], dtype=torch.long)
        learnt = labels != IGNORED
        words_2BL[0, row, : len(sample.input_ids)] = torch.tensor(sample.input_ids, dtype=torch.long)
        words_2BL[1, row, : len(labels)] = labels.where(learnt, 0)
        share_BL[row, : len(labels)] = learnt / divisor
    return words_2BL, share_BL


class _Recording:
    """Forward and backward over one rectangle. What is read, and the loss that is added to, stay where they are."""

    def __init__(
        self, packed: PackedModel, rectangle: Rectangle, loss: torch.Tensor, pool: object, stream: torch.cuda.Stream
    ) -> None:
        device = loss.device
        self._words_2BL = torch.zeros(2, *rectangle, dtype=torch.long, device=device)
        self._share_BL = torch.zeros(*rectangle, device=device)  # so that warming up adds nothing to any gradient

        def add() -> None:
            ids_BL, targets_BL = self._words_2BL
            found = packed.rectangle_loss(ids_BL, targets_BL, self._share_BL)
            found.backward()  # type: ignore[no-untyped-call]
            loss.add_(found.detach())

        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                add()
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, pool=pool, stream=stream, capture_error_mode="thread_local"):  # type: ignore[arg-type]
            add()

    def add(self, words_2BL: torch.Tensor, share_BL: torch.Tensor) -> None:
        self._words_2BL.copy_(words_2BL)
        self._share_BL.copy_(share_BL)
        self._graph.replay()


class RecordedGradients:
    """Does what ``PackedModel.add_gradients`` does, on a GPU and faster.

    A model that cannot be recorded (one that looks at a result while it computes, say) is run as it is, and a warning
    says so.

    Args:
        packed: a model on a GPU, in train mode whenever gradients are asked for. Its gradients stay in the memory that
            they have, so zero them in place (``zero_grad(set_to_none=False)``).

    Attributes:
        recording: whether passes are recorded.
    """

    def __init__(self, packed: PackedModel) -> None:
        self._packed = packed
        self.recording = packed.mode == "packed+head"
        self._weights = [weight for weight in packed.model.parameters() if weight.requires_grad]
        self._recordings: dict[Rectangle, _Recording] = {}
        if self.recording:
            self._loss = torch.zeros((), device=self._weights[0].device)
            self._pool, self._stream = torch.cuda.graph_pool_handle(), torch.cuda.Stream()  # type: ignore[no-untyped-call]

    def add_gradients(self, samples: Sequence[Sample], token_budget: int) -> float:
        """Add the gradients of the mean loss of the samples' supervised tokens to the weights; return that loss.

        Args:
            token_budget: tokens in one pass, padding included.
        """
        parts = list(rectangles(samples, token_budget))
        if not self._recorded({rectangle for rectangle, _ in parts}):
            return self._packed.add_gradients(samples, token_budget)
        supervised = max(1, supervised_tokens(samples))
        self._loss.zero_()
        for rectangle, part in parts:
            self._recordings[rectangle].add(*laid(rectangle, part, supervised))
        return self._loss.item()

    def _recorded(self, wanted: set[Rectangle]) -> bool:
        """Record the sizes that are not yet; return whether all are there."""
        missing = wanted - self._recordings.keys()
        if not self.recording:
            return False
        for weight in self._weights:
            weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
        try:
            for rectangle in missing:
                self._recordings[rectangle] = _Recording(self._packed, rectangle, self._loss, self._pool, self._stream)
        except RuntimeError as error:
            self.recording = False
            self._recordings.clear()
            log.warning("this model's passes cannot be recorded, so training is slower: %s", str(error).split("\n")[0])
        return self.recording
