"""Rows in rectangles learn what packed rows learn; recorded passes (on a GPU) what passes launched one by one do."""

from pathlib import Path

import pytest
import torch

from loraloop.lm.adapters import attach
from loraloop.lm.fused import fuse_lora
from loraloop.lm.loader import load_model
from loraloop.lm.packed import PackedModel
from loraloop.lm.packing import IGNORED
from loraloop.lm.recorded import RecordedGradients, Rectangle, laid, rectangles
from loraloop.types import Sample

pytestmark = pytest.mark.slow

LENGTHS = [(17, 6), (5, 2), (70, 20), (29, 28), (130, 1)]
ROWS = [Sample(tuple(range(5, 5 + n)), (IGNORED,) * k + tuple(range(5 + k, 5 + n))) for n, k in LENGTHS]


def packed_model(folder: Path, device: str = "cpu", dropout: float = 0.0) -> PackedModel:
    """The tiny model in float32 with a fused LoRA adapter that is not zero."""
    torch.manual_seed(0)
    model = attach(load_model(folder, "float32", device), rank=4, alpha=8, dropout=dropout, targets="all-linear")
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.1)
    assert fuse_lora(model) > 0
    return PackedModel(model)


def gradients(packed: PackedModel) -> dict[str, torch.Tensor]:
    """The adapter's gradients by name."""
    named = packed.model.named_parameters()
    return {name: weight.grad.clone() for name, weight in named if weight.grad is not None}


def test_rows_in_rectangles_learn_what_packed_rows_learn(tiny_base: Path) -> None:
    """Loss and gradients are those of the packed step, whatever stands in the padding."""
    expected, found = packed_model(tiny_base), packed_model(tiny_base)
    loss = expected.add_gradients(ROWS, 4096)
    tokens = sum(label != IGNORED for row in ROWS for label in row.labels[1:])
    total = 0.0
    for rectangle, part in rectangles(ROWS, 300):
        words_2BL, share_BL = laid(rectangle, part, tokens)
        words_2BL[:, share_BL == 0] = words_2BL[:, share_BL == 0].where(words_2BL[:, share_BL == 0] > 0, 9)
        one = found.rectangle_loss(*words_2BL, share_BL)
        one.backward()
        total += one.item()
    assert total == pytest.approx(loss, rel=1e-5)
    for name, gradient in gradients(expected).items():
        torch.testing.assert_close(gradients(found)[name], gradient, rtol=1e-3, atol=1e-6)


def test_rectangles_hold_every_row_once_and_are_of_few_sizes() -> None:
    """Rows of all lengths up to 2,000 come in at most five times as many sizes as lengths double."""
    rows = [Sample(tuple(range(n)), (IGNORED,) * n) for n in range(1, 2000, 7)]
    parts = list(rectangles(rows, 4096))
    assert sorted(len(row.input_ids) for _, part in parts for row in part) == list(range(1, 2000, 7))
    for rectangle, part in parts:
        assert len(part) <= rectangle.rows
        assert max(len(row.input_ids) for row in part) <= rectangle.length
        assert rectangle.cells <= 4096
    assert len({rectangle for rectangle, _ in parts}) <= 30


def test_a_row_longer_than_a_pass_may_be_has_a_pass_of_its_own() -> None:
    """Nothing is left out for being long."""
    rows = [Sample(tuple(range(n)), (IGNORED,) * n) for n in (900, 10, 20)]
    parts = list(rectangles(rows, 256))
    assert [(rectangle, len(part)) for rectangle, part in parts] == [(Rectangle(1, 1024), 1), (Rectangle(2, 64), 2)]


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="recording needs a GPU, and torch sees none here")


@needs_gpu
def test_recorded_passes_give_the_gradients_of_passes_launched_one_by_one(tiny_base: Path) -> None:
    """Also the second time, after the first gradients were zeroed in place, and with rows of another size."""
    plain, packed = packed_model(tiny_base, "cuda"), packed_model(tiny_base, "cuda")
    recorded = RecordedGradients(packed)
    for rows in (ROWS, ROWS[:2], ROWS[1:]):
        plain.model.zero_grad()
        packed.model.zero_grad(set_to_none=False)
        loss = plain.add_gradients(rows, 300)
        assert recorded.add_gradients(rows, 300) == pytest.approx(loss, rel=1e-4)
        assert recorded.recording
        for name, gradient in gradients(plain).items():
            torch.testing.assert_close(gradients(packed)[name], gradient, rtol=1e-2, atol=1e-5)


@needs_gpu
def test_dropout_of_recorded_passes_is_drawn_anew_each_time(tiny_base: Path) -> None:
    """A recording repeats kernels, not chance; the same seed gives the same loss."""
    packed = packed_model(tiny_base, "cuda", dropout=0.5)
    packed.model.train()
    recorded = RecordedGradients(packed)
    recorded.add_gradients(ROWS, 4096)
    losses = []
    for seed in (1, 2, 1):
        torch.manual_seed(seed)
        losses.append(recorded.add_gradients(ROWS, 4096))
    assert losses[0] == losses[2] != losses[1]
