"""The packed step against transformers' and PEFT's own."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from loraloop.lm.adapters import attach
from loraloop.lm.fused import fuse_lora
from loraloop.lm.loader import load_model
from loraloop.lm.packed import PackedModel
from loraloop.lm.packing import IGNORED
from loraloop.types import Sample

pytestmark = pytest.mark.slow

ROWS = [
    Sample(tuple(range(5, 5 + n)), (IGNORED,) * k + tuple(range(5 + k, 5 + n))) for n, k in [(17, 6), (5, 2), (29, 20)]
]


def reference_loss(model: torch.nn.Module) -> torch.Tensor:
    """The sum of negative log-likelihoods by the model's own forward, one row at a time."""
    total = torch.zeros(())
    for row in ROWS:
        logits = model(input_ids=torch.tensor([row.input_ids])).logits[0, :-1]
        total = total + F.cross_entropy(logits, torch.tensor(row.labels[1:]), ignore_index=IGNORED, reduction="sum")
    return total


def adapted(folder: Path, seed: int = 0) -> torch.nn.Module:
    """The tiny model in float32 with a LoRA adapter that is not zero."""
    torch.manual_seed(seed)
    model = attach(load_model(folder, "float32"), rank=4, alpha=8, dropout=0.0, targets="all-linear")
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.1)
    return model


def test_packed_loss_and_gradients_equal_those_of_peft_row_by_row(tiny_base: Path) -> None:
    """The fast step computes the same loss and the same adapter gradients as PEFT's own layers without packing."""
    plain, fast = adapted(tiny_base), adapted(tiny_base)
    expected = reference_loss(plain)
    expected.backward()
    assert fuse_lora(fast) > 0
    packed = PackedModel(fast)
    assert packed.mode == "packed+head"
    found = packed.loss_sum(ROWS)
    found.backward()
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    gradients = {name: weight.grad for name, weight in fast.named_parameters() if weight.requires_grad}
    for name, weight in plain.named_parameters():
        if weight.requires_grad:
            torch.testing.assert_close(gradients[name], weight.grad, rtol=1e-3, atol=1e-5)


def test_row_scores_equal_the_models_own(tiny_base: Path) -> None:
    """Scoring many rows at once gives each row the likelihood it has alone."""
    model = load_model(tiny_base, "float32")
    total = reference_loss(model).item()
    scores = PackedModel(model).row_nll(ROWS)
    assert sum(scores) == pytest.approx(total, rel=1e-5)
    alone = [PackedModel(model).row_nll([row])[0] for row in ROWS]
    assert scores == pytest.approx(alone, rel=1e-5)


def test_rows_do_not_see_one_another(tiny_base: Path) -> None:
    """Changing one packed row leaves the score of every other row as it was."""
    packed = PackedModel(load_model(tiny_base, "float32"))
    other = Sample(tuple(reversed(ROWS[2].input_ids)), ROWS[2].labels)
    assert packed.row_nll(ROWS)[:2] == pytest.approx(packed.row_nll([*ROWS[:2], other])[:2], rel=1e-6)


def test_a_model_whose_head_may_not_be_fused_still_gives_its_own_loss(tiny_base: Path) -> None:
    """With a trainable head the one-pass loss would be wrong, so another mode is taken, with the same result."""
    model = load_model(tiny_base, "float32")
    expected = reference_loss(model).item()
    model.get_output_embeddings().weight.requires_grad_(True)
    packed = PackedModel(model)
    assert packed.mode == "packed"
    assert packed.loss_sum(ROWS).item() == pytest.approx(expected, rel=1e-5)


def shared_rows(longer_by: int = 0) -> list[Sample]:
    """Rows that begin with the same 12 tokens, as a system prompt makes them."""
    start = tuple(100 + n % 90 for n in range(12 + longer_by))
    rows = []
    for prompt, answer in ((4, 6), (9, 3), (2, 11)):
        own = tuple(range(7 * prompt, 7 * prompt + prompt + answer))
        rows.append(Sample((*start, *own), (IGNORED,) * (len(start) + prompt) + own[prompt:]))
    return rows


@pytest.mark.parametrize("longer_by", [0, 400], ids=["short", "long"])
def test_a_start_that_rows_share_changes_neither_loss_nor_gradients(tiny_base: Path, longer_by: int) -> None:
    """Reading a shared system prompt once gives the loss and the gradients of reading it with every row."""
    apart, together = adapted(tiny_base), adapted(tiny_base)
    rows = shared_rows(longer_by)
    packed = [PackedModel(model) for model in (apart, together)]
    one_by_one = sum((packed[0].loss_sum([row]) for row in rows), torch.zeros(()))
    one_by_one.backward()
    loss = packed[1].loss_sum(rows)
    loss.backward()
    assert loss.item() == pytest.approx(one_by_one.item(), rel=1e-5)
    for one, other in zip(apart.parameters(), together.parameters(), strict=True):
        if one.requires_grad:
            torch.testing.assert_close(other.grad, one.grad, rtol=1e-3, atol=1e-5)
