"""Recorded passes give what passes launched one by one give: ``make gpu``. Not part of CI, which has no GPU."""

from pathlib import Path

import pytest
import torch
from test_recorded import ROWS, gradients, packed_model

from loraloop.lm.recorded import RecordedGradients

pytestmark = pytest.mark.slow


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
