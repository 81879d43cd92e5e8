"""Rows in rectangles learn what packed rows learn; ``on_gpu.py`` has the tests of recorded passes."""

from pathlib import Path

import pytest
import torch

from loraloop.lm.adapters import attach
from loraloop.lm.fused import fuse_lora
from loraloop.lm.loader import load_model
from loraloop.lm.packed import PackedModel
from loraloop.lm.packing import IGNORED
from loraloop.lm.recorded import Rectangle, laid, rectangles
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
